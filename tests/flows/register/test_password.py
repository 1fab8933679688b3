"""The end of registration: password, account, evidence, session."""

from datetime import timedelta

import pytest

from idp.identity import assurance, documents
from idp.identity.registration_drafts import DraftState
from tests.fakes import ALL_FIELDS
from tests.flows.register.office import E164, ID_NUMBER, NAME, PASSWORD, PERSON, Office, Offices, set_password


@pytest.mark.requirement("A5.55", "A5.57", "A5.58")
def test_password_makes_an_account_at_level_two(office: Office) -> None:
    person = office.person()
    page = office.after_code(person)
    assert "Xác nhận mật khẩu" in page.text
    success = set_password(person, page)
    assert success.path.endswith("/success")
    assert "Tạo tài khoản thành công" in success.text
    assert "Mức xác minh: 2 (đã được xác minh bởi nhà mạng)" in success.text
    record = office.services.accounts.find_by_login(documents.parse(ID_NUMBER, accept_old=False))
    assert record is not None
    account = office.services.accounts.get(record.account_id)
    assert account.full_name == NAME
    assert account.email == PERSON["email"]
    assert account.phone is not None
    assert account.phone.e164 == E164


@pytest.mark.requirement("A5.58")
def test_account_carries_the_evidence_of_the_carrier(office: Office) -> None:
    person = office.person()
    office.register(person)
    session = office.session(person)
    assert session is not None
    standing = office.services.accounts.standing(session.account_id)
    assert standing is not None
    (evidence,) = standing.evidence
    assert (evidence.method, evidence.source, evidence.result) == ("mobile_subscriber", "fake", "match")
    assert evidence.fields_matched == ALL_FIELDS
    assert evidence.checked_at == office.clock.now()
    assert assurance.proofing_level(standing.evidence, office.services.config.assurance.proofing_levels, office.clock.now()) == 2
    assert office.events("account_registered") == 1


def test_registration_signs_in_with_what_was_proven(office: Office) -> None:
    person = office.person()
    page = office.after_code(person)
    proven_at = office.clock.now()
    office.clock.move(timedelta(minutes=10))
    set_password(person, page)
    session = office.session(person)
    assert session is not None
    assert {factor.method: factor.at for factor in session.factors} == {"sms": proven_at, "pwd": office.clock.now()}
    assert assurance.authentication_level(session.factors) == 2


def test_success_without_a_portal_leads_home(office: Office) -> None:
    person = office.person()
    success = office.register(person)
    assert success.links["submit"] == "/"
    assert NAME in person.open("/").text


@pytest.mark.requirement("A4.33")
def test_success_leads_on_to_the_portal_by_name(office: Office) -> None:
    person = office.person()
    success = office.register(person, office.from_portal(person))
    assert success.links["submit"].startswith("/authorize/")
    assert f"Tiếp tục đến {office.client.name.vi}" in success.text


@pytest.mark.requirement("A5.56", "A16.C5")
@pytest.mark.parametrize(
    ("password", "error"),
    [
        ("", "required"),
        ("Ab1@xyz", "password_rule"),
        ("abcdefg1@", "password_rule"),
        ("ABCDEFG1@", "password_rule"),
        ("Abcdefgh@", "password_rule"),
        ("Abcdefg12", "password_rule"),
        ("Dvc@12345", "password_known"),
        ("Tuyet@1190123456", "password_known"),
        ("Xy@0912345678", "password_known"),
        ("Aa1@" + "x" * 8192, "too_long"),
    ],
)
def test_weak_passwords_are_refused(office: Office, password: str, error: str) -> None:
    person = office.person()
    page = set_password(person, office.after_code(person), password)
    assert (page.status, page.errors) == (422, [error])
    assert not password or password not in page.html
    assert office.state(page) is DraftState.MATCHED
    assert set_password(person, page).path.endswith("/success")


@pytest.mark.requirement("A5.55")
def test_passwords_that_differ_are_refused(office: Office) -> None:
    person = office.person()
    page = set_password(person, office.after_code(person), PASSWORD, PASSWORD + "x")
    assert (page.status, page.errors) == (422, ["passwords_differ"])


@pytest.mark.requirement("A16.C5")
def test_password_is_longer_where_no_code_is_asked_for_at_sign_in(offices: Offices) -> None:
    office = offices.build(one_time_codes={"required_at_sign_in": False})
    person = office.person()
    page = office.after_code(person)
    assert "14 ký tự" in page.text
    assert set_password(person, page, "Tre-xanh-1987").errors == ["password_rule"]
    assert set_password(person, page, "Tre-xanh-1987-Viet").path.endswith("/success")


@pytest.mark.requirement("A16.C7", "A9.84")
def test_phone_serves_several_accounts_up_to_a_cap_with_an_alert(offices: Offices) -> None:
    office = offices.build(registration={"accounts_per_phone": 2})
    office.register(office.person())
    assert office.register(office.person(), id_number="001190123457").path.endswith("/success")
    assert office.events("phone_shared") == 1
    third = office.person()
    refused = office.after_code(third, id_number="001190123458")
    assert (refused.status, refused.errors) == (409, ["phone_cap"])


def test_phone_cap_holds_also_behind_the_page(offices: Offices) -> None:
    office = offices.build(registration={"accounts_per_phone": 1})
    first, second = office.person(), office.person()
    pages = [office.after_code(first), office.after_code(second, id_number="001190123457")]
    assert set_password(first, pages[0]).path.endswith("/success")
    refused = set_password(second, pages[1])
    assert (refused.status, refused.errors) == (409, ["phone_cap"])
    assert office.state(pages[1]) is DraftState.MATCHED


def test_password_waits_for_a_fresh_proof_of_the_phone(office: Office) -> None:
    person = office.person()
    page = office.after_code(person)
    office.clock.move(timedelta(hours=1, seconds=1))
    again = set_password(person, page)
    assert again.path.endswith("/one-time-code")
    assert office.services.accounts.find_by_login(documents.parse(ID_NUMBER, accept_old=False)) is None


def test_someone_else_in_this_browser_is_signed_out(office: Office) -> None:
    person = office.person()
    office.register(person)
    before = office.session(person)
    office.register(person, id_number="001190123457", phone="0912345679")
    after = office.session(person)
    assert before is not None
    assert after is not None
    assert before.account_id != after.account_id


def test_language_of_the_pages_becomes_the_accounts(office: Office) -> None:
    person = office.person()
    page = office.after_code(person)
    english = person.open(page.links["language"])
    assert "Set your password" in english.text
    assert "Your account was created" in set_password(person, english).text
    session = office.session(person)
    assert session is not None
    assert office.services.accounts.get(session.account_id).language == "en"


def test_no_page_of_the_way_may_be_cached(office: Office) -> None:
    person = office.person()
    for page in (office.at_form(person), office.at_code(person), office.register(office.person(), phone="0912345679")):
        assert page.response.headers["Cache-Control"] == "no-store"
