"""What goes wrong while a person signs in, as a person meets it, and how the person goes on."""

import pytest
from playwright.sync_api import expect

from tests.browser.backstage import Backstage
from tests.browser.conftest import OpenWindow
from tests.browser.journeys import agree, come_to_sign_in, leave_portal, sign_in, type_code, type_password
from tests.browser.window import Window
from tests.live import LiveSandbox

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]


def test_who_declines_is_told_so_plainly_by_the_portal(window: Window, live: LiveSandbox, backstage: Backstage) -> None:
    person = backstage.account()
    come_to_sign_in(window)
    type_password(window, person)
    type_code(window, person)
    window.comes_to("/consent/[^/]+")
    window.press("#deny")
    window.comes_to("/callback", origin=live.portals[0])
    window.told("access_denied")
    window.reads(error="access_denied")
    expect(window.page.locator("h1")).to_have_text("Quý vị đã không đồng ý chia sẻ thông tin")
    expect(window.page.locator("#me")).to_have_count(0)
    leave_portal(window)
    agree(window)


def test_guessing_meets_a_picture_code_and_then_a_wait(window: Window, backstage: Backstage) -> None:
    person = backstage.account()
    come_to_sign_in(window)
    for _ in range(2):
        window.submit(id_number=person["id_number"], password="Sai-Mat-Khau-1")
        window.told("credentials_wrong")
    expect(window.page.locator("[name=password]")).to_have_value("")
    for _ in range(3):
        window.submit(id_number=person["id_number"], password="Sai-Mat-Khau-1", captcha="sandbox")
        window.told("credentials_wrong")
    window.submit(id_number=person["id_number"], password=person["password"] or "", captcha="sandbox")
    window.told("slow_down")


def test_a_locked_account_is_told_to_its_owner(window: Window, backstage: Backstage) -> None:
    person = backstage.account()
    backstage.lock(person)
    come_to_sign_in(window)
    window.submit(id_number=person["id_number"], password="Sai-Mat-Khau-1")
    window.told("credentials_wrong")
    window.submit(id_number=person["id_number"], password=person["password"] or "")
    window.told("account_locked")
    expect(window.page.locator("[data-error=account_locked]").first).to_contain_text("18001096")


@pytest.mark.requirement("A9.80")
@pytest.mark.requirement("A9.82")
def test_a_code_that_is_over_is_sent_again(window: Window, live: LiveSandbox, backstage: Backstage) -> None:
    person = backstage.account()
    come_to_sign_in(window)
    type_password(window, person)
    expect(window.page.locator("main")).to_contain_text("2 phút")
    first = live.last_code(person["phone"])
    window.press("#resend")
    window.told("otp_wait")
    backstage.let_time_pass()
    window.submit(otp=first)
    window.told("otp_expired")
    window.press("#resend")
    expect(window.page.locator("[data-error]")).to_have_count(0)
    type_code(window, person, of=2)
    window.comes_to("/consent/[^/]+")


@pytest.mark.requirement("A9.83")
def test_the_phones_of_the_account_are_offered(window: Window, backstage: Backstage) -> None:
    person = backstage.account()
    come_to_sign_in(window)
    type_password(window, person)
    window.press("#other-phone")
    window.comes_to("/sign-in/[^/]+/other-phone")
    expect(window.page.locator("label")).to_have_text(f"{person['phone'][:3]}•••{person['phone'][-4:]}")
    backstage.let_time_pass()
    window.submit()
    window.comes_to("/sign-in/[^/]+/one-time-code")
    type_code(window, person, of=2)
    window.comes_to("/consent/[^/]+")


@pytest.mark.parametrize("javascript", [True, False], ids=["with-javascript", "without-javascript"])
def test_a_button_that_is_pressed_twice_does_it_once(
    new_window: OpenWindow,
    live: LiveSandbox,
    backstage: Backstage,
    javascript: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    window, person = new_window(java_script_enabled=javascript), backstage.account()
    come_to_sign_in(window)
    window.fill(id_number=person["id_number"], password=person["password"] or "")
    window.page.locator("#submit").dblclick()
    window.comes_to("/sign-in/[^/]+/one-time-code")
    window.fill(otp=live.last_code(person["phone"]))
    window.page.locator("#submit").dblclick()
    window.comes_to("/consent/[^/]+")
    window.page.locator("#submit").dblclick()
    window.comes_to("/me", origin=live.portals[0])
    assert len(live.texts(person["phone"])) == 1


def test_two_tabs_sign_in_side_by_side(window: Window, live: LiveSandbox, backstage: Backstage) -> None:
    person = backstage.account()
    come_to_sign_in(window)
    first = window.page
    second = window.new_tab()
    come_to_sign_in(window)
    window.page = first
    type_password(window, person)
    type_code(window, person)
    agree(window)
    window.page = second
    type_password(window, person)
    type_code(window, person, of=2)
    window.comes_to("/me", origin=live.portals[0])


def test_the_back_button_after_signing_in_leads_to_the_portal(window: Window, live: LiveSandbox, backstage: Backstage) -> None:
    sign_in(window, backstage.account())
    window.page.go_back()
    window.comes_to("/consent/[^/]+")
    window.told("interaction_missing")
    window.submit()
    window.comes_to("/", origin=live.portals[0])
    expect(window.page.locator("#logout")).to_be_visible()


def test_another_language_in_the_middle_keeps_what_was_typed(window: Window, backstage: Backstage) -> None:
    person = backstage.account()
    come_to_sign_in(window)
    window.fill(id_number=person["id_number"], password="gi-do")
    window.press("#language")
    expect(window.page.locator("html")).to_have_attribute("lang", "en")
    expect(window.page.locator("[name=id_number]")).to_have_value(person["id_number"])
    expect(window.page.locator("[name=password]")).to_have_value("")
    expect(window.page.locator("[data-error]")).to_have_count(0)
    type_password(window, person)
    window.press("#language")
    expect(window.page.locator("html")).to_have_attribute("lang", "vi")
    type_code(window, person)
    window.comes_to("/consent/[^/]+")


def test_lost_cookies_in_the_middle_are_explained_and_the_person_starts_again(
    window: Window, live: LiveSandbox, backstage: Backstage
) -> None:
    person = backstage.account()
    come_to_sign_in(window)
    window.context.clear_cookies()
    window.submit(id_number=person["id_number"], password=person["password"] or "")
    window.told("cookie_missing")
    sign_in(window, person)
    assert window.claim("acr") == "urn:senid:loa:2"
    assert live.texts(person["phone"])


def test_an_interaction_is_not_shown_in_another_browser(new_window: OpenWindow, backstage: Backstage) -> None:
    window, person = new_window(), backstage.account()
    come_to_sign_in(window)
    type_password(window, person)
    other = new_window()
    other.open(window.page.url)
    other.told("interaction_elsewhere")


def test_signing_out_by_hand_asks_for_credentials_again(new_window: OpenWindow, backstage: Backstage) -> None:
    window, person = new_window(album="home"), backstage.account()
    window.open("/")
    window.shot("welcome")
    window.submit()
    window.comes_to("/sign-in/[^/]+/password")
    type_password(window, person)
    type_code(window, person)
    window.comes_to("/")
    expect(window.page.locator("main")).to_contain_text(person["full_name"])
    window.shot("home")
    window.press("#sign-out")
    window.comes_to("/sign-out")
    window.shot("sign-out")
    window.submit()
    window.comes_to("/sign-out/done")
    window.shot("signed-out")
    come_to_sign_in(window)
