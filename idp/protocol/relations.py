"""What an account and a client are to each other, read in one statement: how the account stands, what was agreed to, and the `sub`."""

from dataclasses import dataclass

from sqlalchemy import and_, bindparam, select

from idp.identity.accounts import STANDING_COLUMNS, WITH_EVIDENCE, Standing, standing_of
from idp.protocol.clients import Client
from idp.protocol.consents import CONSENT_COLUMNS, Consent, consent_of
from idp.protocol.subjects import sector_of
from idp.storage.db import Database
from idp.storage.statements import Statement
from idp.storage.tables import accounts, consents, subjects

_FIND = Statement(
    select(*STANDING_COLUMNS, *CONSENT_COLUMNS, subjects.c.sub)
    .select_from(
        WITH_EVIDENCE.outerjoin(consents, and_(consents.c.account_id == accounts.c.id, consents.c.client_id == bindparam("client_id")))
        .outerjoin(subjects, and_(subjects.c.account_id == accounts.c.id, subjects.c.sector == bindparam("sector")))
    )
    .where(accounts.c.id == bindparam("account_id"))
)  # fmt: skip


@dataclass(frozen=True)
class Relation:
    """How an account stands, the consent that it gave the client, and the `sub` that the client knows it by: None before they meet."""

    standing: Standing
    consent: Consent | None = None
    sub: str | None = None


class Relations:
    """Finds relations."""

    def __init__(self, *, database: Database) -> None:
        """Read from the database alone: nothing here may be old."""
        self._database = database

    def find(self, account_id: str, client: Client) -> Relation | None:
        """Give the relation, or None without an account."""
        rows = self._database.run(_FIND, account_id=account_id, client_id=client.client_id, sector=sector_of(client))
        standing = standing_of(rows)
        return Relation(standing, consent_of(rows[0]), rows[0].sub) if standing else None
