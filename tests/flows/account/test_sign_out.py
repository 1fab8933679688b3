"""Signing out: asked, done, refused, and what comes after."""

import pytest

from idp.protocol.logout import LogoutRequest
from tests.flows.sign_in.person import Person
from tests.flows.sign_in.place import NAME, Place

BACK = "https://portal.example/signed-out"


@pytest.fixture
def person(place: Place) -> Person:
    """Give somebody who is signed in by password and code."""
    someone = place.person()
    someone.press(place.signed_in(someone))
    return someone


def logout(place: Place, uri: str | None = BACK, state: str | None = "s&1") -> str:
    """Keep a portal's logout request; gives the path of its page."""
    return "/sign-out/" + place.services.logout.open(LogoutRequest(place.client.client_id, uri, state))


@pytest.mark.requirement("A12.97")
def test_after_signing_out_the_password_is_asked_again(place: Place, person: Person) -> None:
    assert "code=" in place.at_password(person).query
    cookie = person.browser.get_cookie(place.world.cookies.session)
    assert cookie is not None
    page = person.press(person.open("/sign-out"))
    assert page.path == "/sign-out/done"
    assert "Quý vị đã đăng xuất. Lần sau cần nhập lại tài khoản và mật khẩu." in page.text
    assert place.at_password(person).path.endswith("/password")
    assert place.at_password(person, prompt="none").query.startswith("error=login_required")
    person.browser.set_cookie(place.world.cookies.session, cookie.value)
    assert place.at_password(person).path.endswith("/password")
    assert place.events("session_ended") == 1


def test_page_names_person_and_portal(place: Place, person: Person) -> None:
    page = person.open(logout(place))
    assert NAME in page.text
    assert "Cổng tỉnh" in page.text
    assert {"submit", "deny"} <= page.buttons.keys()
    assert "form-action 'self' https://portal.example;" in page.response.headers["Content-Security-Policy"]


def test_portal_gets_its_person_back_with_state(place: Place, person: Person) -> None:
    page = person.press(person.open(logout(place)))
    assert page.left_for == f"{BACK}?state=s%261"
    assert place.session(person) is None


def test_portal_without_an_address_ends_on_our_page(place: Place, person: Person) -> None:
    assert person.press(person.open(logout(place, uri=None))).path == "/sign-out/done"


@pytest.mark.parametrize("path", ["/sign-out", None])
def test_declining_stays_signed_in(place: Place, person: Person, path: str | None) -> None:
    page = person.press(person.open(path or logout(place)), "deny")
    assert page.path == "/"
    assert place.session(person) is not None


def test_declined_request_is_forgotten(place: Place, person: Person) -> None:
    path = logout(place)
    person.press(person.open(path), "deny")
    assert "Cổng tỉnh" not in person.open(path).text


def test_who_is_not_signed_in_is_not_asked(place: Place) -> None:
    stranger = place.person()
    assert stranger.open("/sign-out").path == "/sign-out/done"
    assert stranger.open(logout(place)).left_for.startswith(BACK)


def test_double_submit_ends_in_a_clear_page(place: Place, person: Person) -> None:
    page = person.open(logout(place))
    person.press(page)
    assert person.press(page).path == "/sign-out/done"


def test_expired_request_still_signs_out(place: Place, person: Person) -> None:
    page = person.open("/sign-out/" + "x" * 43)
    assert page.status == 200
    assert person.press(page).path == "/sign-out/done"
    assert place.session(person) is None


def test_signed_out_page_is_true(place: Place, person: Person) -> None:
    assert person.open("/sign-out/done").path == "/"


def test_other_sites_cannot_sign_out(place: Place, person: Person) -> None:
    answer = person.post("/sign-out", {"csrf_token": "x"})
    assert answer.status_code == 403
    assert place.session(person) is not None


def test_unknown_action_is_a_page(place: Place, person: Person) -> None:
    page = person.press(person.open("/sign-out"), action="perhaps")
    assert (page.status, page.errors) == (422, ["invalid_choice"])
    assert place.session(person) is not None
