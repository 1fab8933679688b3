"""What all tests share: databases and stores that are theirs alone, a clock that they move, and a configuration."""

import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
import redis
import structlog
from sqlalchemy import Engine, NullPool, create_engine, text

from idp import services as product
from idp.config import Config
from idp.connectors.carrier import HttpCarrier
from idp.connectors.sms import FailoverSms
from idp.edge import logs
from idp.safety.encryption import Encryption, KeyRing
from idp.services import Services
from idp.storage import migrations
from idp.storage.db import Database, open_database
from idp.storage.short_lived import EmbeddedShortLived, RedisShortLived, ShortLived
from tests import instances
from tests.clock import MovableClock
from tests.fakes import FakeCarrier, FakeSms
from tests.instances import ROOT, Run
from tests.requirement_report import RequirementReport

OWN_RUN = pytest.StashKey[Run]()
STORES = {
    "sqlite-embedded": ("sqlite_database", "embedded_short_lived"),
    "postgresql-redis": ("postgresql_database", "redis_short_lived"),
}


def pytest_configure(config: pytest.Config) -> None:
    """Open the run in its controller; the workers of pytest-xdist find it in their environment."""
    config.pluginmanager.register(RequirementReport(ROOT / "build" / "requirements.txt"))
    if instances.RUN_VARIABLE not in os.environ:
        config.stash[OWN_RUN] = Run.begin()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the servers, also after a failure or an interrupt."""
    run = config.stash.get(OWN_RUN, None)
    if run is not None:
        run.end()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Let a test of the browser fail where there is none, unless `ALLOW_NO_BROWSER=1` says that this is known."""
    if item.get_closest_marker("browser") and instances.find_chromium() is None:
        if os.environ.get("ALLOW_NO_BROWSER") != "1":
            pytest.fail("Chromium is missing: run scripts/services, or set ALLOW_NO_BROWSER=1", pytrace=False)
        pytest.skip("Chromium is missing and ALLOW_NO_BROWSER=1")


@pytest.fixture(autouse=True)
def own_log() -> Iterator[None]:
    """Take back what a test has said about the log: it is the process's, and the next test reads its own."""
    yield
    structlog.reset_defaults()
    logs._told.is_on = False


# --- Time and configuration ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def clock() -> MovableClock:
    """Give a clock that stands at the beginning of the test; databases and stores of this test follow when it is moved."""
    return MovableClock()


@pytest.fixture
def encryption(tmp_path: Path) -> Encryption:
    """Give an encryption with keys of its own."""
    return Encryption(KeyRing.load(tmp_path / "keys"))


@pytest.fixture
def config(tmp_path: Path, sqlite_file: Path) -> Config:
    """Give a valid configuration for the sandbox, with cheap password hashes and an outside world that nobody answers for.

    Its database is `sqlite_file`, whose schema is there already, so that whoever starts the product on it does so quickly.
    """
    return Config.model_validate(
        {
            "mode": "sandbox",
            "issuer": "http://localhost:8400",
            "database": {"url": f"sqlite:///{sqlite_file}"},
            "short_lived": {"url": f"sqlite:///{tmp_path}/short-lived.db"},
            "keys": {"folder": tmp_path / "keys"},
            "passwords": {"memory_kib": 8, "iterations": 1},
            "outside": {
                "carrier": {"name": "carrier", "url": "http://127.0.0.1:9/carrier"},
                "sms": [{"name": "first", "url": "http://127.0.0.1:9/first"}, {"name": "second", "url": "http://127.0.0.1:9/second"}],
            },
        }
    )


# --- Lasting state ------------------------------------------------------------------------------------------------------------------


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, clock: MovableClock) -> Database:
    """Give a migrated database that is empty; the test runs on SQLite and on PostgreSQL."""
    given = cast("Database", request.getfixturevalue(f"{request.param}_database"))
    clock.lead(given)
    return given


@pytest.fixture
def sqlite_file(tmp_path: Path) -> Path:
    """Give the file of a migrated SQLite database that is empty."""
    return Path(shutil.copy(Run.current().once("template.db", _migrate_sqlite), tmp_path / "senid.db"))


@pytest.fixture
def sqlite_database(sqlite_file: Path) -> Iterator[Database]:
    """Give the database in `sqlite_file`."""
    database = open_database(f"sqlite:///{sqlite_file}")
    yield database
    database.close()


@pytest.fixture
def postgresql_database(postgresql_server: Engine) -> Iterator[Database]:
    """Give a migrated database that is empty, of the run's PostgreSQL."""
    name = f"test_{uuid.uuid4().hex}"
    with postgresql_server.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE template_senid STRATEGY file_copy"))
    database = open_database(Run.current().postgresql(name))
    yield database
    database.close()
    with postgresql_server.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture(scope="session")
def postgresql_server() -> Engine:
    """Give an engine for the run's PostgreSQL itself, where `template_senid` is a migrated database."""
    run = Run.current()
    server = create_engine(run.postgresql(), isolation_level="AUTOCOMMIT", poolclass=NullPool)

    def migrate(marker: Path) -> None:
        with server.connect() as connection:
            connection.execute(text("CREATE DATABASE template_senid"))
        _migrate(run.postgresql("template_senid"))
        marker.touch()

    run.once("template.postgresql", migrate)
    return server


def _migrate_sqlite(path: Path) -> None:
    _migrate(f"sqlite:///{path}")


def _migrate(url: str) -> None:
    database = open_database(url)
    migrations.upgrade(database)
    database.close()


# --- Short-lived state --------------------------------------------------------------------------------------------------------------


@pytest.fixture(params=["embedded", "redis"])
def short_lived(request: pytest.FixtureRequest) -> ShortLived:
    """Give a store that is empty; the test runs on the embedded one and on Redis."""
    return cast("ShortLived", request.getfixturevalue(f"{request.param}_short_lived"))


@pytest.fixture
def embedded_short_lived(tmp_path: Path, clock: MovableClock) -> Iterator[EmbeddedShortLived]:
    """Give an embedded store that is empty and whose time is the test's `clock`."""
    store = EmbeddedShortLived(tmp_path / "short-lived.db", clock=clock)
    yield store
    store.close()


@pytest.fixture
def redis_url(worker_id: str) -> str:
    """Give the URL of a Redis database that this worker alone uses; what it holds is of earlier tests."""
    return Run.current().redis(int(worker_id.removeprefix("gw")) + 1 if worker_id != "master" else 0)


@pytest.fixture
def redis_short_lived(redis_url: str) -> Iterator[RedisShortLived]:
    """Give a store that is empty, in the run's Redis; its time is the server's."""
    with redis.Redis.from_url(redis_url) as connection:
        connection.flushdb()
    store = RedisShortLived(redis_url)
    yield store
    store.close()


# --- Everything together ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def carrier() -> FakeCarrier:
    """Give the carrier that `services` asks; it matches everybody unless the test says otherwise."""
    return FakeCarrier()


@pytest.fixture
def sms() -> FakeSms:
    """Give the gateway that `services` sends by."""
    return FakeSms()


@pytest.fixture(params=["sqlite-embedded"])
def services(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, config: Config, clock: MovableClock, carrier: FakeCarrier, sms: FakeSms
) -> Services:
    """Give all services, wired as the product wires them, but for the test's own clock, carrier and text messages.

    They stand on SQLite and the embedded store, where moving `clock` moves everything. A test that has to see the servers of production
    asks for `@pytest.mark.parametrize("services", ["sqlite-embedded", "postgresql-redis"], indirect=True)`.
    """
    database, short_lived = (request.getfixturevalue(name) for name in STORES[request.param])
    clock.lead(database)
    monkeypatch.setattr(product, "Clock", lambda: clock)
    monkeypatch.setattr(HttpCarrier, "configured", lambda _gateway: carrier)
    monkeypatch.setattr(FailoverSms, "configured", lambda _gateways: sms)
    monkeypatch.setattr(product, "open_short_lived", lambda _url: short_lived)
    return product.build(config, database)
