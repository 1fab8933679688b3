"""The tables of lasting state. Personal data are encrypted (`*_sealed`) or keyed hashes (`*_index`), bearer secrets are SHA-256."""

from idp.storage.tables.metadata import metadata
from idp.storage.tables.people import (
    accounts,
    documents,
    evidence,
    known_devices,
    passwords,
    phones,
    registration_drafts,
)
from idp.storage.tables.portals import clients, consents, grants, refresh_tokens, session_clients, subjects
from idp.storage.tables.records import audit_events, outbox, signing_keys

__all__ = [
    "accounts",
    "audit_events",
    "clients",
    "consents",
    "documents",
    "evidence",
    "grants",
    "known_devices",
    "metadata",
    "outbox",
    "passwords",
    "phones",
    "refresh_tokens",
    "registration_drafts",
    "session_clients",
    "signing_keys",
    "subjects",
]
