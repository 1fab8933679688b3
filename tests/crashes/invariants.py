"""What holds whenever one looks: nobody is half registered, nothing is granted by half, and a draft says no more than has happened."""

from collections.abc import Iterator

from sqlalchemy import Connection, Select, func, or_, select

from idp.storage.db import Database
from idp.storage.tables import (
    accounts,
    audit_events,
    documents,
    evidence,
    grants,
    outbox,
    passwords,
    phones,
    refresh_tokens,
    registration_drafts,
    session_clients,
)


def half_things(database: Database) -> list[str]:
    """Give, in words, what is there by half; nothing where all is well. For databases whose accounts came by registration."""
    with database.reading() as connection:
        return [*_half_accounts(connection), *_half_drafts(connection), *_half_grants(connection)]


def _half_accounts(connection: Connection) -> Iterator[str]:
    parts = {table.name: set(_column(connection, select(table.c.account_id))) for table in (documents, phones, passwords, evidence)}
    registered = select(audit_events.c.account_id).where(audit_events.c.event == "account_registered")
    parts["audit_events"] = set(_column(connection, registered))
    drafts = select(registration_drafts.c.account_id).where(registration_drafts.c.state == "registered")
    parts["registration_drafts"] = set(_column(connection, drafts))
    known = set(_column(connection, select(accounts.c.id)))
    for name, having in parts.items():
        yield from (f"account without {name}" for _ in known - having)
        yield from (f"{name} of an account that is not there" for _ in having - known)


def _half_drafts(connection: Connection) -> Iterator[str]:
    table = registration_drafts
    answer = (table.c.verdict, table.c.carrier, table.c.checked_at)
    unanswered = select(table.c.state).where(
        table.c.state.in_(["matched", "refused", "registered"]), or_(*(part.is_(None) for part in answer))
    )
    yield from (f"draft that is {state} without a carrier's answer" for state in _column(connection, unanswered))
    early = select(table.c.state).where(table.c.state != "registered", table.c.account_id.is_not(None))
    yield from (f"draft that is {state} and has an account" for state in _column(connection, early))
    waiting = connection.execute(select(func.count()).where(table.c.state == "waiting")).scalar_one()
    asked_again = connection.execute(select(func.count()).select_from(outbox).where(outbox.c.kind == "carrier_match")).scalar_one()
    if waiting > asked_again:
        yield "draft that waits and nobody asks again"


def _half_grants(connection: Connection) -> Iterator[str]:
    written = set(_column(connection, select(grants.c.id).where(grants.c.account_id.is_not(None))))
    issued = select(audit_events.c.facts).where(audit_events.c.event == "grant_issued")
    noted = {facts["grant_id"] for facts in connection.execute(issued).scalars()}
    yield from ("grant without its audit event" for _ in written - noted)
    yield from ("audit event of a grant that is not there" for _ in noted - written)
    nobodys = select(grants.c.id).where(grants.c.account_id.is_(None), grants.c.revoked_at.is_(None))
    yield from ("grant of nobody that is not revoked" for _ in _column(connection, nobodys))
    families = set(_column(connection, select(refresh_tokens.c.grant_id)))
    yield from ("refresh token without its grant" for _ in families - written)
    sessions = set(_column(connection, select(session_clients.c.session_id)))
    of_grants = set(_column(connection, select(grants.c.session_id).where(grants.c.account_id.is_not(None))))
    yield from ("grant whose session knows nothing of its portal" for _ in of_grants - sessions)
    unused = select(refresh_tokens.c.grant_id).where(refresh_tokens.c.used_at.is_(None)).group_by(refresh_tokens.c.grant_id)
    yield from ("family with two tokens that are good" for _ in _column(connection, unused.having(func.count() > 1)))


def _column(connection: Connection, question: "Select[tuple[object]]") -> list[object]:
    return list(connection.execute(question).scalars())
