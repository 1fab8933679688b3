"""A server is killed after each storage call of a journey: nothing is left by half, and whoever was on the way gets through."""

from datetime import UTC, datetime

import pytest

from tests.crashes.house import House
from tests.crashes.journeys import Exchange, Journey, Refresh, Registration, SignIn, changes, tour
from tests.crashes.results import note

on = pytest.mark.parametrize
STACKS = ["embedded", "production"]


@pytest.fixture
def house(request: pytest.FixtureRequest) -> House:
    """Give the house on the stores that the test names."""
    given: House = request.getfixturevalue(request.param)
    return given


@on("house", STACKS, indirect=True)
@on("journey", [Exchange, Refresh])
def test_a_portal_gets_through_whichever_storage_call_was_the_last(house: House, journey: type[Journey]) -> None:
    done = tour(house, journey, every_call=True)
    assert done.crashes == done.calls > 0
    assert any("was spent" in end for end in done.ends), done.ends


@on("house, journey", [("embedded", Registration), ("production", SignIn)], indirect=["house"])
def test_a_person_gets_through_whichever_change_was_the_last(house: House, journey: type[Journey]) -> None:
    done = tour(house, journey, every_call=False)
    assert done.crashes > 15
    assert len(done.ends) == len(journey.ways)


@pytest.mark.proof
@pytest.mark.timeout(3600)
@on("house", STACKS, indirect=True)
@on("journey", [Registration, SignIn, Exchange, Refresh])
def test_everybody_gets_through_whichever_storage_call_was_the_last(house: House, journey: type[Journey]) -> None:
    done = tour(house, journey, every_call=True)
    assert done.crashes == done.calls
    note(journey.__doc__ or "", house.stack, done, at=datetime.now(UTC))


def test_what_changes_is_what_is_written_for_good() -> None:
    calls = [
        "redis: GET",
        "redis: SET",
        "a: BEGIN",
        "a: SELECT x",
        "a: INSERT INTO x",
        "redis: GETDEL",
        "a: COMMIT",
        "b: SELECT y",
        "b: DELETE y",
    ]
    assert changes(calls) == [2, 6, 7, 9]
