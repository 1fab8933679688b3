"""What people agreed to, or were told, for each portal; remembered until the portal asks for more or its purpose changes."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

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


@dataclass(frozen=True)
class Consent:
    """What a person agreed to, or was told, at one client."""

    scopes: tuple[str, ...]
    purpose_version: str
    is_withdrawn: bool

    def covers(self, client: Client, scopes: Iterable[str]) -> bool:
        """Tell whether nothing has to be asked: not withdrawn, for today's purpose, and for no less than `scopes`."""
        return not self.is_withdrawn and self.purpose_version == client.purpose_version and set(scopes) <= set(self.scopes)


# What `consent_of` reads.
CONSENT_COLUMNS = (table.c.scopes.label("consent_scopes"), table.c.purpose_version, table.c.withdrawn_at.label("consent_withdrawn_at"))


def consent_of(row: Any) -> Consent | None:  # noqa: ANN401 - a row of either driver
    """Give the consent of a row with `CONSENT_COLUMNS`, or None where an outer join found none."""
    if row.purpose_version is None:
        return None
    return Consent(tuple(row.consent_scopes), row.purpose_version, row.consent_withdrawn_at is not None)


class Consents:
    """Records consent; where a portal rests on law (`legal_basis = notice`) the same row says that the person was told."""

    def __init__(self, *, database: Database, clock: Clock, audit: Audit, grants: Grants) -> None:
        """Keep consent in the database, with its audit row in the same transaction."""
        self._database = database
        self._clock = clock
        self._audit = audit
        self._grants = grants

    def record(self, account_id: str, client: Client, scopes: tuple[str, ...]) -> None:
        """Remember that the person agreed to, or was told of, `scopes`; what was agreed to earlier for the same purpose stays."""
        values = {"legal_basis": client.legal_basis, "purpose_version": client.purpose_version, "given_at": self._clock.now()}
        with self._database.transaction() as tx:
            # Made first and locked then: of two pages answered at once neither may lose what the other agreed to.
            insert = postgresql_insert if tx.dialect.name == "postgresql" else sqlite_insert
            blank = insert(table).values(id=new_id(), account_id=account_id, client_id=client.client_id, scopes=[], **values)
            tx.execute(blank.on_conflict_do_nothing(index_elements=["account_id", "client_id"]))
            row = (table.c.account_id == account_id, table.c.client_id == client.client_id)
            known = consent_of(tx.execute(select(*CONSENT_COLUMNS).where(*row).with_for_update()).one())
            kept = known.scopes if known and known.covers(client, ()) else ()
            tx.execute(update(table).where(*row).values(**values, scopes=sorted({*scopes, *kept}), withdrawn_at=None))
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
