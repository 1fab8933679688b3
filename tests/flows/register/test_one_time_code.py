"""The proof of the phone."""

from datetime import timedelta

import pytest

from idp.identity.registration_drafts import DraftState
from tests.flows.register.office import E164, PHONE, Office, Offices


@pytest.mark.requirement("A5.51")
def test_code_goes_to_the_phone_and_is_confirmed(office: Office) -> None:
    person = office.person()
    page = office.at_code(person)
    assert "091•••5678" in page.text
    assert PHONE not in page.html
    assert "Xác nhận" in page.text
    assert office.sms.texts_to(E164)[0].startswith("Ma OTP dang ky tai khoan la ")
    assert person.press(page, otp=office.code()).path.endswith("/password")


@pytest.mark.requirement("A5.52")
def test_code_is_sent_again_after_a_wait(office: Office) -> None:
    person = office.person()
    page = office.at_code(person)
    hasty = person.press(page, "resend")
    assert (hasty.status, hasty.errors) == (429, ["otp_wait"])
    assert int(hasty.response.headers["Retry-After"]) <= 60
    first = office.code()
    office.clock.move(timedelta(seconds=61))
    again = person.press(hasty, "resend")
    assert (again.status, again.errors, len(office.sms.messages)) == (200, [], 2)
    assert first == office.code() or person.press(again, otp=first).errors == ["otp_wrong"]
    assert person.press(again, otp=office.code()).path.endswith("/password")


@pytest.mark.requirement("A16.C2")
def test_code_lives_two_minutes(office: Office) -> None:
    person = office.person()
    page = office.at_code(person)
    assert "trong 2 phút" in page.text
    office.clock.move(timedelta(minutes=2))
    late = person.press(page, otp=office.code())
    assert (late.status, late.errors) == (422, ["otp_expired"])
    again = person.press(late, "resend")
    assert person.press(again, otp=office.code()).path.endswith("/password")


def test_page_that_lay_open_for_hours_still_gets_a_code(office: Office) -> None:
    person = office.person()
    page = office.at_code(person)
    office.clock.move(timedelta(hours=3))
    for kind in ("otp", "registration_challenge"):
        office.services.store.drop(kind, page.path.split("/")[3])
    late = person.press(page, otp="123456")
    assert late.errors == ["otp_expired"]
    again = person.press(late, "submit" if "otp" not in late.forms["form"].fields else "resend")
    assert person.press(again, otp=office.code()).path.endswith("/password")


def test_wrong_code_counts_down_and_becomes_void(office: Office) -> None:
    person = office.person()
    page = office.at_code(person)
    for left in (4, 3, 2, 1):
        page = person.press(page, otp=office.wrong_code())
        assert page.errors == ["otp_wrong"]
        assert f"còn {left} lần nhập" in page.text
    page = person.press(page, otp=office.wrong_code())
    assert page.errors == ["otp_void"]
    assert person.press(page, otp=office.code()).errors == ["otp_void"]
    assert office.state(page) is DraftState.FILLED
    assert office.carrier.questions == []


@pytest.mark.parametrize("typed", ["", "12345", "1234567", "abcdef", "x" * 8192, "\uff11\uff12\uff13\uff14\uff15\uff16"])
def test_what_is_no_code_costs_nothing(office: Office, typed: str) -> None:
    person = office.person()
    page = person.press(office.at_code(person), otp=typed)
    assert page.status == 422
    assert page.errors in (["otp_wrong"], ["required"])
    assert typed == "" or typed not in page.html
    assert person.press(page, otp=office.code()).path.endswith("/password")


def test_tries_of_a_day_are_limited_across_codes(offices: Offices) -> None:
    office = offices.build(one_time_codes={"tries_per_account_and_day": 6})
    person = office.person()
    page = office.at_code(person)
    for _ in range(4):
        page = person.press(page, otp=office.wrong_code())
    office.clock.move(timedelta(seconds=61))
    page = person.press(page, "resend")
    for _ in range(2):
        page = person.press(page, otp=office.wrong_code())
        assert page.errors == ["otp_wrong"]
    spent = person.press(page, otp=office.code())
    assert (spent.status, spent.errors) == (429, ["otp_budget_spent"])


def test_code_of_another_draft_is_worth_nothing(office: Office) -> None:
    first, second = office.person(), office.person()
    office.at_code(first, phone="0912345671")
    page = office.at_code(second, phone="0912345672", id_number="001190123457")
    other = office.code("0912345671")
    if other != office.code("0912345672"):
        assert second.press(page, otp=other).errors == ["otp_wrong"]


def test_gateways_away_at_resend(office: Office) -> None:
    person = office.person()
    page = office.at_code(person)
    office.clock.move(timedelta(seconds=61))
    office.sms.is_down = True
    away = person.press(page, "resend")
    assert (away.status, away.errors) == (503, ["sms_unavailable"])
    # The code before is still good.
    assert person.press(away, otp=office.code()).path.endswith("/password")


def test_code_is_never_written_back(office: Office) -> None:
    person = office.person()
    wrong = office.wrong_code() if office.sms.messages else "135790"
    page = person.press(office.at_code(person), otp=wrong)
    assert f'value="{wrong}"' not in page.html


def test_language_switch_comes_back_to_the_code(office: Office) -> None:
    person = office.person()
    page = office.at_code(person)
    english = person.open(page.links["language"])
    assert english.path == page.path
    assert "Confirm your phone number" in english.text
    assert person.press(english, otp=office.code()).path.endswith("/password")


def test_draft_ends_after_its_lifetime(office: Office) -> None:
    person = office.person()
    page = office.at_code(person)
    office.clock.move(timedelta(hours=24, seconds=1))
    assert person.open(page.path).errors == ["draft_missing"]
    assert person.press(page, otp=office.code()).errors == ["draft_missing"]
