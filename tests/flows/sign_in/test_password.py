"""The password step: who gets through, what everybody else is told, and what that tells them."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from idp.errors import StoreUnavailable
from idp.identity.passwords import Passwords
from idp.safety.sealed_store import SealedStore
from tests.flows.sign_in.person import Page, Person
from tests.flows.sign_in.place import ID_NUMBER, PHONE, Place, Places
from tests.world import PASSWORD

UNKNOWN = "001190999999"
WRONG = "Khong-phai-8-mat-khau"


def try_password(place: Place, person: Person, id_number: str = ID_NUMBER, password: str = WRONG, **typed: str) -> Page:
    """Come from the portal and try a password."""
    return person.press(place.at_password(person), id_number=id_number, password=password, **typed)


def without_tokens(page: Page) -> str:
    """Give a page without what is random in every page."""
    return re.sub(r"[A-Za-z0-9_-]{43}|[0-9a-f]{8}-[0-9a-f-]{27}", "*", page.html)


@pytest.mark.requirement("A9.75", "A9.77", "A9.78")
def test_page_has_the_fields_the_links_and_the_portal(place: Place) -> None:
    page = place.at_password(place.person())
    assert page.status == 200
    assert {"id_number", "password"} <= page.forms["form"].fields.keys()
    assert "captcha" not in page.forms["form"].fields
    assert page.buttons["submit"].name == ""
    assert "Cổng tỉnh" in page.text
    assert "portal.example" in page.text
    assert page.links["register"].startswith("/register/")
    assert page.links["forgot"].startswith("/help/forgot-password")


@pytest.mark.requirement("A9.75", "A9.79")
def test_right_password_leads_to_the_code(place: Place) -> None:
    page = place.at_code(place.person())
    assert page.path.endswith("/one-time-code")
    assert len(place.sms.texts_to("+84912345678")) == 1


@pytest.mark.requirement("A9.85", "A16.C1")
def test_old_number_signs_in_where_the_account_has_one(place: Place) -> None:
    place.world.account("012345678", "0912999888")
    page = try_password(place, place.person(), "012345678", PASSWORD)
    assert page.path.endswith("/one-time-code")


def test_digits_may_be_grouped(place: Place) -> None:
    assert try_password(place, place.person(), " 001 190 123 456 ", PASSWORD).path.endswith("/one-time-code")


def test_unknown_and_known_numbers_are_told_the_same(place: Place) -> None:
    known = try_password(place, place.person(), ID_NUMBER)
    unknown = try_password(place, place.person(), UNKNOWN)
    assert known.status == unknown.status == 422
    assert known.errors == unknown.errors == ["credentials_wrong"]
    assert without_tokens(known).replace(ID_NUMBER, UNKNOWN) == without_tokens(unknown)
    assert sorted(known.response.headers.keys()) == sorted(unknown.response.headers.keys())


def test_unknown_number_costs_a_real_hash(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str | None] = []
    real = Passwords.matches

    def counted(self: Passwords, hash: str | None, password: str) -> bool:  # noqa: A002 - as in the class
        asked.append(hash)
        return real(self, hash, password)

    monkeypatch.setattr(Passwords, "matches", counted)
    try_password(place, place.person(), UNKNOWN)
    assert asked == [None]


def test_delay_and_its_text_are_the_same_for_unknown_numbers(place: Place) -> None:
    pages = {}
    for id_number in (ID_NUMBER, UNKNOWN):
        person = place.person(address="203.0.113.9")
        page = place.at_password(person)
        for _ in range(8):
            page = press_with_picture_code(place, person, page, id_number=id_number, password=WRONG)
        pages[id_number] = page
    known, unknown = pages[ID_NUMBER], pages[UNKNOWN]
    assert known.errors == unknown.errors == ["slow_down"]
    assert known.status == unknown.status == 429
    assert known.response.headers["Retry-After"] == unknown.response.headers["Retry-After"]
    assert without_tokens(known).replace(ID_NUMBER, UNKNOWN) == without_tokens(unknown)


def press_with_picture_code(place: Place, person: Person, page: Page, **typed: str) -> Page:
    """Press the main button, answering the picture code where the page has one."""
    if "captcha_id" in page.forms["form"].fields:
        typed["captcha"] = picture_code(place, page)
    return person.press(page, **typed)


def picture_code(place: Place, page: Page) -> str:
    """Give the digits of a page's picture code."""
    found = place.services.store.get("captcha", page.typed("captcha_id"))
    assert found is not None
    return str(found["digits"])


def test_strangers_cannot_lock_the_owner_out(place: Place) -> None:
    owner = place.person()
    assert place.signed_in(owner).path.startswith("/consent/")
    stranger = place.person(address="198.51.100.66")
    page = place.at_password(stranger)
    for _ in range(12):
        page = press_with_picture_code(place, stranger, page, id_number=ID_NUMBER, password=WRONG)
    assert page.errors == ["slow_down"]
    place.clock.move(timedelta(hours=9))  # past the session, within the memory of wrong tries
    for _ in range(6):
        page = press_with_picture_code(place, stranger, place.at_password(stranger), id_number=ID_NUMBER, password=WRONG)
    assert try_password(place, owner, password=PASSWORD).path.endswith("/one-time-code")


def test_known_device_has_a_budget_too(place: Place) -> None:
    owner = place.person()
    place.signed_in(owner)
    place.clock.move(timedelta(hours=9))
    page = place.at_password(owner)
    for _ in range(8):
        page = press_with_picture_code(place, owner, page, id_number=ID_NUMBER, password=WRONG)
    assert page.errors == ["slow_down"]


def test_delay_ends_and_the_right_password_goes_through(place: Place) -> None:
    person = place.person()
    page = place.at_password(person)
    for _ in range(5):
        page = press_with_picture_code(place, person, page, id_number=ID_NUMBER, password=WRONG)
    page = press_with_picture_code(place, person, page, id_number=ID_NUMBER, password=PASSWORD)
    assert page.errors == ["slow_down"]
    place.clock.move(timedelta(seconds=int(page.response.headers["Retry-After"])))
    page = press_with_picture_code(place, person, page, id_number=ID_NUMBER, password=PASSWORD)
    assert page.path.endswith("/one-time-code")


@pytest.mark.race
def test_burst_of_wrong_passwords_compares_no_more_than_the_free_tries(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    place = places.build(picture_code={"sign_in": "never"})
    compared: list[str | None] = []

    def never(_self: Passwords, hash: str | None, _password: str) -> bool:  # noqa: A002 - as in the class
        compared.append(hash)
        return False

    monkeypatch.setattr(Passwords, "matches", never)
    people = [place.person(address=f"203.0.113.{number}") for number in range(20)]
    pages = [place.at_password(person) for person in people]
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda pair: pair[0].press(pair[1], id_number=ID_NUMBER, password=WRONG), zip(people, pages, strict=True)))
    assert 0 < len(compared) <= place.services.config.sign_in.free_tries
    assert {page.errors[0] for page in answers} <= {"credentials_wrong", "slow_down"}


# --- Locked accounts ----------------------------------------------------------------------------------------------------------------


def test_locked_account_is_told_to_its_owner_alone(place: Place) -> None:
    place.services.accounts.lock(place.account_id, reason="complaint", operator="an")
    assert try_password(place, place.person()).errors == ["credentials_wrong"]
    page = try_password(place, place.person(), password=PASSWORD)
    assert (page.status, page.errors) == (403, ["account_locked"])
    assert place.sms.messages == []


def test_account_locked_after_the_password_gets_no_session(place: Place) -> None:
    person = place.person()
    page = place.at_code(person)
    place.services.accounts.lock(place.account_id, reason="complaint", operator="an")
    refused = person.press(page, otp=place.code())
    assert (refused.status, refused.errors) == (403, ["account_locked"])
    assert place.events("session_started") == 0
    assert person.open(page.path).path.endswith("/password")


def test_account_locked_after_signing_in_meets_the_password_again(place: Place) -> None:
    person = place.person()
    consent = place.signed_in(person)
    place.services.accounts.lock(place.account_id, reason="complaint", operator="an")
    page = person.press(consent)
    assert page.path.endswith("/password")
    assert person.press(page, id_number=ID_NUMBER, password=PASSWORD).errors == ["account_locked"]


# --- The picture code ---------------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("A9.77", "A16.C3")
def test_picture_code_comes_by_risk(place: Place) -> None:
    person = place.person()
    page = try_password(place, person)
    assert "captcha_id" not in page.forms["form"].fields
    page = person.press(page, id_number=ID_NUMBER, password=WRONG)
    assert "captcha_id" in page.forms["form"].fields
    assert person.press(page, id_number=ID_NUMBER, password=PASSWORD).errors == ["required"]
    assert person.press(page, password=PASSWORD, captcha="1").errors == ["captcha_wrong"]


@pytest.mark.requirement("A16.C3")
def test_right_picture_code_lets_the_password_through(place: Place) -> None:
    person = place.person()
    page = person.press(try_password(place, person), id_number=ID_NUMBER, password=WRONG)
    page = person.press(page, password=PASSWORD, captcha=picture_code(place, page))
    assert page.path.endswith("/one-time-code")


def test_picture_code_is_asked_of_whoever_comes_without_it(place: Place) -> None:
    first = place.person()
    first.press(try_password(place, first), id_number=ID_NUMBER, password=WRONG)
    page = try_password(place, place.person(address="198.51.100.4"), password=PASSWORD)
    assert page.errors == ["required"]
    assert "captcha_id" in page.forms["form"].fields
    assert page.typed("password") == ""


@pytest.mark.requirement("A9.77", "A16.C3")
def test_picture_code_can_be_forced(places: Places) -> None:
    place = places.build(picture_code={"sign_in": "always"})
    person = place.person()
    page = place.at_password(person)
    assert person.press(page, id_number=ID_NUMBER, password=PASSWORD).errors == ["required"]
    page = person.press(page, id_number=ID_NUMBER, password=PASSWORD, captcha=picture_code(place, page))
    assert page.path.endswith("/one-time-code")


@pytest.mark.requirement("A16.C3")
def test_picture_code_can_be_turned_off(places: Places) -> None:
    place = places.build(picture_code={"sign_in": "never"})
    person = place.person()
    page = place.at_password(person)
    for _ in range(4):
        page = person.press(page, id_number=ID_NUMBER, password=WRONG)
        assert page.errors == ["credentials_wrong"]
        assert "captcha_id" not in page.forms["form"].fields


def test_picture_code_is_good_once(places: Places) -> None:
    place = places.build(picture_code={"sign_in": "always"})
    person = place.person()
    page = place.at_password(person)
    answer = picture_code(place, page)
    assert person.press(page, id_number=ID_NUMBER, password=WRONG, captcha=answer).errors == ["credentials_wrong"]
    assert person.press(page, id_number=ID_NUMBER, password=PASSWORD, captcha=answer).errors == ["captcha_wrong"]


def test_another_picture_keeps_what_was_typed_and_tries_nothing(places: Places) -> None:
    place = places.build(picture_code={"sign_in": "always"})
    person = place.person()
    page = place.at_password(person)
    drawn = person.press(page, "action=new_captcha", id_number=ID_NUMBER, password=PASSWORD, captcha="1")
    assert drawn.status == 200
    assert drawn.errors == []
    assert drawn.typed("id_number") == ID_NUMBER
    assert drawn.typed("password") == ""
    assert drawn.typed("captcha_id") != page.typed("captcha_id")


def test_bad_form_does_not_use_the_picture_code_up(places: Places) -> None:
    place = places.build(picture_code={"sign_in": "always"})
    person = place.person()
    page = place.at_password(person)
    again = person.press(page, id_number="12", password=PASSWORD, captcha="1")
    assert again.errors == ["id_number_format"]
    assert again.typed("captcha_id") == page.typed("captcha_id")


def test_picture_and_speech_are_served_until_the_code_is_used(places: Places) -> None:
    place = places.build(picture_code={"sign_in": "always"})
    person = place.person()
    page = place.at_password(person)
    picture, speech = (source for source in page.images if source.startswith("/captcha/"))
    for source, kind, magic in ((picture, "image/png", b"\x89PNG"), (speech, "audio/wav", b"RIFF")):
        answer = person.browser.get(source)
        assert (answer.status_code, answer.mimetype) == (200, kind)
        assert answer.data.startswith(magic)
        assert answer.headers["Cache-Control"] == "no-store"
    person.press(page, id_number=ID_NUMBER, password=WRONG, captcha="1")
    assert person.browser.get(picture).status_code == person.browser.get(speech).status_code == 404


# --- The page itself ----------------------------------------------------------------------------------------------------------------


def test_language_switch_keeps_the_number_and_tries_nothing(place: Place) -> None:
    person = place.person()
    page = place.at_password(person)
    switched = person.press(page, "language", id_number=ID_NUMBER, password=PASSWORD)
    assert switched.status == 200
    assert "Log in" in switched.text
    assert switched.typed("id_number") == ID_NUMBER
    assert PASSWORD not in switched.html
    assert place.events("sign_in_failed") == 0
    later = person.press(switched, password=PASSWORD)
    assert "Enter the OTP" in later.text


@pytest.mark.parametrize(
    ("hint", "shown"),
    [
        (ID_NUMBER, ID_NUMBER),
        ("012345678", "012345678"),
        ("an@example.vn", ""),
        (PHONE, ""),
        ("<script>alert(1)</script>", ""),
    ],
)
def test_login_hint_fills_in_a_plausible_number_alone(place: Place, hint: str, shown: str) -> None:
    assert place.at_password(place.person(), login_hint=hint).typed("id_number") == shown


def test_password_never_comes_back(place: Place) -> None:
    page = try_password(place, place.person())
    assert WRONG not in page.html
    assert page.typed("password") == ""
    assert page.typed("id_number") == ID_NUMBER


def test_form_may_lead_to_this_portal_alone(place: Place) -> None:
    policy = place.at_password(place.person()).response.headers["Content-Security-Policy"]
    assert "form-action 'self' https://portal.example;" in policy


@pytest.mark.parametrize(
    ("typed", "error"),
    [
        ({"id_number": "", "password": WRONG}, "required"),
        ({"id_number": ID_NUMBER, "password": ""}, "required"),
        ({"id_number": "1" * 8192, "password": WRONG}, "id_number_format"),
        ({"id_number": "không phải số", "password": WRONG}, "id_number_format"),
        ({"id_number": "٠٠١١٩٠١٢٣٤٥٦", "password": WRONG}, "id_number_format"),
        ({"id_number": ID_NUMBER, "password": "é" * 8192}, "credentials_wrong"),
        ({"id_number": ID_NUMBER, "password": "a\x00b"}, "bad_request"),
    ],
)
def test_malformed_fields_end_in_a_clear_page(place: Place, typed: dict[str, str], error: str) -> None:
    person = place.person()
    page = person.press(place.at_password(person), **typed)
    assert page.errors == [error]
    assert page.status in {400, 422}
    assert page.html.count("1" * 100) == 0


@pytest.mark.parametrize(
    "rest",
    [
        b"id_number=001190123456&password=x&id_number=001190123456",
        b"id_number=001190123456&password=%ff%fe",
        b"id_number=001190123456&password=\xff",
        b"id_number=%00001190123456&password=x",
    ],
    ids=["repeated", "not UTF-8", "raw bytes", "NUL"],
)
def test_broken_forms_end_in_a_clear_page(place: Place, rest: bytes) -> None:
    person = place.person()
    page = place.at_password(person)
    answer = person.post(page.path, b"csrf_token=" + page.typed("csrf_token").encode() + b"&" + rest)
    assert answer.status_code == 400
    assert 'data-error="bad_request"' in answer.text


def test_body_over_the_limit_is_a_page(place: Place) -> None:
    person = place.person()
    page = place.at_password(person)
    answer = person.post(page.path, b"csrf_token=" + page.typed("csrf_token").encode() + b"&password=" + b"x" * 1_100_000)
    assert (answer.status_code, 'data-error="too_large"' in answer.text) == (413, True)


def test_store_away_means_no(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    person = place.person()
    page = place.at_password(person)

    def away(*_: object, **__: object) -> None:
        raise StoreUnavailable

    monkeypatch.setattr(SealedStore, "load", away)
    answer = person.press(page, id_number=ID_NUMBER, password=PASSWORD)
    assert (answer.status, answer.errors) == (503, ["unavailable"])
    assert "Retry-After" in answer.response.headers
    assert place.sms.messages == []


def test_missing_fields_are_named(place: Place) -> None:
    person = place.person()
    page = place.at_password(person)
    answer = person.post(page.path, {"csrf_token": page.typed("csrf_token")})
    assert (answer.status_code, 'data-error="required"' in answer.text) == (422, True)


# --- Tabs, browsers, the back button ------------------------------------------------------------------------------------------------


def test_form_without_its_token_is_refused(place: Place) -> None:
    person = place.person()
    page = place.at_password(person)
    answer = person.press(page, csrf_token="x", id_number=ID_NUMBER, password=PASSWORD)
    assert (answer.status, answer.errors) == (403, ["form_expired"])
    assert place.sms.messages == []


def test_lost_cookie_is_told(place: Place) -> None:
    person = place.person()
    page = place.at_password(person)
    person.browser.delete_cookie(place.world.cookies.browser)
    answer = person.press(page, id_number=ID_NUMBER, password=PASSWORD)
    assert (answer.status, answer.errors) == (400, ["cookie_missing"])


def test_another_browser_is_refused(place: Place) -> None:
    page = place.at_password(place.person())
    other = place.person()
    other.open("/")
    answer = other.open(page.path)
    assert (answer.status, answer.errors) == (403, ["interaction_elsewhere"])


def test_unknown_interaction_is_a_page(place: Place) -> None:
    answer = place.person().open("/sign-in/nothing/password")
    assert (answer.status, answer.errors) == (410, ["interaction_missing"])


def test_other_site_cannot_post(place: Place) -> None:
    person = place.person()
    page = place.at_password(person)
    fields = {**page.forms["form"].fields, "id_number": ID_NUMBER, "password": PASSWORD}
    answer = person.browser.post(page.path, data=fields, headers={"Sec-Fetch-Site": "cross-site"})
    assert (answer.status_code, 'data-error="cross_site"' in answer.text) == (403, True)


def test_stale_tab_after_signing_in_goes_on_with_the_session(place: Place) -> None:
    person = place.person()
    page = place.at_password(person)
    place.signed_in_from(person, page)
    assert person.open(page.path).path.startswith("/consent/")
    assert person.press(page, id_number=UNKNOWN, password=WRONG).path.startswith("/consent/")
    assert place.events("sign_in_failed") == 0


def test_double_submit_sends_one_code(place: Place) -> None:
    person = place.person()
    page = place.at_password(person)
    for _ in range(2):
        assert person.press(page, id_number=ID_NUMBER, password=PASSWORD).path.endswith("/one-time-code")
    assert len(place.sms.messages) == 1


def test_back_button_to_another_account_starts_over(place: Place) -> None:
    person = place.person()
    page = place.at_password(person)
    person.press(page, id_number=ID_NUMBER, password=PASSWORD)
    first_code = place.code()
    place.world.account("001190555555", "0912777666")
    second = person.press(page, id_number="001190555555", password=PASSWORD)
    assert "091•••7666" in second.text
    assert person.press(second, otp=first_code).errors in (["otp_wrong"], [])
    assert place.events("session_started") == 0


# --- Without one-time codes ---------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("A16.C5")
def test_deployment_without_codes_signs_in_by_password(places: Places) -> None:
    place = places.build(one_time_codes={"required_at_sign_in": False})
    person = place.person()
    page = place.at_code(person)
    assert page.path.startswith("/consent/")
    assert place.sms.messages == []
    session = place.session(person)
    assert session is not None
    assert [factor.method for factor in session.factors] == ["pwd"]
