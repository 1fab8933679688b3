"""Count how often an account's sessions were ended, instead of comparing instants of several clocks.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

revision: str = "0002"
down_revision: str | None = "0001"


def upgrade() -> None:
    """Add the counter; `sessions_end_before` stays for one version, for nodes that still compare it."""
    op.add_column("accounts", sa.Column("sessions_generation", sa.Integer(), nullable=False, server_default="0"))


def downgrade() -> None:
    """Remove it."""
    op.drop_column("accounts", "sessions_generation")
