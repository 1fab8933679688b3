"""The outbox: what has to be done outside after a transaction, as rows that the transaction itself writes."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, insert, or_, select, update

from idp.clock import Clock
from idp.storage.db import Database
from idp.storage.tables import outbox
from idp.values import new_id


@dataclass(frozen=True)
class OutboxItem:
    """One thing to do. `attempts` counts this claim too; behind `give_up_at` it is not worth another try."""

    id: str
    kind: str
    payload_sealed: str = field(repr=False)
    attempts: int
    created_at: datetime
    due_at: datetime
    give_up_at: datetime


class Outbox:
    """Keeps items until they are done. A worker claims them for a while; when it dies, the claim lapses and another one takes over."""

    def __init__(self, *, database: Database, clock: Clock) -> None:
        """Take the parts."""
        self._database = database
        self._clock = clock

    def add(
        self,
        tx: Connection,
        *,
        kind: str,
        payload_sealed: str,
        due_at: datetime,
        give_up_at: datetime,
        id: str | None = None,  # noqa: A002 - the column's name
    ) -> str:
        """Add an item in the transaction of its cause; gives its id. `id` is chosen by the caller where the payload is sealed for it."""
        item_id = id or new_id()
        tx.execute(
            insert(outbox).values(
                id=item_id,
                kind=kind,
                payload_sealed=payload_sealed,
                attempts=0,
                created_at=self._clock.now(),
                due_at=due_at,
                give_up_at=give_up_at,
            )
        )
        return item_id

    def claim(self, kind: str, *, most: int, hold: timedelta) -> list[OutboxItem]:
        """Give up to `most` items that are due, the oldest first, and keep them from every other worker for `hold`."""
        with self._database.transaction() as tx:
            now = self._database.now(tx)
            free = or_(outbox.c.claimed_until.is_(None), outbox.c.claimed_until <= now)
            # PostgreSQL passes by what another worker is claiming at this moment; SQLite has one writer at a time.
            due = (
                select(outbox.c.id)
                .where(outbox.c.kind == kind, outbox.c.due_at <= now, free)
                .order_by(outbox.c.due_at)
                .limit(most)
                .with_for_update(skip_locked=True)
                .cte("due")
            )
            claimed = (
                update(outbox)
                .where(outbox.c.id.in_(select(due.c.id)))
                .values(claimed_until=now + hold, attempts=outbox.c.attempts + 1)
                .returning(*(outbox.c[name] for name in OutboxItem.__dataclass_fields__))
            )
            items = [OutboxItem(**row) for row in tx.execute(claimed).mappings()]
        return sorted(items, key=lambda item: item.due_at)

    def postpone(self, item_id: str, due_at: datetime) -> None:
        """Let go of an item until `due_at`."""
        with self._database.transaction() as tx:
            tx.execute(update(outbox).where(outbox.c.id == item_id).values(due_at=due_at, claimed_until=None))

    def done(self, tx: Connection | None, item_id: str) -> None:
        """Remove an item, in the transaction `tx` of its effect where there is one."""
        statement = delete(outbox).where(outbox.c.id == item_id)
        if tx is not None:
            tx.execute(statement)
            return
        with self._database.transaction() as own:
            own.execute(statement)
