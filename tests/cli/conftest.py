"""A configuration file on a migrated database, as an operator has one."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from idp import config as configuration
from idp import services as product
from idp.config import CONFIG_VARIABLE
from idp.services import Services
from idp.storage.db import Database, open_database

CONFIG = """\
mode = "production"
issuer = "https://id.example.gov.vn"

[database]
url = "{database}"

[short_lived]
url = "sqlite:///short-lived.db"

[passwords]
memory_kib = 19456

[outside.carrier]
name = "carrier"
url = "https://carrier.example.internal/v1"

[[outside.sms]]
name = "sms"
url = "https://sms.example.internal/v1"
"""


@pytest.fixture
def config_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a good configuration file whose database does not exist yet; `SENID_CONFIG` names it."""
    path = write_config(tmp_path / "config.toml", "sqlite:///new.db")
    monkeypatch.setenv(CONFIG_VARIABLE, str(path))
    return path


@pytest.fixture
def cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make passwords cheap to hash, which the sandbox alone may do; it is the same to every command but `serve`."""
    monkeypatch.setenv("SENID_MODE", "sandbox")
    monkeypatch.setenv("SENID_PASSWORDS__MEMORY_KIB", "8")


@pytest.fixture
def operated(config_file: Path, cheap_hashes: None, sqlite_database: Database) -> Iterator[Services]:
    """Give the domain that the commands work on, to see what they did."""
    with _services_on(config_file, sqlite_database) as services:
        yield services


@pytest.fixture
def operated_everywhere(config_file: Path, cheap_hashes: None, database: Database) -> Iterator[Services]:
    """Give the same on SQLite and on PostgreSQL."""
    with _services_on(config_file, database) as services:
        yield services


@contextmanager
def _services_on(config_file: Path, database: Database) -> Iterator[Services]:
    write_config(config_file, database.engine.url.render_as_string(hide_password=False))
    config = configuration.load(config_file)
    mine = open_database(config.database.url.get_secret_value())  # with a pool of its own, as another process would have
    yield product.build(config, mine)
    mine.close()


def write_config(path: Path, database: str) -> Path:
    path.write_text(CONFIG.format(database=database), encoding="utf-8")
    return path
