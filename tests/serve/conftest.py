"""One production server for all tests that leave it running."""

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from idp import config as configuration
from idp import services as product
from idp.storage.db import open_database
from tests.certificate import Certificate, make_certificate
from tests.cli import people
from tests.instances import Run
from tests.serve.installed import Installed, install
from tests.serve.portal import REDIRECT_URI, Portal
from tests.serve.server import Deployment, OwnRedis, deploy, stop


@pytest.fixture(scope="session")
def installed() -> Installed:
    """Give the installed wheel."""
    return install()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """Give a certificate for localhost."""
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="session")
def own_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnRedis]:
    """Give a Redis that only these tests use; whoever stops it brings it back."""
    server = OwnRedis(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def own_database(postgresql_server: Engine) -> Iterator[str]:
    """Give the URL of an empty PostgreSQL database for the server that is left running."""
    with _empty_database(postgresql_server) as url:
        yield url


@pytest.fixture
def another_database(postgresql_server: Engine) -> Iterator[str]:
    """Give the URL of an empty PostgreSQL database for one test."""
    with _empty_database(postgresql_server) as url:
        yield url


@contextmanager
def _empty_database(server: Engine) -> Iterator[str]:
    name = f"serve_{uuid.uuid4().hex}"
    with server.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    yield Run.current().postgresql(name)
    with server.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture(scope="session")
def production(
    installed: Installed, certificate: Certificate, own_redis: OwnRedis, own_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    """Give a running production server with two workers."""
    folder = tmp_path_factory.mktemp("production")
    deployment = deploy(installed, folder, certificate, database=own_database, short_lived=own_redis.url, workers=2)
    process = deployment.start()
    yield deployment
    stop(process)


@pytest.fixture(scope="session")
def portal(production: Deployment) -> Portal:
    """Give a portal that is registered at the server, and a person with an account there."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in production.variables.items():
            patch.setenv(name, value)
        config = configuration.load(production.config)
    database = open_database(config.database.url.get_secret_value())
    people.register(product.build(config, database))
    database.close()
    added = production.idp("clients", "add", "--name", "Cổng tỉnh", "--redirect-uri", REDIRECT_URI, "--json")
    return Portal(production.address, **json.loads(added.stdout))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Give a folder for a deployment of a test's own."""
    folder = tmp_path / "deployment"
    folder.mkdir()
    return folder
