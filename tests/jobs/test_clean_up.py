"""What has run out is deleted, in batches, by any number of processes; what has not is left alone."""

from datetime import timedelta

import pytest
from sqlalchemy import Table, func, insert, select

from idp import services as wiring
from idp.config import Config
from idp.identity.registration_drafts import Draft
from idp.jobs import clean_up
from idp.jobs.clean_up import CleanUp
from idp.services import Services
from idp.storage import tables
from idp.storage.db import Database
from idp.values import new_id, new_secret, secret_hash
from tests.clock import MovableClock
from tests.identity.people import applicant
from tests.identity.races import race

DAY = timedelta(days=1)


@pytest.fixture
def services(config: Config, database: Database) -> Services:
    """Give the services on either database."""
    return wiring.build(config, database)


@pytest.fixture
def account(services: Services) -> str:
    """Give the row of an account."""
    now, account_id = services.clock.now(), new_id()
    sealed = {"full_name_sealed": "-", "birth_date_sealed": "-"}
    _add(services, tables.accounts, id=account_id, status="active", language="vi", created_at=now, updated_at=now, **sealed)
    return account_id


def _add(services: Services, table: Table, **values: object) -> None:
    with services.database.transaction() as tx:
        tx.execute(insert(table).values(**values))


def opened(services: Services, most: int = 1) -> list[Draft]:
    """Open drafts."""
    return [services.drafts.open(applicant(), browser_hash=secret_hash("browser"), interaction_id=None) for _ in range(most)]


def remember(services: Services, account: str, *, over: bool) -> None:
    """Remember a browser, whose time is over or to come."""
    now = services.clock.now()
    ends = now - DAY if over else now + DAY
    _add(
        services,
        tables.known_devices,
        token_hash=secret_hash(new_secret()),
        account_id=account,
        created_at=now,
        last_seen_at=now,
        expires_at=ends,
    )


def rows(services: Services, table: Table) -> int:
    """Count the rows."""
    with services.database.reading() as tx:
        return tx.execute(select(func.count()).select_from(table)).scalar_one()


def test_drafts_are_deleted_when_their_day_is_over_and_not_before(services: Services, clock: MovableClock) -> None:
    opened(services, 2)
    clock.move(DAY - timedelta(minutes=1))
    (young,) = opened(services)
    assert CleanUp(services).run_once() == 0
    clock.move(timedelta(minutes=1, seconds=1))
    assert CleanUp(services).run_once() == 2
    assert rows(services, tables.registration_drafts) == 1
    assert services.drafts.get_for_job(young.id) == young


def test_browsers_are_forgotten_when_their_time_is_over(services: Services, account: str) -> None:
    remember(services, account, over=True)
    remember(services, account, over=False)
    assert CleanUp(services).run_once() == 1
    assert rows(services, tables.known_devices) == 1


def test_refresh_tokens_are_asked_for_in_the_same_batches(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    left = [clean_up.BATCH, 3]

    def delete_expired(*, most: int) -> int:
        asked.append(most)
        return left.pop(0)

    monkeypatch.setattr(services.grants, "delete_expired", delete_expired)
    assert CleanUp(services).run_once() == clean_up.BATCH + 3
    assert asked == [clean_up.BATCH] * 2


def test_a_batch_is_no_larger_than_asked_for(services: Services, account: str, clock: MovableClock) -> None:
    opened(services, 3)
    for _ in range(3):
        remember(services, account, over=True)
    clock.move(DAY)
    assert [services.drafts.delete_expired(most=2) for _ in range(3)] == [2, 1, 0]
    assert [services.known_devices.delete_expired(most=2) for _ in range(3)] == [2, 1, 0]


def test_more_than_a_batch_is_deleted_in_one_run(services: Services, clock: MovableClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clean_up, "BATCH", 2)
    opened(services, 5)
    clock.move(DAY)
    assert CleanUp(services).run_once() == 5


@pytest.mark.race
def test_many_at_once_delete_each_row_once(services: Services, clock: MovableClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clean_up, "BATCH", 2)
    opened(services, 12)
    clock.move(DAY)
    deleted: list[int] = []
    assert race(lambda _: deleted.append(CleanUp(services).run_once()), threads=4) == ["won"] * 4
    deleted.append(CleanUp(services).run_once())  # what the others held while one passed it by
    assert sum(deleted) == 12
    assert rows(services, tables.registration_drafts) == 0
