"""One world for the tests of a module, on each pair of stores; each test makes portals and people of its own in it."""

import uuid
from collections.abc import Iterator

import pytest
import redis
from sqlalchemy import Engine, text

from tests.fakes import FakeCarrier, FakeSms
from tests.instances import Run
from tests.world import World, sandbox_config


@pytest.fixture(scope="module", params=["embedded", "servers"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[World]:
    """Give a provider on embedded stores, then one on PostgreSQL and Redis; its carrier and SMS gateway are fakes."""
    folder = tmp_path_factory.mktemp("world")
    stores = {} if request.param == "embedded" else _servers(request.getfixturevalue("postgresql_server"), worker_id)
    world = World.build(sandbox_config(folder, **stores), carrier=FakeCarrier(), sms=FakeSms())
    yield world
    world.services.short_lived.close()
    world.services.database.close()


def _servers(server: Engine, worker_id: str) -> dict[str, str]:
    name = f"world_{uuid.uuid4().hex}"
    with server.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE template_senid STRATEGY file_copy"))
    url = Run.current().redis(int(worker_id.removeprefix("gw")) + 8 if worker_id != "master" else 7)
    with redis.Redis.from_url(url) as connection:
        connection.flushdb()
    return {"database": Run.current().postgresql(name), "short_lived": url}
