"""What people agreed to, or were told, for each portal; remembered until the portal asks for more or its purpose changes."""

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from idp.clock import Clock
from idp.protocol.clients import Client
from idp.protocol.grants import Grants
from idp.safety.audit import Audit
from idp.storage.db import Database
from idp.storage.tables import consents as table
from idp.values import new_id


class Consents:
    """Records and looks up consent; where a portal rests on law (`legal_basis = notice`) the same row says that the person was told."""

    def __init__(self, *, database: Database, clock: Clock, audit: Audit, grants: Grants) -> None:
        """Keep consent in the database, with its audit row in the same transaction."""
        self._database = database
        self._clock = clock
        self._audit = audit
        self._grants = grants

    def is_due(self, account_id: str, client: Client, scopes: tuple[str, ...]) -> bool:
        """Tell whether the person has to be asked: never asked, asked for less, another purpose, or withdrawn."""
        query = select(table).where(table.c.account_id == account_id, table.c.client_id == client.client_id)
        with self._database.reading() as connection:
            row = connection.execute(query).first()
        if row is None or row.withdrawn_at is not None or row.purpose_version != client.purpose_version:
            return True
        return not set(scopes) <= set(row.scopes)

    def record(self, account_id: str, client: Client, scopes: tuple[str, ...]) -> None:
        """Remember that the person agreed to, or was told of, `scopes`; what was agreed to earlier for the same purpose stays."""
        with self._database.transaction() as tx:
            query = select(table).where(table.c.account_id == account_id, table.c.client_id == client.client_id)
            row = tx.execute(query.with_for_update()).first()
            is_same = row is not None and row.withdrawn_at is None and row.purpose_version == client.purpose_version
            agreed = sorted({*scopes, *(row.scopes if row is not None and is_same else ())})
            values = {
                "legal_basis": client.legal_basis,
                "scopes": agreed,
                "purpose_version": client.purpose_version,
                "given_at": self._clock.now(),
                "withdrawn_at": None,
            }
            insert = postgresql_insert if tx.dialect.name == "postgresql" else sqlite_insert
            statement = insert(table).values(id=new_id(), account_id=account_id, client_id=client.client_id, **values)
            tx.execute(statement.on_conflict_do_update(index_elements=["account_id", "client_id"], set_=values))
            self._audit.consent_given(account_id, client.client_id, scopes=list(scopes), legal_basis=client.legal_basis, tx=tx)

    def withdraw(self, account_id: str, client_id: str) -> bool:
        """Take the consent back: every grant of the account at the client ends, and the next sign-in asks. False when there was none."""
        with self._database.transaction() as tx:
            given = (table.c.account_id == account_id, table.c.client_id == client_id, table.c.withdrawn_at.is_(None))
            if tx.execute(update(table).where(*given).values(withdrawn_at=self._clock.now())).rowcount != 1:
                return False
            self._grants.revoke_client(tx, account_id, client_id, reason="consent_withdrawn")
            self._audit.consent_withdrawn(account_id, client_id, tx=tx)
        return True

    def declined(self, account_id: str, client: Client, scopes: tuple[str, ...]) -> None:
        """Note that the person declined; nothing is remembered that would answer for them next time."""
        self._audit.consent_declined(account_id, client.client_id, scopes=list(scopes))
