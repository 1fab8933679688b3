"""The scenes of races: a worker builds each once, and its attackers stay for all races."""

from collections.abc import Iterator
from typing import cast

import pytest
from sqlalchemy import Engine

from tests.races.scene import Scene, scene_on


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Give a scene on SQLite files."""
    with scene_on("embedded", tmp_path_factory.mktemp("race"), None) as scene:
        yield scene


@pytest.fixture(scope="session")
def production(tmp_path_factory: pytest.TempPathFactory, postgresql_server: Engine) -> Iterator[Scene]:
    """Give a scene on PostgreSQL and Redis."""
    with scene_on("production", tmp_path_factory.mktemp("race"), postgresql_server) as scene:
        yield scene


@pytest.fixture(
    params=[(stack, processes) for stack in ("embedded", "production") for processes in (1, 2)], ids=lambda it: f"{it[0]}-{it[1]}"
)
def scene(request: pytest.FixtureRequest) -> Scene:
    """Give a scene with fifty threads, in one process or in two."""
    stack, processes = request.param
    scene = cast("Scene", request.getfixturevalue(stack))
    scene.processes = processes
    return scene
