"""The first tables: people, portals, and the records of the house, of which the audit trail only grows."""

import sqlalchemy as sa
from alembic import op

revision: str = "0001"
down_revision: str | None = None

_IDENTIFIER = sa.String(length=36)
_SHORT = sa.String(length=64)
_INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make every table, and close the audit trail to all but additions."""
    make_accounts()
    make_documents()
    make_phones()
    make_passwords()
    make_evidence()
    make_known_devices()
    make_registration_drafts()
    make_clients()
    make_subjects()
    make_consents()
    make_grants()
    make_refresh_tokens()
    make_session_clients()
    make_audit_events()
    make_outbox()
    make_signing_keys()
    if op.get_bind().dialect.name == "sqlite":
        close_audit_events_on_sqlite()
    else:
        close_audit_events_on_postgresql()


def downgrade() -> None:
    """Drop every table, with the triggers that stand on it."""
    for table in reversed(_TABLES):
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION refuse_change()")


_TABLES = (
    "accounts",
    "documents",
    "phones",
    "passwords",
    "evidence",
    "known_devices",
    "registration_drafts",
    "clients",
    "subjects",
    "consents",
    "grants",
    "refresh_tokens",
    "session_clients",
    "audit_events",
    "outbox",
    "signing_keys",
)


def close_audit_events_on_sqlite() -> None:
    """Refuse UPDATE and DELETE, and the silent delete of INSERT OR REPLACE. A later copy of the table (batch mode) has to do this again."""
    refuse = "BEGIN SELECT RAISE(ABORT, 'audit_events only grows'); END"
    op.execute(f"CREATE TRIGGER audit_events_refuse_update BEFORE UPDATE ON audit_events {refuse}")
    op.execute(f"CREATE TRIGGER audit_events_refuse_delete BEFORE DELETE ON audit_events {refuse}")
    again = "WHEN EXISTS (SELECT 1 FROM audit_events WHERE id = NEW.id)"
    op.execute(f"CREATE TRIGGER audit_events_refuse_replace BEFORE INSERT ON audit_events {again} {refuse}")


def close_audit_events_on_postgresql() -> None:
    """Refuse UPDATE, DELETE and TRUNCATE."""
    op.execute(
        "CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$ "
        "BEGIN RAISE EXCEPTION '% only grows', TG_TABLE_NAME USING ERRCODE = 'restrict_violation'; END $$"
    )
    op.execute(
        "CREATE TRIGGER audit_events_refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_events "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )


def make_accounts() -> None:
    """Make `accounts`."""
    op.create_table(
        "accounts",
        sa.Column("id", _IDENTIFIER, nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("status_reason", sa.String(length=200)),
        sa.Column("full_name_sealed", sa.Text(), nullable=False),
        sa.Column("birth_date_sealed", sa.Text(), nullable=False),
        sa.Column("email_sealed", sa.Text()),
        sa.Column("language", sa.String(length=2), nullable=False),
        sa.Column("sessions_end_before", _INSTANT, nullable=True),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("updated_at", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_accounts"),
    )


def make_documents() -> None:
    """Make `documents`."""
    op.create_table(
        "documents",
        sa.Column("id", _IDENTIFIER, nullable=False),
        sa.Column("account_id", _IDENTIFIER, nullable=False),
        sa.Column("type", sa.String(length=16), nullable=False),
        sa.Column("number_sealed", sa.Text(), nullable=False),
        sa.Column("number_index", _SHORT, nullable=False),
        sa.Column("index_version", sa.Integer(), nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_documents_account_id_accounts"),
        sa.PrimaryKeyConstraint("id", name="pk_documents"),
        sa.UniqueConstraint("type", "number_index", name="uq_documents_type_number_index"),
    )
    op.create_index("ix_documents_account_id", "documents", ["account_id"])


def make_phones() -> None:
    """Make `phones`."""
    op.create_table(
        "phones",
        sa.Column("id", _IDENTIFIER, nullable=False),
        sa.Column("account_id", _IDENTIFIER, nullable=False),
        sa.Column("number_sealed", sa.Text(), nullable=False),
        sa.Column("number_index", _SHORT, nullable=False),
        sa.Column("index_version", sa.Integer(), nullable=False),
        sa.Column("is_default", sa.Boolean(), nullable=False),
        sa.Column("verified_at", _INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_phones_account_id_accounts"),
        sa.PrimaryKeyConstraint("id", name="pk_phones"),
        sa.UniqueConstraint("account_id", "number_index", name="uq_phones_account_id_number_index"),
    )
    op.create_index("ix_phones_account_id", "phones", ["account_id"])
    op.create_index("ix_phones_number_index", "phones", ["number_index"])


def make_passwords() -> None:
    """Make `passwords`."""
    op.create_table(
        "passwords",
        sa.Column("account_id", _IDENTIFIER, nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("changed_at", _INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_passwords_account_id_accounts"),
        sa.PrimaryKeyConstraint("account_id", name="pk_passwords"),
    )


def make_evidence() -> None:
    """Make `evidence`."""
    op.create_table(
        "evidence",
        sa.Column("id", _IDENTIFIER, nullable=False),
        sa.Column("account_id", _IDENTIFIER, nullable=False),
        sa.Column("method", sa.String(length=32), nullable=False),
        sa.Column("source", _SHORT, nullable=False),
        sa.Column("result", sa.String(length=32), nullable=False),
        sa.Column("fields_matched", sa.JSON(), nullable=False),
        sa.Column("reference", _SHORT),
        sa.Column("checked_at", _INSTANT, nullable=False),
        sa.Column("expires_at", _INSTANT),
        sa.Column("withdrawn_at", _INSTANT),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_evidence_account_id_accounts"),
        sa.PrimaryKeyConstraint("id", name="pk_evidence"),
    )
    op.create_index("ix_evidence_account_id", "evidence", ["account_id"])


def make_known_devices() -> None:
    """Make `known_devices`."""
    op.create_table(
        "known_devices",
        sa.Column("token_hash", _SHORT, nullable=False),
        sa.Column("account_id", _IDENTIFIER, nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("last_seen_at", _INSTANT, nullable=False),
        sa.Column("expires_at", _INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_known_devices_account_id_accounts"),
        sa.PrimaryKeyConstraint("token_hash", name="pk_known_devices"),
    )
    op.create_index("ix_known_devices_account_id", "known_devices", ["account_id"])


def make_registration_drafts() -> None:
    """Make `registration_drafts`."""
    op.create_table(
        "registration_drafts",
        sa.Column("id", _IDENTIFIER, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("browser_hash", _SHORT, nullable=False),
        sa.Column("phone_index", _SHORT, nullable=False),
        sa.Column("applicant_sealed", sa.Text(), nullable=False),
        sa.Column("verdict", sa.String(length=16)),
        sa.Column("carrier", _SHORT),
        sa.Column("fields_matched", sa.JSON()),
        sa.Column("checked_at", _INSTANT),
        sa.Column("account_id", _IDENTIFIER),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("expires_at", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_registration_drafts"),
    )
    op.create_index("ix_registration_drafts_expires_at", "registration_drafts", ["expires_at"])
    op.create_index("ix_registration_drafts_phone_index_state", "registration_drafts", ["phone_index", "state"])


def make_clients() -> None:
    """Make `clients`."""
    op.create_table(
        "clients",
        sa.Column("client_id", _SHORT, nullable=False),
        sa.Column("name_vi", sa.String(length=200), nullable=False),
        sa.Column("name_en", sa.String(length=200), nullable=False),
        sa.Column("secret_hash", _SHORT),
        sa.Column("auth_method", sa.String(length=32), nullable=False),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("updated_at", _INSTANT, nullable=False),
        sa.Column("disabled_at", _INSTANT),
        sa.PrimaryKeyConstraint("client_id", name="pk_clients"),
    )


def make_subjects() -> None:
    """Make `subjects`."""
    op.create_table(
        "subjects",
        sa.Column("account_id", _IDENTIFIER, nullable=False),
        sa.Column("sector", sa.String(length=255), nullable=False),
        sa.Column("sub", _SHORT, nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_subjects_account_id_accounts"),
        sa.PrimaryKeyConstraint("account_id", "sector", name="pk_subjects"),
        sa.UniqueConstraint("sub", name="uq_subjects_sub"),
    )


def make_consents() -> None:
    """Make `consents`."""
    op.create_table(
        "consents",
        sa.Column("id", _IDENTIFIER, nullable=False),
        sa.Column("account_id", _IDENTIFIER, nullable=False),
        sa.Column("client_id", _SHORT, nullable=False),
        sa.Column("legal_basis", sa.String(length=16), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("purpose_version", _SHORT, nullable=False),
        sa.Column("given_at", _INSTANT, nullable=False),
        sa.Column("withdrawn_at", _INSTANT),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_consents_account_id_accounts"),
        sa.ForeignKeyConstraint(["client_id"], ["clients.client_id"], name="fk_consents_client_id_clients"),
        sa.PrimaryKeyConstraint("id", name="pk_consents"),
        sa.UniqueConstraint("account_id", "client_id", name="uq_consents_account_id_client_id"),
    )


def make_grants() -> None:
    """Make `grants`."""
    op.create_table(
        "grants",
        sa.Column("id", _IDENTIFIER, nullable=False),
        sa.Column("account_id", _IDENTIFIER),
        sa.Column("client_id", _SHORT),
        sa.Column("session_id", _IDENTIFIER),
        sa.Column("details", sa.JSON()),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("revoked_at", _INSTANT),
        sa.Column("revoked_reason", sa.String(length=32)),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_grants_account_id_accounts"),
        sa.ForeignKeyConstraint(["client_id"], ["clients.client_id"], name="fk_grants_client_id_clients"),
        sa.PrimaryKeyConstraint("id", name="pk_grants"),
    )
    op.create_index("ix_grants_account_id", "grants", ["account_id"])
    op.create_index("ix_grants_client_id", "grants", ["client_id"])
    op.create_index("ix_grants_session_id", "grants", ["session_id"])


def make_refresh_tokens() -> None:
    """Make `refresh_tokens`."""
    op.create_table(
        "refresh_tokens",
        sa.Column("token_hash", _SHORT, nullable=False),
        sa.Column("grant_id", _IDENTIFIER, nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("expires_at", _INSTANT, nullable=False),
        sa.Column("used_at", _INSTANT),
        sa.ForeignKeyConstraint(["grant_id"], ["grants.id"], name="fk_refresh_tokens_grant_id_grants"),
        sa.PrimaryKeyConstraint("token_hash", name="pk_refresh_tokens"),
    )
    op.create_index("ix_refresh_tokens_grant_id", "refresh_tokens", ["grant_id"])


def make_session_clients() -> None:
    """Make `session_clients`."""
    op.create_table(
        "session_clients",
        sa.Column("sid", _SHORT, nullable=False),
        sa.Column("session_id", _IDENTIFIER, nullable=False),
        sa.Column("account_id", _IDENTIFIER, nullable=False),
        sa.Column("client_id", _SHORT, nullable=False),
        sa.Column("sub", _SHORT, nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("ended_at", _INSTANT),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_session_clients_account_id_accounts"),
        sa.ForeignKeyConstraint(["client_id"], ["clients.client_id"], name="fk_session_clients_client_id_clients"),
        sa.PrimaryKeyConstraint("sid", name="pk_session_clients"),
    )
    op.create_index("ix_session_clients_account_id", "session_clients", ["account_id"])
    op.create_index("ix_session_clients_session_id", "session_clients", ["session_id"])


def make_audit_events() -> None:
    """Make `audit_events`."""
    op.create_table(
        "audit_events",
        sa.Column("id", _IDENTIFIER, nullable=False),
        sa.Column("at", _INSTANT, nullable=False),
        sa.Column("event", _SHORT, nullable=False),
        sa.Column("account_id", _IDENTIFIER),
        sa.Column("client_id", _SHORT),
        sa.Column("actor", _SHORT, nullable=False),
        sa.Column("address_sealed", sa.Text()),
        sa.Column("request_id", _IDENTIFIER),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit_events"),
    )
    op.create_index("ix_audit_events_account_id", "audit_events", ["account_id"])
    op.create_index("ix_audit_events_at", "audit_events", ["at"])


def make_outbox() -> None:
    """Make `outbox`."""
    op.create_table(
        "outbox",
        sa.Column("id", _IDENTIFIER, nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("payload_sealed", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("due_at", _INSTANT, nullable=False),
        sa.Column("claimed_until", _INSTANT),
        sa.Column("give_up_at", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
    )
    op.create_index("ix_outbox_kind_due_at", "outbox", ["kind", "due_at"])


def make_signing_keys() -> None:
    """Make `signing_keys`."""
    op.create_table(
        "signing_keys",
        sa.Column("kid", _SHORT, nullable=False),
        sa.Column("algorithm", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("public_jwk", sa.JSON(), nullable=False),
        sa.Column("private_sealed", sa.Text(), nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("activated_at", _INSTANT),
        sa.PrimaryKeyConstraint("kid", name="pk_signing_keys"),
    )
    op.create_index(
        "uq_signing_keys_active",
        "signing_keys",
        ["algorithm"],
        unique=True,
        sqlite_where=sa.text("state = 'active'"),
        postgresql_where=sa.text("state = 'active'"),
    )
