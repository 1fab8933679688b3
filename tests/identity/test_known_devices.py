"""Browsers that an account has signed in from."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from idp.identity.accounts import Accounts
from idp.identity.known_devices import KnownDevices
from idp.identity.registration_drafts import RegistrationDrafts
from idp.storage import tables
from idp.storage.db import Database
from tests.clock import MovableClock
from tests.identity.people import cccd
from tests.identity.registrations import register


@pytest.fixture
def account(accounts: Accounts, drafts: RegistrationDrafts, clock: MovableClock) -> str:
    """Give a registered account."""
    return register(accounts, drafts, clock)


@pytest.fixture
def other_account(accounts: Accounts, drafts: RegistrationDrafts, clock: MovableClock) -> str:
    """Give another one."""
    return register(accounts, drafts, clock, id_number=cccd(2))


def rows(database: Database) -> int:
    """Count the remembered devices."""
    with database.reading() as tx:
        return tx.execute(select(func.count()).select_from(tables.known_devices)).scalar_one()


def test_a_browser_is_known_after_it_was_remembered(known_devices: KnownDevices, account: str) -> None:
    token = known_devices.remember(account, None)
    assert len(token) == 43
    assert known_devices.is_known(account, token)


def test_a_token_is_good_for_one_account_alone(known_devices: KnownDevices, account: str, other_account: str) -> None:
    token = known_devices.remember(account, None)
    assert not known_devices.is_known(other_account, token)
    assert known_devices.remember(other_account, token) != token


def test_a_token_that_we_did_not_give_is_neither_known_nor_taken_over(known_devices: KnownDevices, account: str) -> None:
    for token in (None, "", "x", "x" * 43, "x" * 8192, "\x00" * 43, "\ud800" * 43):
        assert not known_devices.is_known(account, token)
        assert known_devices.remember(account, token) != token
        assert not known_devices.is_known(account, token)


def test_nobody_is_known_without_an_account(known_devices: KnownDevices, account: str) -> None:
    assert not known_devices.is_known(None, known_devices.remember(account, None))


def test_a_sign_in_keeps_the_browser_known_and_its_token(
    known_devices: KnownDevices, database: Database, account: str, clock: MovableClock
) -> None:
    token = known_devices.remember(account, None)
    clock.move(timedelta(days=100))
    assert known_devices.remember(account, token) == token
    clock.move(timedelta(days=100))
    assert known_devices.is_known(account, token)
    assert rows(database) == 1


def test_a_browser_is_forgotten_in_the_end(known_devices: KnownDevices, database: Database, account: str, clock: MovableClock) -> None:
    token = known_devices.remember(account, None)
    clock.move(timedelta(days=180))
    assert not known_devices.is_known(account, token)
    assert known_devices.remember(account, token) != token
    assert rows(database) == 1


def test_the_database_holds_no_token(known_devices: KnownDevices, database: Database, account: str) -> None:
    token = known_devices.remember(account, None)
    with database.reading() as tx:
        assert token not in str(tx.execute(select(tables.known_devices)).mappings().all())
