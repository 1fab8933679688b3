"""One world for the tests of a module; each makes portals and people of its own in it."""

import pytest

from tests.fakes import FakeCarrier, FakeSms
from tests.world import World, sandbox_config


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Give a provider on embedded stores, whose carrier and SMS gateway are fakes."""
    return World.build(sandbox_config(tmp_path_factory.mktemp("world")), carrier=FakeCarrier(), sms=FakeSms())
