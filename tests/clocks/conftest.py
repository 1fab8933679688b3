"""A cluster of two nodes on the embedded stores, and one on the servers of production, for all tests of a worker."""

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import redis
from pydantic import SecretStr
from sqlalchemy import Engine, text

from idp.config import Config, DatabaseSettings
from idp.storage.short_lived import EmbeddedShortLived, RedisShortLived
from tests.clock import MovableClock
from tests.clocks.nodes import RACE_GRACE, Cluster, whole_second
from tests.instances import Run
from tests.world import sandbox_config

FIRST_REDIS = 30  # far from those that other tests use and empty, which count from 0


def configured(folder: Path, **settings: Any) -> Config:
    config = sandbox_config(folder)
    tokens = config.tokens.model_copy(update={"refresh_race_grace": RACE_GRACE})
    return config.model_copy(update={"tokens": tokens, **settings})


@pytest.fixture(scope="session")
def cluster_on_files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("cluster")
    time = MovableClock(whole_second())
    cluster = Cluster(configured(folder), lambda: EmbeddedShortLived(folder / "short-lived.db", clock=time), time, is_one_machine=True)
    yield cluster
    cluster.close()


@pytest.fixture(scope="session")
def cluster_on_servers(tmp_path_factory: pytest.TempPathFactory, postgresql_server: Engine, worker_id: str) -> Iterator[Cluster]:
    name, run = f"clocks_{uuid.uuid4().hex}", Run.current()
    with postgresql_server.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE template_senid STRATEGY file_copy"))
    redis_url = run.redis(FIRST_REDIS + int(worker_id.removeprefix("gw") if worker_id != "master" else 0))
    with redis.Redis.from_url(redis_url) as connection_to_redis:
        connection_to_redis.flushdb()
    database = DatabaseSettings(url=SecretStr(run.postgresql(name)), pool_size=2)
    config = configured(tmp_path_factory.mktemp("cluster"), database=database)
    cluster = Cluster(config, lambda: RedisShortLived(redis_url), MovableClock(whole_second()), is_one_machine=False, redis_url=redis_url)
    yield cluster
    cluster.close()
    with postgresql_server.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture
def embedded(cluster_on_files: Cluster) -> Cluster:
    """Give the cluster on SQLite and the embedded store, whose time stands still until it is moved."""
    cluster_on_files.align()
    return cluster_on_files


@pytest.fixture
def on_servers(cluster_on_servers: Cluster) -> Cluster:
    """Give the cluster on PostgreSQL and Redis."""
    cluster_on_servers.align()
    return cluster_on_servers


@pytest.fixture(params=["embedded", "on_servers"])
def cluster(request: pytest.FixtureRequest) -> Cluster:
    """Give the cluster of each kind."""
    return cast("Cluster", request.getfixturevalue(request.param))
