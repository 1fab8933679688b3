"""Tables of the house itself: the audit trail, the outbox and the signing keys."""

from sqlalchemy import JSON, Column, Index, Integer, String, Table, Text, text

from idp.storage.tables.metadata import Identifier, Instant, metadata

audit_events = Table(
    "audit_events",
    metadata,
    Column("id", Identifier, primary_key=True),
    Column("at", Instant, nullable=False, index=True),
    Column("event", String(64), nullable=False),
    Column("account_id", Identifier, index=True),
    Column("client_id", String(64)),
    Column("actor", String(64), nullable=False),  # person | portal | operator:NAME | system
    Column("address_sealed", Text),
    Column("request_id", String(36)),
    Column("facts", JSON, nullable=False),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", Identifier, primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("payload_sealed", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("due_at", Instant, nullable=False),
    Column("claimed_until", Instant),
    Column("give_up_at", Instant, nullable=False),
    Index("ix_outbox_kind_due_at", "kind", "due_at"),
)

signing_keys = Table(
    "signing_keys",
    metadata,
    Column("kid", String(64), primary_key=True),
    Column("algorithm", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("public_jwk", JSON, nullable=False),
    Column("private_sealed", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("activated_at", Instant),
    # One active key per algorithm, whoever makes it first (invariant 1 of the key life cycle).
    Index(
        "uq_signing_keys_active",
        "algorithm",
        unique=True,
        sqlite_where=text("state = 'active'"),
        postgresql_where=text("state = 'active'"),
    ),
)
