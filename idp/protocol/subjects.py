"""Subjects: the name under which a sector of portals knows a person; random, so that two sectors cannot compare."""

import secrets

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from idp.protocol.clients import Client
from idp.storage.db import Database
from idp.storage.tables import subjects as table

PUBLIC_SECTOR = ""


class Subjects:
    """Finds or makes the `sub` of an account at a client (OpenID Connect Core 8)."""

    def __init__(self, *, database: Database) -> None:
        """Keep subjects in the database: they are promises to portals and never change."""
        self._database = database

    def get(self, account_id: str, client: Client) -> str:
        """Give the `sub`, making it at the first meeting."""
        sector = sector_of(client)
        return self._find(account_id, sector) or self._make(account_id, sector)

    def account_of(self, sub: str, client: Client) -> str | None:
        """Give the account that the client knows as `sub`, or None."""
        sector = sector_of(client)
        with self._database.reading() as connection:
            query = select(table.c.account_id).where(table.c.sub == sub, table.c.sector == sector)
            return connection.execute(query).scalar()

    def _find(self, account_id: str, sector: str) -> str | None:
        with self._database.reading() as connection:
            query = select(table.c.sub).where(table.c.account_id == account_id, table.c.sector == sector)
            return connection.execute(query).scalar()

    def _make(self, account_id: str, sector: str) -> str:
        """Insert unless another request was first, then read whatever stands."""
        values = {"account_id": account_id, "sector": sector, "sub": secrets.token_urlsafe(24)}
        with self._database.transaction() as tx:
            insert = postgresql_insert if tx.dialect.name == "postgresql" else sqlite_insert
            tx.execute(insert(table).values(**values).on_conflict_do_nothing(index_elements=["account_id", "sector"]))
        sub = self._find(account_id, sector)
        if sub is None:
            raise LookupError("subject vanished")
        return sub


def sector_of(client: Client) -> str:
    """Give the sector in which the client knows people; one for all clients with public subjects."""
    return PUBLIC_SECTOR if client.subject_type == "public" else client.sector
