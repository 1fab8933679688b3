"""The front door: two ways in, and the card of who is signed in."""

import pytest

from tests.flows.sign_in.place import ID_NUMBER, NAME, Place


def test_stranger_is_offered_both_ways(place: Place) -> None:
    page = place.person().open("/")
    assert page.status == 200
    assert {"submit", "register"} <= page.buttons.keys()


def test_signing_in_without_a_portal_ends_at_home(place: Place) -> None:
    person = place.person()
    page = person.press(person.open("/"))
    assert page.path.endswith("/password")
    page = place.signed_in_from(person, page)
    assert page.path == "/"
    assert NAME in page.text
    assert "001•••••3456" in page.text
    assert "Mức 2: danh tính đã được xác minh" in page.text
    assert ID_NUMBER not in page.html
    assert "sign-out" in page.links


def test_registering_without_a_portal(place: Place) -> None:
    person = place.person()
    assert person.press(person.open("/"), "register").path.startswith("/register/")


@pytest.mark.parametrize("action", ["leave", "x" * 8192])
def test_unknown_action_is_a_page(place: Place, action: str) -> None:
    person = place.person()
    page = person.open("/")
    answer = person.post("/", {"csrf_token": page.typed("csrf_token"), "action": action})
    assert answer.status_code == 422
    assert 'data-error="invalid_choice"' in answer.text


def test_password_alone_is_level_1(place: Place) -> None:
    person = place.person()
    place.world.sign_in(person.browser, place.account_id, "pwd", at=place.clock.now())
    assert "Mức 1:" in person.open("/").text


def test_locked_account_is_not_shown(place: Place) -> None:
    person = place.person()
    place.world.sign_in(person.browser, place.account_id, at=place.clock.now())
    place.services.accounts.lock(place.account_id, reason="complaint", operator="an")
    page = person.open("/")
    assert NAME not in page.text
    assert "submit" in page.buttons
