"""What goes wrong while a person registers, as a person meets it, and how the person goes on."""

import pytest
from playwright.sync_api import expect

from sandbox.outside import TOKEN
from sandbox.people import Case, PersonJson
from tests.browser.backstage import Backstage
from tests.browser.conftest import OpenWindow
from tests.browser.journeys import (
    NEW_PASSWORD,
    applicant,
    come_to_code,
    come_to_form,
    come_to_sign_in,
    register,
    type_code,
    type_password,
)
from tests.browser.window import Window
from tests.live import LiveSandbox

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

MOST_LOOKS = 60
WRONG_CODE = "000000"
REFUSALS: dict[Case, str] = {
    "mismatch": "không khớp với thông tin thuê bao tại nhà mạng",
    "old_document": "CMND 9 số",
    "locked": "khóa chiều",
    "not_found": "không tìm thấy thuê bao",
}


def wrong_code(live: LiveSandbox, person: PersonJson) -> str:
    """Give a code that the phone did not receive."""
    return WRONG_CODE if live.last_code(person["phone"]) != WRONG_CODE else "000001"


# --- what the carrier says ------------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("A5.53")
@pytest.mark.parametrize("case", REFUSALS)
def test_a_carrier_that_refuses_says_why_and_what_to_do(new_window: OpenWindow, live: LiveSandbox, case: Case) -> None:
    window = new_window(album=f"refused-{case}")
    person = live.newcomer(case)
    come_to_code(window, person)
    type_code(window, person)
    window.comes_to("/register/draft/[^/]+/refused")
    window.told("carrier_refused")
    expect(window.page.locator("main")).to_contain_text(REFUSALS[case])
    window.shot("refused")
    window.submit()
    window.comes_to("/register/[^/]+/mobile-subscriber")
    window.shot("correct")
    expect(window.page.locator("[name=full_name]")).to_have_value(person["full_name"])


def test_a_slip_of_the_finger_is_mended_without_another_code(window: Window, live: LiveSandbox) -> None:
    person = live.newcomer()
    come_to_code(window, person, full_name="Nguyễn Văn Nhầm")
    type_code(window, person)
    window.comes_to("/register/draft/[^/]+/refused")
    window.submit()
    window.comes_to("/register/[^/]+/mobile-subscriber")
    window.submit(full_name=person["full_name"], captcha="sandbox")
    window.comes_to("/register/draft/[^/]+/password")
    assert len(live.texts(person["phone"])) == 1


def test_a_carrier_that_is_away_is_asked_again_and_the_person_goes_on(new_window: OpenWindow, live: LiveSandbox) -> None:
    window, person = new_window(album="waiting"), live.newcomer("unavailable")
    _ask_carrier(window, person)  # it is away for two questions: the product's first one is the second
    come_to_code(window, person)
    type_code(window, person)
    window.comes_to("/register/draft/[^/]+/waiting")
    window.shot("waiting")
    for _ in range(MOST_LOOKS):
        window.submit()
        window.page.wait_for_load_state()
        if "/waiting" not in window.page.url:
            break
        window.page.wait_for_timeout(500)
    window.comes_to("/register/draft/[^/]+/password")
    window.shot("answered")
    assert "da khop voi nha mang" in live.texts(person["phone"], of=2)[0]


def _ask_carrier(window: Window, person: PersonJson) -> None:
    day, month, year = person["birth_date"].split("/")
    question = {**{name: person[name] for name in ("phone", "id_number", "full_name")}, "birth_date": f"{year}-{month}-{day}"}
    answer = window.context.request.post(f"{window.live.phone}/carrier/match", data=question, headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.json()["verdict"] == "unavailable"


@pytest.mark.requirement("A5.50")
def test_who_has_an_account_already_is_shown_three_ways_out(new_window: OpenWindow, live: LiveSandbox, backstage: Backstage) -> None:
    window, person = new_window(album="duplicate"), backstage.account()
    come_to_code(window, person)
    expect(window.page.locator("[data-error]")).to_have_count(0)  # whoever only knows the number learns nothing
    type_code(window, person)
    window.comes_to("/register/draft/[^/]+/duplicate")
    window.told("account_exists")
    window.shot("duplicate")
    window.submit()
    window.comes_to("/help/forgot-password")
    window.shot("forgot-password")
    window.page.go_back()
    expect(window.page.locator("main")).to_contain_text("quầy giao dịch")
    window.press("#dispute")
    window.comes_to("/register/draft/[^/]+/disputed")
    expect(window.page.locator("#reference")).to_contain_text("KN-")
    window.shot("disputed")


# --- one-time codes -------------------------------------------------------------------------------------------------------------------


def test_a_wrong_code_says_how_many_tries_are_left_until_it_is_void(window: Window, live: LiveSandbox, backstage: Backstage) -> None:
    person = live.newcomer()
    come_to_code(window, person)
    wrong = wrong_code(live, person)
    for left in range(4, 0, -1):
        window.submit(otp=wrong)
        expect(window.page.locator("[data-error=otp_wrong]").first).to_contain_text(str(left))
    window.submit(otp=wrong)
    window.told("otp_void")
    window.press("#resend")
    window.told("otp_wait")
    backstage.let_time_pass()
    window.press("#resend")
    window.comes_to("/register/draft/[^/]+/one-time-code")
    expect(window.page.locator("[data-error]")).to_have_count(0)
    type_code(window, person, of=2)
    window.comes_to("/register/draft/[^/]+/password")


@pytest.mark.requirement("A5.52")
def test_a_code_that_is_over_is_sent_again(window: Window, live: LiveSandbox, backstage: Backstage) -> None:
    person = live.newcomer()
    come_to_code(window, person)
    first = live.last_code(person["phone"])
    backstage.let_time_pass()
    window.submit(otp=first)
    window.told("otp_expired")
    window.press("#resend")
    expect(window.page.locator("[data-error]")).to_have_count(0)
    type_code(window, person, of=2)
    window.comes_to("/register/draft/[^/]+/password")


# --- tabs, buttons, cookies -----------------------------------------------------------------------------------------------------------


def test_the_back_button_leads_on_to_where_the_person_is(window: Window, live: LiveSandbox) -> None:
    person = live.newcomer()
    come_to_code(window, person)
    type_code(window, person)
    window.comes_to("/register/draft/[^/]+/password")
    window.page.go_back()
    window.comes_to("/register/draft/[^/]+/password")
    window.submit(password=NEW_PASSWORD, password_confirm=NEW_PASSWORD)
    window.comes_to("/register/draft/[^/]+/success")
    window.page.go_back()
    window.comes_to("/register/draft/[^/]+/success")


@pytest.mark.parametrize("javascript", [True, False], ids=["with-javascript", "without-javascript"])
def test_a_button_that_is_pressed_twice_does_it_once(new_window: OpenWindow, live: LiveSandbox, javascript: bool) -> None:  # noqa: FBT001
    window, person = new_window(java_script_enabled=javascript), live.newcomer()
    come_to_form(window)
    window.fill(**applicant(person))
    window.page.locator("#submit").dblclick()
    window.comes_to("/register/draft/[^/]+/one-time-code")
    window.fill(otp=live.last_code(person["phone"]))
    window.page.locator("#submit").dblclick()
    window.comes_to("/register/draft/[^/]+/password")
    window.fill(password=NEW_PASSWORD, password_confirm=NEW_PASSWORD)
    window.page.locator("#submit").dblclick()
    window.comes_to("/register/draft/[^/]+/success")
    assert len(live.texts(person["phone"])) == 1


def test_two_tabs_with_the_same_draft_end_at_the_same_account(window: Window, live: LiveSandbox) -> None:
    person = live.newcomer()
    come_to_code(window, person)
    first, address = window.page, window.page.url
    second = window.new_tab()
    window.open(address)
    window.page = first
    type_code(window, person)
    window.comes_to("/register/draft/[^/]+/password")
    window.page = second
    window.submit(otp="123456")
    window.comes_to("/register/draft/[^/]+/password")
    window.submit(password=NEW_PASSWORD, password_confirm=NEW_PASSWORD)
    window.comes_to("/register/draft/[^/]+/success")
    window.page = first
    window.submit(password=NEW_PASSWORD, password_confirm=NEW_PASSWORD)
    window.comes_to("/register/draft/[^/]+/success")


def test_another_language_in_the_middle_keeps_what_was_typed(window: Window, live: LiveSandbox) -> None:
    person = live.newcomer()
    come_to_form(window)
    typed = applicant(person, email="nguoi.dan@example.vn")
    window.fill(**typed)
    window.press("#language")
    expect(window.page.locator("html")).to_have_attribute("lang", "en")
    for name in ("id_number", "full_name", "birth_date", "phone", "email"):
        expect(window.page.locator(f"[name={name}]")).to_have_value(typed[name])
    expect(window.page.locator("[name=captcha]")).to_have_value("")
    expect(window.page.locator("[data-error]")).to_have_count(0)
    window.submit(captcha=typed["captcha"])
    window.comes_to("/register/draft/[^/]+/one-time-code")
    expect(window.page.locator("html")).to_have_attribute("lang", "en")


def test_lost_cookies_in_the_middle_are_explained_and_the_person_starts_again(window: Window, live: LiveSandbox) -> None:
    person = live.newcomer()
    come_to_code(window, person)
    window.context.clear_cookies()
    window.submit(otp=live.last_code(person["phone"]))
    window.told("cookie_missing")
    register(window, live.newcomer())


def test_a_draft_is_not_shown_in_another_browser(new_window: OpenWindow, live: LiveSandbox) -> None:
    window, person = new_window(), live.newcomer()
    come_to_code(window, person)
    other = new_window()
    other.open(window.page.url)
    other.told("draft_missing")
    expect(other.page.locator("body")).not_to_contain_text(person["full_name"])


def test_a_person_who_registered_signs_in_at_once(window: Window, live: LiveSandbox) -> None:
    person = live.newcomer()
    register(window, person)
    window.context.clear_cookies()
    come_to_sign_in(window)
    type_password(window, person)
    type_code(window, person, of=2)
    window.comes_to("/consent/[^/]+")


def test_a_registration_is_resumed_in_another_browser(new_window: OpenWindow, live: LiveSandbox) -> None:
    person = live.newcomer()
    first = new_window()
    come_to_code(first, person)
    type_code(first, person)
    first.comes_to("/register/draft/[^/]+/password")
    window = new_window()
    come_to_sign_in(window)
    window.press("#register")
    window.comes_to("/register/[^/]+")
    window.press("a[href^='/register/resume']")
    window.comes_to("/register/resume")
    window.submit(phone=person["phone"], captcha="sandbox")
    window.comes_to("/register/resume/[^/]+")
    type_code(window, person, of=2)
    window.comes_to("/register/draft/[^/]+/password")
