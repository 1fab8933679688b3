"""The fixtures that other tests stand on keep what they promise."""

from datetime import timedelta

import pytest
from sqlalchemy import inspect

from idp.identity import phone_numbers
from idp.identity.one_time_codes import Purpose
from idp.services import Services
from idp.storage.db import Database
from idp.storage.short_lived import ShortLived
from idp.storage.tables import metadata, outbox
from tests.clock import MovableClock
from tests.fakes import FakeCarrier, FakeSms

ONE_AFTER_THE_OTHER = pytest.mark.parametrize("turn", ["first", "second"])
PHONE = phone_numbers.parse("0912345678")


@ONE_AFTER_THE_OTHER
def test_a_database_is_migrated_and_empty(database: Database, clock: MovableClock, turn: str) -> None:
    with database.transaction() as tx:
        assert set(metadata.tables) <= set(inspect(tx).get_table_names())
        assert all(tx.execute(table.select()).first() is None for table in metadata.tables.values())
        row = {
            "kind": "test",
            "payload_sealed": "",
            "attempts": 0,
            "created_at": clock.now(),
            "due_at": clock.now(),
            "give_up_at": clock.now(),
        }
        tx.execute(outbox.insert().values(id=turn, **row))


@ONE_AFTER_THE_OTHER
def test_a_store_is_empty(short_lived: ShortLived, turn: str) -> None:
    assert short_lived.get("key") is None
    assert short_lived.put("key", turn.encode(), timedelta(minutes=1))


def test_databases_follow_the_clock(database: Database, clock: MovableClock) -> None:
    clock.move(timedelta(days=3))

    with database.reading() as connection:
        assert abs(database.now(connection) - clock.now()) < timedelta(minutes=1)


@pytest.mark.parametrize("services", ["sqlite-embedded", "postgresql-redis"], indirect=True)
def test_services_use_the_fakes_and_the_clock(services: Services, clock: MovableClock, carrier: FakeCarrier, sms: FakeSms) -> None:
    services.one_time_codes.send(Purpose.SIGN_IN, phone=PHONE, owner="account", language="vi")

    assert services.clock is clock
    assert services.carrier is carrier
    assert services.database.is_up()
    assert services.short_lived.is_up()
    assert sms.last_code(PHONE.e164).isdigit()
