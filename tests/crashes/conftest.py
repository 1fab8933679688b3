"""The houses whose servers die: a worker builds each once."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from tests.crashes.house import House, house_on


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory, postgresql_server: Engine) -> Iterator[House]:
    """Give a house on SQLite files."""
    with house_on("embedded", tmp_path_factory.mktemp("crash"), postgresql_server) as house:
        yield house


@pytest.fixture(scope="session")
def production(tmp_path_factory: pytest.TempPathFactory, postgresql_server: Engine) -> Iterator[House]:
    """Give a house on PostgreSQL and Redis."""
    with house_on("production", tmp_path_factory.mktemp("crash"), postgresql_server) as house:
        yield house
