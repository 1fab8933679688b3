"""The provider that all attacks of a worker share; each attack meets it as if it were the first."""

from collections.abc import Iterator

import pytest

from tests.abuse.stage import Stage


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Give a provider with somebody in it."""
    stage = Stage.build(tmp_path_factory.mktemp("stage"))
    yield stage
    stage.close()
