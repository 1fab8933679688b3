"""Items of the outbox share the fate of their transaction, go to one worker at a time, and come back when a worker dies."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import Connection, select, update

from idp.storage.db import Database
from idp.storage.outbox import Outbox
from idp.storage.tables import outbox as table
from tests.clock import MovableClock

HOLD = timedelta(minutes=1)
DAY = timedelta(days=1)


@pytest.fixture
def outbox(database: Database, clock: MovableClock) -> Outbox:
    return Outbox(database=database, clock=clock)


def add(outbox: Outbox, clock: MovableClock, *, kind: str = "carrier_match", later: timedelta = timedelta(0)) -> str:
    with outbox._database.transaction() as tx:
        return outbox.add(tx, kind=kind, payload_sealed="v1.x", due_at=clock.now() + later, give_up_at=clock.now() + DAY)


def stored_ids(database: Database) -> list[str]:
    with database.reading() as connection:
        return list(connection.scalars(select(table.c.id)))


def test_an_item_comes_as_it_was_added(outbox: Outbox, clock: MovableClock) -> None:
    item_id = add(outbox, clock)
    (item,) = outbox.claim("carrier_match", most=10, hold=HOLD)
    assert (item.id, item.kind, item.payload_sealed, item.attempts) == (item_id, "carrier_match", "v1.x", 1)
    assert (item.created_at, item.due_at, item.give_up_at) == (clock.now(), clock.now(), clock.now() + DAY)
    assert "v1.x" not in repr(item)


def test_the_caller_may_choose_the_id(outbox: Outbox, database: Database, clock: MovableClock) -> None:
    with database.transaction() as tx:
        item_id = outbox.add(tx, id="chosen", kind="carrier_match", payload_sealed="v1.x", due_at=clock.now(), give_up_at=clock.now() + DAY)
    assert item_id == "chosen"
    assert [item.id for item in outbox.claim("carrier_match", most=1, hold=HOLD)] == ["chosen"]


def test_an_item_of_a_transaction_that_failed_never_was(outbox: Outbox, database: Database, clock: MovableClock) -> None:
    def add_and_fail(tx: Connection) -> None:
        outbox.add(tx, kind="carrier_match", payload_sealed="v1.x", due_at=clock.now(), give_up_at=clock.now())
        raise LookupError

    with pytest.raises(LookupError), database.transaction() as tx:
        add_and_fail(tx)
    assert outbox.claim("carrier_match", most=10, hold=HOLD) == []


def test_an_item_waits_until_it_is_due(outbox: Outbox, clock: MovableClock) -> None:
    add(outbox, clock, later=timedelta(hours=1))
    assert outbox.claim("carrier_match", most=10, hold=HOLD) == []
    clock.move(timedelta(hours=1))
    assert len(outbox.claim("carrier_match", most=10, hold=HOLD)) == 1


def test_each_kind_has_its_own_workers(outbox: Outbox, clock: MovableClock) -> None:
    add(outbox, clock, kind="logout_notice")
    assert outbox.claim("carrier_match", most=10, hold=HOLD) == []
    assert len(outbox.claim("logout_notice", most=10, hold=HOLD)) == 1


def test_the_oldest_come_first_and_no_more_than_asked_for(outbox: Outbox, clock: MovableClock) -> None:
    ids = [add(outbox, clock, later=timedelta(minutes=minutes)) for minutes in (5, 1, 4, 2, 3)]
    clock.move(timedelta(minutes=10))
    first = [item.id for item in outbox.claim("carrier_match", most=2, hold=HOLD)]
    rest = [item.id for item in outbox.claim("carrier_match", most=10, hold=HOLD)]
    assert (first, rest) == ([ids[1], ids[3]], [ids[4], ids[2], ids[0]])


def test_a_claimed_item_is_held_and_comes_back_when_the_claim_lapses(outbox: Outbox, clock: MovableClock) -> None:
    add(outbox, clock)
    assert len(outbox.claim("carrier_match", most=10, hold=HOLD)) == 1
    assert outbox.claim("carrier_match", most=10, hold=HOLD) == []
    clock.move(HOLD + timedelta(seconds=1))
    (again,) = outbox.claim("carrier_match", most=10, hold=HOLD)
    assert again.attempts == 2


def test_a_postponed_item_comes_back_when_it_is_due(outbox: Outbox, clock: MovableClock) -> None:
    add(outbox, clock)
    (item,) = outbox.claim("carrier_match", most=10, hold=HOLD)
    outbox.postpone(item.id, clock.now() + timedelta(seconds=10))
    assert outbox.claim("carrier_match", most=10, hold=HOLD) == []
    clock.move(timedelta(seconds=10))
    (again,) = outbox.claim("carrier_match", most=10, hold=HOLD)
    assert (again.id, again.due_at, again.attempts) == (item.id, clock.now(), 2)


def test_a_done_item_is_gone(outbox: Outbox, database: Database, clock: MovableClock) -> None:
    item_id = add(outbox, clock)
    outbox.done(None, item_id)
    outbox.done(None, item_id)
    assert stored_ids(database) == []


def test_doing_shares_the_fate_of_its_transaction(outbox: Outbox, database: Database, clock: MovableClock) -> None:
    item_id = add(outbox, clock)

    def finish_and_fail(tx: Connection) -> None:
        outbox.done(tx, item_id)
        raise LookupError

    with pytest.raises(LookupError), database.transaction() as tx:
        finish_and_fail(tx)
    assert stored_ids(database) == [item_id]
    with database.transaction() as tx:
        outbox.done(tx, item_id)
    assert stored_ids(database) == []


@pytest.mark.race
def test_of_many_workers_one_gets_each_item(outbox: Outbox, clock: MovableClock) -> None:
    ids = {add(outbox, clock) for _ in range(40)}
    workers = 6
    barrier = threading.Barrier(workers)

    def work(_: int) -> list[str]:
        barrier.wait(20)
        mine: list[str] = []
        while claimed := outbox.claim("carrier_match", most=3, hold=HOLD):
            mine += [item.id for item in claimed]
        return mine

    with ThreadPoolExecutor(workers) as pool:
        counts = Counter(item_id for mine in pool.map(work, range(workers)) for item_id in mine)
    # A worker on PostgreSQL that passed by everything may have ended early; nothing comes twice, nothing is lost.
    counts.update(item.id for item in outbox.claim("carrier_match", most=100, hold=HOLD))
    assert counts == Counter(ids)


def test_on_postgresql_a_worker_passes_by_what_another_is_claiming(postgresql_database: Database, clock: MovableClock) -> None:
    outbox = Outbox(database=postgresql_database, clock=clock)
    ids = [add(outbox, clock, later=timedelta(seconds=-seconds)) for seconds in (20, 10)]
    with postgresql_database.transaction() as tx:
        tx.execute(update(table).where(table.c.id == ids[0]).values(attempts=1))
        assert [item.id for item in outbox.claim("carrier_match", most=10, hold=HOLD)] == [ids[1]]
