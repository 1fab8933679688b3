"""Tables about portals: clients, what each knows a person as, what people agreed to, and what was issued."""

from sqlalchemy import JSON, Column, ForeignKey, Integer, String, Table, UniqueConstraint

from idp.storage.tables.metadata import Hash, Identifier, Instant, metadata

clients = Table(
    "clients",
    metadata,
    Column("client_id", String(64), primary_key=True),
    Column("name_vi", String(200), nullable=False),
    Column("name_en", String(200), nullable=False),
    Column("secret_hash", Hash),
    Column("auth_method", String(32), nullable=False),
    Column("settings", JSON, nullable=False),  # the rest of protocol.clients.Client
    Column("version", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("disabled_at", Instant),
)

subjects = Table(
    "subjects",
    metadata,
    Column("account_id", ForeignKey("accounts.id"), primary_key=True),
    Column("sector", String(255), primary_key=True),  # "" is the public subject
    Column("sub", String(64), nullable=False, unique=True),
)

consents = Table(
    "consents",
    metadata,
    Column("id", Identifier, primary_key=True),
    Column("account_id", ForeignKey("accounts.id"), nullable=False),
    Column("client_id", ForeignKey("clients.client_id"), nullable=False),
    Column("legal_basis", String(16), nullable=False),  # consent | notice
    Column("scopes", JSON, nullable=False),
    Column("purpose_version", String(64), nullable=False),
    Column("given_at", Instant, nullable=False),
    Column("withdrawn_at", Instant),
    UniqueConstraint("account_id", "client_id"),
)

grants = Table(
    "grants",
    metadata,
    Column("id", Identifier, primary_key=True),
    Column("account_id", ForeignKey("accounts.id"), index=True),
    Column("client_id", ForeignKey("clients.client_id"), index=True),
    Column("session_id", Identifier, index=True),
    Column("details", JSON),  # scope, claims, auth_time, amr, acr, nonce: what the tokens of this grant say
    Column("created_at", Instant, nullable=False),
    Column("revoked_at", Instant),
    Column("revoked_reason", String(32)),
)

refresh_tokens = Table(
    "refresh_tokens",
    metadata,
    Column("token_hash", Hash, primary_key=True),
    Column("grant_id", ForeignKey("grants.id"), nullable=False, index=True),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("used_at", Instant),
)

session_clients = Table(
    "session_clients",
    metadata,
    Column("sid", String(64), primary_key=True),
    Column("session_id", Identifier, nullable=False, index=True),
    Column("account_id", ForeignKey("accounts.id"), nullable=False, index=True),
    Column("client_id", ForeignKey("clients.client_id"), nullable=False),
    Column("sub", String(64), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("ended_at", Instant),
)
