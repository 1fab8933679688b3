"""A draft resumed in another browser, by its phone and a code; nobody learns whether there is one."""

import re
from datetime import timedelta

import pytest

from idp.promises import CarrierVerdict
from tests.flows.register.office import E164, NAME, PHONE, Office, Offices, set_password, wait_for_codes
from tests.flows.sign_in.person import Page, Person

NOBODYS = "0912345670"


def ask(office: Office, person: Person, phone: str, page: Page | None = None) -> Page:
    """Send the form that asks for the phone, with its picture code; gives the page that asks for the code."""
    form = page or person.open("/register/resume")
    answer = person.press(form, phone=phone, captcha=office.picture_code(form))
    wait_for_codes()
    return answer


def left_waiting(office: Office) -> Page:
    """Leave a draft behind for which the carrier was away."""
    office.carrier_says(CarrierVerdict.UNAVAILABLE)
    page = office.after_code(office.person())
    office.carrier_says(CarrierVerdict.MATCH)
    return page


def faceless(page: Page) -> str:
    """Give the words of a page without what differs between any two people."""
    html = re.sub(r"(/|%2F)register(/|%2F)resume(/|%2F)[\w-]+|value=\"[\w-]{43}\"", "", page.html)
    return re.sub(r"\d{3}•••\d{4}|\d\d:\d\d:\d\d|data-countdown=\"\d+\"", "", html)


def test_draft_goes_on_in_another_browser(office: Office) -> None:
    left_waiting(office)
    office.clock.move(timedelta(hours=3))
    office.retry()
    person = office.person()
    page = ask(office, person, PHONE)
    assert office.sms.texts_to(E164)[-1].startswith("Ma OTP tiep tuc dang ky la ")
    page = person.press(page, otp=office.code())
    assert page.path.endswith("/password")
    assert set_password(person, page).path.endswith("/success")


def test_draft_leaves_the_browser_that_it_was_begun_in(office: Office) -> None:
    office.carrier_says(CarrierVerdict.MISMATCH)
    first, second = office.person(), office.person()
    refused = office.after_code(first)
    page = second.press(ask(office, second, PHONE), otp=office.code())
    assert page.path == refused.path
    assert first.open(refused.path).errors == ["draft_missing"]
    # And what was typed can be corrected here.
    assert second.open(page.links["submit"]).typed("full_name") == NAME


def test_choice_of_the_method_leads_to_the_resumed_draft_and_the_draft_to_the_portal(office: Office) -> None:
    left_waiting(office)
    office.clock.move(timedelta(minutes=1))
    office.retry()
    person = office.person()
    choice = office.from_portal(person)
    form = person.open(next(href for href in choice.links.values() if href.startswith("/register/resume")))
    page = person.press(ask(office, person, PHONE, form), otp=office.code())
    success = set_password(person, page)
    assert success.links["submit"].startswith("/authorize/")


@pytest.mark.parametrize("prepare", ["nothing", "only_filled", "registered"])
def test_no_code_is_sent_where_nothing_is_to_be_resumed(office: Office, prepare: str) -> None:
    if prepare == "only_filled":
        office.at_code(office.person())
    if prepare == "registered":
        office.register(office.person())
    before = len(office.sms.messages)
    page = ask(office, office.person(), PHONE)
    assert page.status == 200
    assert "091•••5678" in page.text
    assert len(office.sms.messages) == before


def test_phone_with_a_draft_and_phone_without_look_the_same_all_the_way(offices: Offices) -> None:
    office = offices.build(one_time_codes={"tries_per_account_and_day": 10, "codes_per_phone_and_day": 4})
    left_waiting(office)
    people = [office.person("203.0.113.1"), office.person("203.0.113.2")]
    phones = [PHONE, NOBODYS]
    pages = [ask(office, person, phone) for person, phone in zip(people, phones, strict=True)]
    assert len(office.sms.messages) == 2
    wrong = office.wrong_code()

    def both(button: str = "submit", **typed: str) -> list[str]:
        nonlocal pages
        pages = [person.press(page, button, **typed) for person, page in zip(people, pages, strict=True)]
        wait_for_codes()
        first, second = pages
        assert (first.status, first.errors) == (second.status, second.errors)
        assert faceless(first) == faceless(second)
        assert first.response.headers.get("Retry-After") == second.response.headers.get("Retry-After")
        return first.errors

    assert both(otp="") == ["required"]
    assert both(otp="12") == ["otp_wrong"]
    assert [both(otp=wrong)[0] for _ in range(6)] == ["otp_wrong"] * 4 + ["otp_void"] * 2
    assert both(otp="12") == ["otp_wrong"]
    assert both("resend") == ["otp_wait"]
    office.clock.move(timedelta(seconds=61))
    assert both("resend") == []
    assert both(otp=wrong if wrong != office.code() else "000001") == ["otp_wrong"]
    office.clock.move(timedelta(minutes=2))
    assert both(otp=wrong) == ["otp_expired"]
    assert both("resend") == []
    assert [both(otp=wrong)[0] for _ in range(5)][-1] == "otp_budget_spent"


def test_gateways_away_do_not_tell_who_has_a_draft(office: Office) -> None:
    left_waiting(office)
    office.sms.is_down = True
    known, unknown = (ask(office, office.person(), phone) for phone in (PHONE, NOBODYS))
    assert (known.status, known.errors) == (unknown.status, unknown.errors) == (200, [])


def test_code_that_did_not_come_is_sent_again(office: Office) -> None:
    left_waiting(office)
    person = office.person()
    office.sms.is_down = True
    page = ask(office, person, PHONE)
    office.sms.is_down = False
    office.clock.move(timedelta(seconds=61))
    again = person.press(page, "resend")
    wait_for_codes()
    assert person.press(again, otp=office.code()).path.endswith("/waiting")


@pytest.mark.parametrize("typed", ["", "1", "0243123456", "x" * 8192])
def test_phone_is_checked_before_the_picture_code_is_used_up(office: Office, typed: str) -> None:
    person = office.person()
    form = person.open("/register/resume")
    digits = office.picture_code(form)
    page = person.press(form, phone=typed, captcha=digits)
    assert page.status == 422
    assert page.errors in (["required"], ["phone_format"])
    assert office.services.store.get("captcha", form.typed("captcha_id"))


@pytest.mark.parametrize(("captcha", "error"), [("", "required"), ("000000", "captcha_wrong")])
def test_picture_code_is_asked_for(office: Office, captcha: str, error: str) -> None:
    person = office.person()
    page = person.press(person.open("/register/resume"), phone=PHONE, captcha=captcha)
    assert (page.status, page.errors) == (422, [error])
    assert page.typed("phone") == PHONE


def test_new_picture_and_other_language_keep_the_phone(office: Office) -> None:
    person = office.person()
    page = person.press(person.open("/register/resume"), "action=new_captcha", phone=PHONE)
    assert (page.status, page.typed("phone")) == (200, PHONE)
    english = person.press(page, "language", phone=PHONE)
    assert "Continue your registration" in english.text
    assert english.typed("phone") == PHONE


def test_codes_for_a_phone_are_limited_with_or_without_a_draft(offices: Offices) -> None:
    office = offices.build(one_time_codes={"codes_per_phone_and_day": 1})
    assert ask(office, office.person(), NOBODYS).path.startswith("/register/resume/")
    refused = ask(office, office.person(), NOBODYS)
    assert (refused.status, refused.errors) == (429, ["otp_budget_spent"])
    assert 'id="phone-error"' in refused.html


def test_wrong_codes_leave_the_same_trace_with_or_without_a_draft(office: Office) -> None:
    left_waiting(office)
    for phone in (PHONE, NOBODYS):
        before = office.events("one_time_code_failed")
        person = office.person()
        person.press(ask(office, person, phone), otp=office.wrong_code())
        assert office.events("one_time_code_failed") == before + 1


@pytest.mark.parametrize("phone", [PHONE, NOBODYS])
def test_phone_waits_for_its_next_code_with_or_without_a_draft(office: Office, phone: str) -> None:
    left_waiting(office)
    first, second = office.person(), office.person()
    page = ask(office, first, phone)
    before = len(office.sms.messages)
    hasty = ask(office, second, phone)
    assert (hasty.status, hasty.errors) == (429, ["otp_wait"])
    assert 'id="phone-error"' in hasty.html
    assert first.open(page.path).path == page.path
    office.clock.move(timedelta(seconds=60))
    assert ask(office, second, phone).path.startswith("/register/resume/")
    assert len(office.sms.messages) == before + (phone == PHONE)


def test_codes_for_registration_do_not_keep_the_owner_of_a_phone_from_resuming(offices: Offices) -> None:
    office = offices.build(one_time_codes={"codes_per_phone_and_day": 2})
    left_waiting(office)
    office.clock.move(timedelta(minutes=1))
    office.at_code(office.person(), id_number="001190123457")
    person = office.person()
    page = ask(office, person, PHONE)
    assert person.press(page, otp=office.code()).path.endswith("/waiting")


def test_without_a_picture_code_nobody_uses_up_the_beginnings_of_an_address(offices: Offices) -> None:
    office = offices.build(registration={"starts_per_address_and_hour": 1})
    stranger = office.person()
    page = stranger.open("/register/resume")
    for _ in range(3):
        page = stranger.press(page, phone=PHONE, captcha="000000")
        assert page.errors == ["captcha_wrong"]
    assert ask(office, office.person(), NOBODYS).path.startswith("/register/resume/")


def test_beginnings_of_an_address_are_limited(offices: Offices) -> None:
    office = offices.build(registration={"starts_per_address_and_hour": 1})
    person = office.person()
    ask(office, person, NOBODYS)
    assert ask(office, person, PHONE).errors == ["too_many_requests"]


def test_code_page_belongs_to_one_browser(office: Office) -> None:
    left_waiting(office)
    page = ask(office, office.person(), PHONE)
    stranger = office.person()
    assert stranger.open(page.path).path == "/register/resume"
    form = {"csrf_token": stranger.open("/register/resume").typed("csrf_token"), "otp": office.code()}
    assert stranger.post(page.path, form).headers["Location"] == "/register/resume"


def test_second_submit_of_the_code_ends_well(office: Office) -> None:
    left_waiting(office)
    person = office.person()
    page = ask(office, person, PHONE)
    code = office.code()
    first = person.press(page, otp=code)
    assert person.press(page, otp=code).path == first.path


def test_draft_that_moved_on_is_not_handed_over(office: Office) -> None:
    office.carrier_says(CarrierVerdict.MISMATCH)
    first, second = office.person(), office.person()
    refused = office.after_code(first)
    page = ask(office, second, PHONE)
    # Meanwhile its owner corrects it, with another phone.
    edited = office.fill(first, first.open(refused.links["submit"]), phone="0912345679")
    assert edited.path.endswith("/one-time-code")
    assert second.press(page, otp=office.code()).errors == ["otp_expired"]
    assert first.open(edited.path).status == 200
