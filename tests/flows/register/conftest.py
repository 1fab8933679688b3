"""Providers that people register at."""

import pytest

from idp.config import Config
from idp.storage.db import Database
from tests.clock import MovableClock
from tests.flows.register.office import Office, Offices


@pytest.fixture
def offices(config: Config, clock: MovableClock, sqlite_database: Database) -> Offices:
    """Give a maker of providers on embedded stores, for tests that change the configuration."""
    return Offices(config, clock)


@pytest.fixture
def office(offices: Offices) -> Office:
    """Give a provider on embedded stores."""
    return offices.build()
