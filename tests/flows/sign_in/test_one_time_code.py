"""The one-time code: sent once, taken once, resent after a wait, or to another phone of the account."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from idp.edge import logs
from idp.identity import phone_numbers
from idp.identity.one_time_codes import Purpose
from idp.storage import tables
from idp.values import new_id, secret_hash
from tests.flows.sign_in.person import Page
from tests.flows.sign_in.place import E164, ID_NUMBER, NAME, Place, Places
from tests.world import PASSWORD

OTHER_PHONE = "0988777666"
OTHER_E164 = "+84988777666"


def add_phone(place: Place, number: str = OTHER_PHONE) -> None:
    """Give the account a second phone, as the account's own page will."""
    phone = phone_numbers.parse(number)
    row_id = new_id()
    encryption = place.services.encryption
    with place.services.database.transaction() as tx:
        tx.execute(
            tables.phones.insert().values(
                id=row_id,
                account_id=place.account_id,
                number_sealed=encryption.seal(phone.e164, f"phones.number:{row_id}"),
                number_index=encryption.index("phone", phone.e164),
                index_version=encryption.index_version,
                is_default=False,
                verified_at=place.clock.now(),
            )
        )


def sent(place: Place, phone: str = E164) -> int:
    """Count the texts to a phone."""
    return len(place.sms.texts_to(phone))


@pytest.mark.requirement("A9.76", "A9.79", "A9.80", "A16.C2")
def test_page_tells_phone_time_and_warning(place: Place) -> None:
    page = place.at_code(place.person())
    assert page.status == 200
    assert "091•••5678" in page.text
    assert "2 phút" in page.text
    assert "Không cung cấp mã này cho bất kỳ ai" in page.text
    assert 'data-countdown="120"' in page.html
    assert {"submit", "resend", "start-over"} <= page.buttons.keys()
    assert page.links["other-phone"].endswith("/other-phone")
    assert "Xác nhận" in page.text
    assert ID_NUMBER not in page.html
    assert NAME not in page.html


@pytest.mark.requirement("A9.79")
def test_right_code_signs_in_with_two_factors(place: Place) -> None:
    person = place.person()
    page = place.signed_in(person)
    assert page.path.startswith("/consent/")
    session = place.session(person)
    assert session is not None
    assert session.account_id == place.account_id
    assert [factor.method for factor in session.factors] == ["pwd", "sms"]
    assert place.events("sign_in_succeeded") == 1


def test_reload_does_not_send_again(place: Place) -> None:
    person = place.person()
    page = place.at_code(person)
    for _ in range(3):
        assert person.open(page.path).status == 200
    assert sent(place) == 1


def test_code_may_be_grouped_as_people_type_it(place: Place) -> None:
    person = place.person()
    page = place.at_code(person)
    code = place.code()
    assert person.press(page, otp=f" {code[:3]} {code[3:]} ").path.startswith("/consent/")


def test_wrong_codes_are_counted_down_then_the_code_is_void(place: Place) -> None:
    person = place.person()
    page = place.at_code(person)
    wrong, right = place.wrong_code(), place.code()
    for left in (4, 3, 2, 1):
        page = person.press(page, otp=wrong)
        assert (page.status, page.errors) == (422, ["otp_wrong"])
        assert f"còn {left} lần" in page.text
    assert person.press(page, otp=wrong).errors == ["otp_void"]
    assert person.press(page, otp=right).errors[0] in {"otp_void", "otp_expired"}
    assert place.session(person) is None


@pytest.mark.requirement("A9.80", "A16.C2")
def test_code_expires_after_two_minutes(place: Place) -> None:
    person = place.person()
    page = place.at_code(person)
    place.clock.move(timedelta(seconds=121))
    page = person.press(page, otp=place.code())
    assert (page.status, page.errors) == (422, ["otp_expired"])
    assert "Gửi lại OTP" in page.text
    page = person.press(page, "resend")
    assert person.press(page, otp=place.code()).path.startswith("/consent/")


@pytest.mark.requirement("A9.82")
def test_resend_has_to_wait_and_voids_the_earlier_code(place: Place) -> None:
    person = place.person()
    page = place.at_code(person)
    first = place.code()
    hasty = person.press(page, "resend")
    assert (hasty.status, hasty.errors) == (429, ["otp_wait"])
    assert int(hasty.response.headers["Retry-After"]) == 60
    assert sent(place) == 1
    place.clock.move(timedelta(seconds=60))
    page = person.press(hasty, "resend")
    assert (page.status, sent(place)) == (200, 2)
    if place.code() != first:
        assert person.press(page, otp=first).errors == ["otp_wrong"]
    assert person.press(page, otp=place.code()).path.startswith("/consent/")


def test_tries_are_budgeted_across_codes_and_sign_ins(places: Places) -> None:
    place = places.build(one_time_codes={"tries_per_account_and_day": 6})
    first = place.person()
    page = place.at_code(first)
    for _ in range(4):
        page = first.press(page, otp=place.wrong_code())
    place.clock.move(timedelta(seconds=60))
    page = first.press(page, "resend")
    page = first.press(page, otp=place.wrong_code())
    page = first.press(page, otp=place.wrong_code())
    assert page.errors == ["otp_wrong"]
    place.clock.move(timedelta(seconds=60))
    second = place.person(address="198.51.100.4")
    spent = second.press(place.at_code(second), otp=place.code())
    assert (spent.status, spent.errors) == (429, ["otp_budget_spent"])
    assert place.session(second) is None


def test_codes_are_budgeted_per_phone_and_day(places: Places) -> None:
    place = places.build(one_time_codes={"codes_per_phone_and_day": 3})
    for _ in range(3):
        assert place.at_code(place.person()).status == 200
        place.clock.move(timedelta(seconds=60))
    page = place.at_code(place.person())
    assert (page.status, page.errors) == (429, ["otp_budget_spent"])
    assert sent(place) == 3


def test_code_of_another_purpose_is_worth_nothing(place: Place) -> None:
    """The right code of a registration, even for the same account and put in the place of the sign-in's own."""
    person = place.person()
    page = place.at_code(person)
    phone = phone_numbers.parse(OTHER_PHONE)
    challenge = place.services.one_time_codes.send(Purpose.REGISTER, phone=phone, owner=place.account_id, language="vi")
    cookie = person.browser.get_cookie(place.world.cookies.browser)
    assert cookie is not None
    interactions = place.services.interactions
    current = interactions.get(page.path.split("/")[2], browser_hash=secret_hash(cookie.value))
    interactions.record_challenge(current, challenge.id)
    assert person.press(page, otp=place.code(OTHER_E164)).errors == ["otp_expired"]
    assert place.session(person) is None


def test_code_of_another_browser_is_worth_nothing(place: Place) -> None:
    first, second = place.person(), place.person(address="198.51.100.4")
    page = place.at_code(first)
    code = place.code()
    place.clock.move(timedelta(seconds=60))
    place.at_code(second)
    other = place.code()
    if code != other:
        assert first.press(page, otp=other).errors == ["otp_wrong"]
    assert first.press(page, otp=code).path.startswith("/consent/")


@pytest.mark.parametrize("typed", ["", "abc", "12345", "1" * 8192, "１２３４５６", "000000 OR 1=1"])  # noqa: RUF001 - other digits, on purpose
def test_what_cannot_be_a_code_costs_no_try(place: Place, typed: str) -> None:
    person = place.person()
    page = person.press(place.at_code(person), otp=typed)
    assert page.errors in (["required"], ["otp_wrong"])
    assert page.status == 422
    assert "1" * 50 not in page.html
    assert person.press(page, otp=place.code()).path.startswith("/consent/")


def test_without_a_password_there_is_no_code(place: Place) -> None:
    person = place.person()
    page = place.at_password(person)
    path = page.path.replace("/password", "/one-time-code")
    assert person.open(path).path == page.path
    assert person.open(path.replace("one-time-code", "other-phone")).path == page.path
    answer = person.post(path, {"csrf_token": page.typed("csrf_token"), "otp": "123456"})
    assert answer.status_code == 303
    assert place.sms.messages == []


# --- SMS away -----------------------------------------------------------------------------------------------------------------------


def test_gateways_away_are_told_and_tried_again(place: Place) -> None:
    person = place.person()
    place.sms.is_down = True
    page = place.at_code(person)
    assert page.status == 503
    assert "sms_unavailable" in page.errors
    assert "otp" not in page.forms["form"].fields
    assert person.press(page, "resend").status == 503
    place.sms.is_down = False
    page = person.press(page, "resend")
    assert page.status == 200
    assert person.press(page, otp=place.code()).path.startswith("/consent/")


def test_outage_costs_no_code_of_the_day_and_a_reload_does_not_try_again(places: Places) -> None:
    place = places.build(one_time_codes={"codes_per_phone_and_day": 1})
    person = place.person()
    place.sms.is_down = True
    page = place.at_code(person)
    assert person.press(page, "resend").status == 503
    place.sms.is_down = False
    for _ in range(16):
        page = person.open(page.path)
        assert (page.status, page.errors) == (503, ["sms_unavailable"])
    assert sent(place) == 0
    page = person.press(page, "resend")
    assert person.press(page, otp=place.code()).path.startswith("/consent/")


def test_gateways_away_at_a_resend_leave_the_first_code_good(place: Place) -> None:
    person = place.person()
    page = place.at_code(person)
    place.clock.move(timedelta(seconds=61))
    place.sms.is_down = True
    page = person.press(page, "resend")
    assert (page.status, page.errors) == (503, ["sms_unavailable"])
    assert person.press(page, otp=place.code()).path.startswith("/consent/")


# --- Another phone ------------------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("A9.83")
def test_code_goes_to_the_chosen_phone(place: Place) -> None:
    add_phone(place)
    person = place.person()
    page = place.at_code(person)
    place.clock.move(timedelta(seconds=60))
    phones = person.open(page.links["other-phone"])
    assert "091•••5678" in phones.text
    assert "098•••7666" in phones.text
    assert OTHER_PHONE not in phones.html
    assert phones.typed("phone_id") == phone_id(phones, 1)
    page = person.press(phones, phone_id=phone_id(phones, 1))
    assert "098•••7666" in page.text
    assert sent(place, OTHER_E164) == 1
    assert person.press(page, otp=place.code(OTHER_E164)).path.startswith("/consent/")


def phone_id(page: Page, place_in_list: int) -> str:
    """Give the value of a radio button."""
    values = [part.split('"')[0] for part in page.html.split('type="radio" value="')[1:]]
    return values[place_in_list]


@pytest.mark.requirement("A9.83")
def test_another_phone_needs_no_wait_but_the_same_one_does(place: Place) -> None:
    add_phone(place)
    person = place.person()
    page = place.at_code(person)
    phones = person.open(page.links["other-phone"])
    hasty = person.press(phones, phone_id=phone_id(phones, 0))
    assert (hasty.status, hasty.errors) == (429, ["otp_wait"])
    page = person.press(hasty, phone_id=phone_id(phones, 1))
    assert "098•••7666" in page.text
    assert (sent(place), sent(place, OTHER_E164)) == (1, 1)


def test_phone_waits_whichever_page_asks_and_the_page_tells_how_long(place: Place) -> None:
    first = place.person()
    page = place.at_code(first)
    second = place.person(address="198.51.100.4")
    hasty = place.at_code(second)
    assert (hasty.status, hasty.errors) == (429, ["otp_wait"])
    assert "resend" in hasty.buttons
    assert second.open(hasty.path).errors == ["otp_wait"]
    assert sent(place) == 1
    # The first code stays good in its own page, and the second page goes on after the wait.
    code = place.code()
    place.clock.move(timedelta(seconds=60))
    page_of_second = second.press(hasty, "resend")
    assert first.press(page, otp=code).path.startswith("/consent/")
    assert second.press(page_of_second, otp=place.code()).path.startswith("/consent/")


@pytest.mark.parametrize("chosen", ["", "nothing", "0988777666"])
def test_foreign_phone_is_refused(place: Place, chosen: str) -> None:
    person = place.person()
    page = place.at_code(person)
    place.clock.move(timedelta(seconds=60))
    refused = person.press(person.open(page.links["other-phone"]), phone_id=chosen)
    assert (refused.status, refused.errors) == (422, ["invalid_choice"])
    assert len(place.sms.messages) == 1


@pytest.mark.requirement("A9.84", "A16.C7")
def test_one_phone_serves_two_accounts(place: Place) -> None:
    place.world.account("001190777777", "0912345678")
    for id_number in (ID_NUMBER, "001190777777"):
        person = place.person()
        page = person.press(place.at_password(person), id_number=id_number, password=PASSWORD)
        assert person.press(page, otp=place.code()).path.startswith("/consent/")


# --- Tabs and the back button -------------------------------------------------------------------------------------------------------


def test_second_submit_of_the_same_code_ends_well(place: Place) -> None:
    person = place.person()
    page = place.at_code(person)
    code = place.code()
    assert person.press(page, otp=code).path.startswith("/consent/")
    assert person.press(page, otp=code).path.startswith("/consent/")
    assert place.events("session_started") == 1


def test_reload_of_a_stale_tab_goes_on(place: Place) -> None:
    person = place.person()
    page = place.at_code(person)
    person.press(page, otp=place.code())
    assert person.open(page.path).path.startswith("/consent/")
    assert sent(place) == 1


@pytest.mark.race
def test_code_is_taken_once_by_many_at_once(place: Place) -> None:
    person = place.person()
    page = place.at_code(person)
    code, cookies = place.code(), person.browser
    copies = [place.person() for _ in range(20)]
    for copy in copies:
        for name in (place.world.cookies.browser,):
            cookie = cookies.get_cookie(name)
            assert cookie is not None
            copy.browser.set_cookie(name, cookie.value)
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda copy: copy.send(page, otp=code)[0], copies))
    assert place.events("sign_in_succeeded") == 1
    assert {answer.status_code for answer in answers} <= {303, 422}
    with_session = [copy for copy in copies if place.session(copy)]
    assert len(with_session) == 1


def test_starting_over_as_somebody_else(place: Place) -> None:
    person = place.person()
    page = person.press(place.at_code(person), "start-over")
    assert page.path.endswith("/password")
    assert page.typed("id_number") == ""
    place.world.account("001190555555", "0912777666")
    page = person.press(page, id_number="001190555555", password=PASSWORD)
    assert "091•••7666" in page.text


def test_two_people_do_not_add_up(place: Place) -> None:
    """The password of one and the code of another never make a session."""
    person = place.person()
    password_page = place.at_password(person)
    mine = person.press(password_page, id_number=ID_NUMBER, password=PASSWORD)
    my_code = place.code()
    other_id = place.world.account("001190555555", "0912777666")
    person.press(password_page, id_number="001190555555", password=PASSWORD)
    refused = person.press(mine, otp=my_code)
    assert refused.errors == ["otp_wrong"] or my_code == place.code("+84912777666")
    person.press(refused, otp=place.code("+84912777666"))
    session = place.session(person)
    assert session is not None
    assert session.account_id == other_id


def test_language_switch_sends_no_code(place: Place) -> None:
    person = place.person()
    page = place.at_code(person)
    english = person.open(page.links["language"])
    assert english.path == page.path
    assert "Enter the OTP" in english.text
    assert sent(place) == 1


def test_double_resend_sends_one_code(place: Place) -> None:
    person = place.person()
    page = place.at_code(person)
    place.clock.move(timedelta(seconds=60))
    person.press(page, "resend")
    assert person.press(page, "resend").errors == ["otp_wait"]
    assert sent(place) == 2


def test_logs_hold_neither_secrets_nor_personal_data(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("DEBUG")
    person = place.person()
    place.signed_in(person)
    person.press(place.at_password(place.person()), id_number=ID_NUMBER, password="Sai-8-mat-khau")
    logged = "".join(capsys.readouterr())
    assert "/sign-in/<interaction_id>/one-time-code" in logged
    session = person.browser.get_cookie(place.world.cookies.session)
    assert session is not None
    for secret in (ID_NUMBER, E164, "0912345678", NAME, PASSWORD, "Sai-8-mat-khau", place.code(), session.value, person.address):
        assert secret not in logged


def test_form_may_lead_to_this_portal_alone(place: Place) -> None:
    policy = place.at_code(place.person()).response.headers["Content-Security-Policy"]
    assert "form-action 'self' https://portal.example;" in policy
