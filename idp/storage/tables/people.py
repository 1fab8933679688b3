"""Tables about people: accounts, how they are known, how well proven, and how they sign in."""

from sqlalchemy import JSON, Boolean, Column, ForeignKey, Index, Integer, String, Table, Text, UniqueConstraint

from idp.storage.tables.metadata import Hash, Identifier, Instant, metadata

accounts = Table(
    "accounts",
    metadata,
    Column("id", Identifier, primary_key=True),
    Column("status", String(16), nullable=False),  # active | locked
    Column("status_reason", String(200)),
    Column("full_name_sealed", Text, nullable=False),
    Column("birth_date_sealed", Text, nullable=False),  # YYYY-MM-DD or YYYY
    Column("email_sealed", Text),
    Column("language", String(2), nullable=False),
    Column("sessions_end_before", Instant),  # written for nodes of version 0.1 alone, which compare it
    Column("sessions_generation", Integer, nullable=False, server_default="0"),  # what belongs to an earlier one counts no more
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
)

documents = Table(
    "documents",
    metadata,
    Column("id", Identifier, primary_key=True),
    Column("account_id", ForeignKey("accounts.id"), nullable=False, index=True),
    Column("type", String(16), nullable=False),  # cccd | cmnd
    Column("number_sealed", Text, nullable=False),
    Column("number_index", Hash, nullable=False),
    Column("index_version", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    UniqueConstraint("type", "number_index"),
)

phones = Table(
    "phones",
    metadata,
    Column("id", Identifier, primary_key=True),
    Column("account_id", ForeignKey("accounts.id"), nullable=False, index=True),
    Column("number_sealed", Text, nullable=False),
    Column("number_index", Hash, nullable=False, index=True),
    Column("index_version", Integer, nullable=False),
    Column("is_default", Boolean, nullable=False),
    Column("verified_at", Instant, nullable=False),
    UniqueConstraint("account_id", "number_index"),
)

passwords = Table(
    "passwords",
    metadata,
    Column("account_id", ForeignKey("accounts.id"), primary_key=True),
    Column("hash", Text, nullable=False),  # Argon2id, encoded with its parameters
    Column("changed_at", Instant, nullable=False),
)

evidence = Table(
    "evidence",
    metadata,
    Column("id", Identifier, primary_key=True),
    Column("account_id", ForeignKey("accounts.id"), nullable=False, index=True),
    Column("method", String(32), nullable=False),  # a key of [assurance.proofing_levels]
    Column("source", String(64), nullable=False),  # the carrier, the upstream, the counter
    Column("result", String(32), nullable=False),
    Column("fields_matched", JSON, nullable=False),
    Column("reference", String(64)),
    Column("checked_at", Instant, nullable=False),
    Column("expires_at", Instant),
    Column("withdrawn_at", Instant),
)

known_devices = Table(
    "known_devices",
    metadata,
    Column("token_hash", Hash, primary_key=True),
    Column("account_id", ForeignKey("accounts.id"), nullable=False, index=True),
    Column("created_at", Instant, nullable=False),
    Column("last_seen_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
)

registration_drafts = Table(
    "registration_drafts",
    metadata,
    Column("id", Identifier, primary_key=True),
    Column("state", String(16), nullable=False),
    Column("browser_hash", Hash, nullable=False),
    Column("phone_index", Hash, nullable=False),
    Column("applicant_sealed", Text, nullable=False),
    Column("verdict", String(16)),
    Column("carrier", String(64)),
    Column("fields_matched", JSON),
    Column("checked_at", Instant),
    Column("account_id", Identifier),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False, index=True),
    Index("ix_registration_drafts_phone_index_state", "phone_index", "state"),
)
