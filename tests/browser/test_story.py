"""What the product exists for, as a person walks it: from a portal into an account that the carrier vouches for, and back at level 2."""

from typing import Any

import pytest
from playwright.sync_api import expect

from sandbox.people import PersonJson
from tests.browser.backstage import Backstage
from tests.browser.conftest import OpenWindow
from tests.browser.journeys import NEW_PASSWORD, applicant, choose, come_to_sign_in, leave_portal, type_code, type_password
from tests.browser.window import Window
from tests.live import LiveSandbox

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

LEVEL_2 = "urn:senid:loa:2"
EMAIL = "nguoi.dan@example.vn"
WIDE = {"width": 1280, "height": 900}
NARROW = {"width": 360, "height": 740}
VARIANTS: dict[str, dict[str, Any]] = {
    "with-javascript": {"viewport": WIDE},
    "without-javascript": {"viewport": WIDE, "java_script_enabled": False},
    "phone": {"viewport": NARROW, "is_mobile": True, "has_touch": True},
}


@pytest.mark.requirement("A5.48")
@pytest.mark.requirement("A5.51")
@pytest.mark.requirement("A5.54")
@pytest.mark.requirement("A5.57")
@pytest.mark.requirement("A5.58")
@pytest.mark.requirement("A9.78")
@pytest.mark.requirement("A9.79")
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_newcomer_reaches_level_2_and_comes_back(variant: str, new_window: OpenWindow, live: LiveSandbox, backstage: Backstage) -> None:
    window, person = new_window(album=variant, **VARIANTS[variant]), live.newcomer()
    _register(window, person)
    _is_told_of_level_2(window, person)
    _evidence_is_stored(backstage, person)
    subject = window.claim("sub")
    _opens_the_page_of_level_2(window)
    _leaves(window, 1)
    _signs_in_again(window, person)
    assert window.claim("sub") == subject
    _is_known_at_the_second_portal(window, person, subject)
    _leaves(window, 2)
    leave_portal(window, 2)
    window.comes_to("/sign-in/[^/]+/password")
    window.shot("credentials-are-asked-for-again")


def _register(window: Window, person: PersonJson) -> None:
    window.open(window.live.portals[0])
    window.shot("portal")
    come_to_sign_in(window)
    window.shot("sign-in")
    window.press("#register")
    window.comes_to("/register/[^/]+")
    window.shot("choose")
    choose(window)
    window.fill(**applicant(person, email=EMAIL))
    window.shot("form")
    window.submit()
    window.comes_to("/register/draft/[^/]+/one-time-code")
    window.shot("code")
    type_code(window, person)
    window.comes_to("/register/draft/[^/]+/password")
    window.shot("password")
    window.submit(password=NEW_PASSWORD, password_confirm=NEW_PASSWORD)
    window.comes_to("/register/draft/[^/]+/success")
    window.shot("success")


def _is_told_of_level_2(window: Window, person: PersonJson) -> None:
    expect(window.page.locator("main")).to_contain_text("2")
    window.submit()
    window.comes_to("/consent/[^/]+")
    expect(window.page.locator("#passed-on")).to_contain_text(person["full_name"])
    window.shot("consent")
    window.submit()
    window.comes_to("/me", origin=window.live.portals[0])
    window.shot("portal-received")
    assert window.claim("acr") == LEVEL_2
    assert window.claim("name") == person["full_name"]
    assert window.claim("email") == EMAIL
    assert window.claim("phone_number") == "+84" + person["phone"].removeprefix("0")
    assert (window.claim("proofing_level"), window.claim("authentication_level")) == ("2", "2")


def _evidence_is_stored(backstage: Backstage, person: PersonJson) -> None:
    [evidence] = backstage.standing(person).evidence
    assert (evidence.method, evidence.result) == ("mobile_subscriber", "match")
    assert evidence.source in {"viettel", "vinaphone", "mobifone", "vietnamobile"}
    assert evidence.fields_matched == ("phone", "id_number", "full_name", "birth_date")


def _opens_the_page_of_level_2(window: Window) -> None:
    window.press("#dossiers")
    window.comes_to("/dossiers", origin=window.live.portals[0])
    expect(window.page.locator("[data-level='2']")).to_be_visible()
    window.shot("portal-dossiers")


def _leaves(window: Window, number: int) -> None:
    portal = window.live.portals[number - 1]
    window.press("#logout")
    window.comes_to("/signed-out", origin=portal)
    expect(window.page.locator("#signed-out")).to_be_visible()
    window.shot(f"portal-{number}-signed-out")


def _signs_in_again(window: Window, person: PersonJson) -> None:
    come_to_sign_in(window)
    type_password(window, person)
    window.shot("sign-in-code")
    type_code(window, person, of=2)
    window.comes_to("/me", origin=window.live.portals[0])  # what was agreed to is remembered
    assert window.claim("acr") == LEVEL_2


def _is_known_at_the_second_portal(window: Window, person: PersonJson, subject: str) -> None:
    leave_portal(window, 2)
    window.comes_to("/consent/[^/]+")
    expect(window.page.locator("main")).to_contain_text(person["full_name"])
    window.shot("notice")
    window.submit()
    window.comes_to("/me", origin=window.live.portals[1])
    window.shot("portal-2-received")
    assert window.claim("acr") == LEVEL_2
    assert window.claim("sub") != subject  # portals cannot compare notes on a person
