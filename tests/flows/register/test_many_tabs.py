"""Double submits, two tabs, the back button, lost cookies, other browsers, and two drafts for one number: all end well."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest

from idp.identity import documents
from idp.identity.registration_drafts import DraftState
from idp.promises import CarrierVerdict
from tests.flows.register.office import E164, ID_NUMBER, PASSWORD, PERSON, PHONE, Office, draft_id, set_password
from tests.flows.sign_in.person import Page, Person


def at_once(person: Person, page: Page, **typed: str) -> list[tuple[int, str]]:
    """Press the main button twice at the same time, in copies of one browser; gives the answers."""
    twins = [Person(person.world, address=person.address) for _ in range(2)]
    for twin in twins:
        cookie = person.browser.get_cookie(person.world.cookies.browser)
        assert cookie is not None
        twin.browser.set_cookie(cookie.key, cookie.value)
    barrier = Barrier(2)

    def press(twin: Person) -> tuple[int, str]:
        barrier.wait(10)
        response, _ = twin.send(page, **typed)
        return response.status_code, response.headers.get("Location", "")

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(press, twins))


def test_form_sent_twice_makes_one_draft_and_one_message(office: Office) -> None:
    person = office.person()
    form = office.at_form(person)
    typed = {**PERSON, "captcha": office.picture_code(form)}
    first = person.press(form, **typed)
    second = person.press(form, **typed)
    assert first.path == second.path
    assert len(office.sms.messages) == 1
    # The back button and the same words go on where the draft stands by now.
    page = person.press(first, otp=office.code())
    assert person.press(form, **typed).path == page.path


def test_back_button_to_words_that_were_corrected_begins_another_draft(office: Office) -> None:
    person = office.person()
    form = office.at_form(person)
    wrong = {**PERSON, "full_name": "Nguyễn Thị Khác", "captcha": office.picture_code(form)}
    code = person.press(form, **wrong)
    corrected = office.fill(person, person.open(code.links["edit"]))
    page = person.press(corrected, otp=office.code())
    assert page.path.endswith("/password")
    assert person.press(form, **wrong).errors == ["captcha_wrong"]


@pytest.mark.race
def test_form_sent_twice_at_once_makes_one_draft_and_one_message(office: Office) -> None:
    person = office.person()
    form = office.at_form(person)
    answers = at_once(person, form, **PERSON, captcha=office.picture_code(form))
    assert 303 in {status for status, _ in answers}
    assert {status for status, _ in answers} <= {303, 422}
    assert len(office.sms.messages) == 1
    (path,) = {location for _, location in answers if location}
    assert person.press(person.open(path), otp=office.code()).path.endswith("/password")


def test_back_button_and_other_words_begin_another_draft(office: Office) -> None:
    person = office.person()
    form = office.at_form(person)
    first = office.fill(person, form)
    again = person.press(form, **{**PERSON, "full_name": "Nguyễn Thị Khác"}, captcha="000000")
    assert again.errors == ["captcha_wrong"]
    office.clock.move(timedelta(seconds=60))
    second = office.fill(person, again, full_name="Nguyễn Thị Khác")
    assert second.path != first.path
    assert person.press(first, otp=office.sms.last_code(E164)).errors == ["otp_wrong"]


def test_code_sent_twice_asks_the_carrier_once(office: Office) -> None:
    person = office.person()
    page = office.at_code(person)
    code = office.code()
    assert person.press(page, otp=code).path == person.press(page, otp=code).path
    assert len(office.carrier.questions) == 1


@pytest.mark.race
def test_code_sent_twice_at_once_asks_the_carrier_once(office: Office) -> None:
    person = office.person()
    page = office.at_code(person)
    answers = at_once(person, page, otp=office.code())
    assert 303 in {status for status, _ in answers}
    assert {status for status, _ in answers} <= {303, 422}
    assert len(office.carrier.questions) == 1
    assert person.open(page.path).path.endswith("/password")


def test_answer_of_another_tab_stands(office: Office) -> None:
    person = office.person()
    page = office.at_code(person)

    def other_tab() -> None:
        held = person.open(page.path)
        assert held.path.endswith("/carrier")
        assert person.press(held).path.endswith("/password")

    office.carrier.before_answer = other_tab
    assert person.press(page, otp=office.code()).path.endswith("/password")
    assert len(office.carrier.questions) == 2


def test_password_sent_twice_makes_one_account(office: Office) -> None:
    person = office.person()
    page = office.after_code(person)
    assert set_password(person, page).path == set_password(person, page).path
    assert office.events("account_registered") == 1


@pytest.mark.race
def test_password_sent_twice_at_once_makes_one_account(office: Office) -> None:
    person = office.person()
    page = office.after_code(person)
    answers = at_once(person, page, password=PASSWORD, password_confirm=PASSWORD)
    assert answers == [(303, page.path.replace("password", "success"))] * 2
    assert office.events("account_registered") == 1


@pytest.mark.requirement("A5.50")
@pytest.mark.race
def test_two_drafts_for_one_number_make_one_account(office: Office) -> None:
    people = [office.person(), office.person()]
    pages = [office.after_code(person) for person in people]
    assert {page.path.rsplit("/", 1)[1] for page in pages} == {"password"}
    barrier = Barrier(2)

    def finish(number: int) -> Page:
        barrier.wait(10)
        return set_password(people[number], pages[number])

    with ThreadPoolExecutor(2) as pool:
        ends = list(pool.map(finish, range(2)))
    assert sorted(page.path.rsplit("/", 1)[1] for page in ends) == ["duplicate", "success"]
    assert office.events("account_registered") == 1
    loser = ends[0] if ends[0].path.endswith("duplicate") else ends[1]
    assert office.state(loser) is DraftState.MATCHED
    assert office.services.accounts.exists_with(documents.parse(ID_NUMBER, accept_old=False))


def test_every_page_of_a_draft_leads_to_the_one_that_is_due(office: Office) -> None:
    person = office.person()
    pages = ("", "/one-time-code", "/carrier", "/refused", "/waiting", "/duplicate", "/disputed", "/password", "/success")

    def due(page: Page) -> str:
        base = f"/register/draft/{draft_id(page)}"
        (path,) = {person.open(f"{base}{name}").path for name in pages}
        return path.removeprefix(base)

    page = office.at_code(person)
    assert due(page) == "/one-time-code"
    page = person.press(page, otp=office.code())
    assert due(page) == "/password"
    assert due(set_password(person, page)) == "/success"
    office.carrier_says(CarrierVerdict.MISMATCH)
    assert due(office.after_code(person, id_number="001190123457")) == "/refused"
    office.carrier_says(CarrierVerdict.UNAVAILABLE)
    assert due(office.after_code(person, id_number="001190123458")) == "/waiting"


def test_post_to_a_page_that_is_not_due_changes_nothing(office: Office) -> None:
    person = office.person()
    page = office.at_code(person)
    base = f"/register/draft/{draft_id(page)}"
    typed = {"csrf_token": page.typed("csrf_token"), "password": PASSWORD, "password_confirm": PASSWORD, "otp": office.code()}
    for name in ("password", "carrier", "duplicate"):
        assert person.post(f"{base}/{name}", typed).headers["Location"] == page.path
    assert office.state(page) is DraftState.FILLED
    assert office.carrier.questions == []


def test_draft_of_another_browser_is_not_there(office: Office) -> None:
    page = office.at_code(office.person())
    stranger = office.person()
    for name in ("", "/one-time-code", "/password", "/edit"):
        refused = stranger.open(f"/register/draft/{draft_id(page)}{name}")
        assert (refused.status, refused.errors) == (410, ["draft_missing"])
        assert PHONE[-4:] not in refused.text


@pytest.mark.parametrize("junk", ["nonsense", "%00", "x" * 3000, "01a20205-b558-70eb-9ac3-61f589dbdf95"])
def test_draft_that_never_was(office: Office, junk: str) -> None:
    page = office.person().open(f"/register/draft/{junk}")
    assert page.status in {404, 410}
    assert page.errors


def test_lost_cookie_is_a_clear_page_and_the_draft_is_resumed_by_phone(office: Office) -> None:
    person = office.person()
    page = office.after_code(person)
    person.browser.delete_cookie(office.world.cookies.browser)
    response, _ = person.send(page, password=PASSWORD, password_confirm=PASSWORD)
    assert response.status_code == 400
    assert 'data-error="cookie_missing"' in response.text
    assert person.open(page.path).errors == ["draft_missing"]


def test_form_of_another_site_is_refused(office: Office) -> None:
    person = office.person()
    page = office.at_form(person)
    response = person.browser.post(
        page.forms["form"].action, data={**page.forms["form"].fields, **PERSON}, headers={"Sec-Fetch-Site": "cross-site"}
    )
    assert response.status_code == 403
    response = person.post(page.forms["form"].action, {**page.forms["form"].fields, "csrf_token": "forged"})
    assert response.status_code == 403
    assert office.sms.messages == []
