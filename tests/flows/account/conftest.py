"""A provider with its own clock and phone, and people who sign in to it."""

import shutil
from pathlib import Path

import pytest

from idp.config import Config
from idp.storage.db import Database
from tests.clock import MovableClock
from tests.flows.sign_in.place import STATE, Place, Places, make_state
from tests.instances import Run


@pytest.fixture
def places(config: Config, clock: MovableClock, sqlite_database: Database, tmp_path: Path) -> Places:
    """Give a maker of providers, for tests that change the configuration."""
    sqlite_database.close()
    shutil.copytree(Run.current().once(STATE, lambda draft: make_state(config, draft)), tmp_path, dirs_exist_ok=True)
    return Places(config, clock)


@pytest.fixture
def place(places: Places) -> Place:
    """Give a provider on embedded stores."""
    return places.build()
