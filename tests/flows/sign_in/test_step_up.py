"""One more factor where a portal asks for a higher level: gone through, skipped, or refused where it is hard."""

import pytest

from tests.flows.sign_in.person import Page, Person
from tests.flows.sign_in.place import Place

LEVEL_2 = "urn:senid:loa:2"


def at_step_up(place: Place, person: Person, **changes: str | None) -> Page:
    """Sign in by password alone, then ask for level 2."""
    place.services.consents.record(place.account_id, place.client, ("openid",))
    place.world.sign_in(person.browser, place.account_id, "pwd", at=place.clock.now())
    return place.at_password(person, **{"acr_values": LEVEL_2, **changes})


def test_page_says_who_asks_and_offers_to_skip(place: Place) -> None:
    page = at_step_up(place, place.person())
    assert page.path.startswith("/step-up/")
    assert "Cổng tỉnh" in page.text
    assert {"submit", "deny"} <= page.buttons.keys()


def test_one_more_factor_reaches_the_level(place: Place) -> None:
    person = place.person()
    page = person.press(at_step_up(place, person))
    assert page.path.endswith("/one-time-code")
    assert "start-over" not in page.buttons
    page = person.press(page, otp=place.code())
    assert page.left_for.startswith("https://portal.example/callback?")
    assert "code=" in page.query
    session = place.session(person)
    assert session is not None
    assert [factor.method for factor in session.factors] == ["pwd", "sms"]


def test_skipping_goes_on_at_the_lower_level(place: Place) -> None:
    person = place.person()
    page = person.press(at_step_up(place, person), "deny")
    assert "code=" in page.query
    assert place.sms.messages == []


def test_skipping_a_hard_level_is_refused(place: Place) -> None:
    place.client = place.world.client(minimum_level=2)[0]
    person = place.person()
    page = person.press(at_step_up(place, person, acr_values=None), "deny")
    assert "error=unmet_authentication_requirements" in page.query


def test_double_submit_goes_on(place: Place) -> None:
    person = place.person()
    page = at_step_up(place, person)
    for _ in range(2):
        assert person.press(page).path.endswith("/one-time-code")


@pytest.mark.parametrize("action", ["agree", "x" * 8192])
def test_unknown_action_is_a_page(place: Place, action: str) -> None:
    person = place.person()
    page = at_step_up(place, person)
    answer = person.press(page, action=action)
    assert (answer.status, answer.errors) == (422, ["invalid_choice"])


def test_without_a_session_the_password_is_asked(place: Place) -> None:
    person = place.person()
    page = place.at_password(person)
    step_up = page.path.replace("/sign-in/", "/step-up/").removesuffix("/password")
    assert person.open(step_up).path == page.path
    answer = person.post(step_up, {"csrf_token": page.typed("csrf_token")})
    assert answer.status_code == 303
