"""A provider for all tests of a worker, and for each test a run of the suite with a person of its own."""

from collections.abc import Iterator

import pytest

from tests.conformance.provider import Provider, running
from tests.conformance.suite import Suite


@pytest.fixture(scope="session")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    """Give the application, which the tests of a worker share."""
    with running(tmp_path_factory.mktemp("conformance")) as provider:
        yield provider


@pytest.fixture
def suite(provider: Provider) -> Suite:
    """Give a run of the suite, with somebody who has never been here in this browser."""
    provider.clock.catch_up()
    return Suite(provider, provider.person())
