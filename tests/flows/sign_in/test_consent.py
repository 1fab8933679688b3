"""Consent and notice: what is shown, what each answer does, and that it is remembered."""

import pytest

from idp.values import LocalText
from tests.flows.sign_in.person import Page, Person
from tests.flows.sign_in.place import ID_NUMBER, NAME, PHONE, Place

EVERYTHING = "openid profile email phone assurance id_number offline_access"


def at_consent(place: Place, person: Person, scope: str = EVERYTHING, **changes: str | None) -> Page:
    """Come from the portal as a signed-in person."""
    place.world.sign_in(person.browser, place.account_id, at=place.clock.now())
    return place.at_password(person, scope=scope, **changes)


def test_page_lists_what_is_passed_on_with_the_values(place: Place) -> None:
    page = at_consent(place, place.person())
    assert page.path.startswith("/consent/")
    assert f"Quý vị đang đăng nhập với tên {NAME}" in page.text
    assert "Mục đích: Nộp hồ sơ trực tuyến" in page.text
    for shown in (NAME, "01/02/1990", "091•••5678", "Mức xác minh danh tính 2", "Mức xác thực khi đăng nhập 2", "Email Chưa có"):
        assert shown in page.text
    assert "cổng dịch vụ nhận đủ các chữ số" in page.text
    for hidden in (ID_NUMBER, PHONE):
        assert hidden not in page.html
    assert {"submit", "deny"} <= page.buttons.keys()


def test_only_what_was_asked_for_is_listed(place: Place) -> None:
    page = at_consent(place, place.person(), scope="openid phone")
    assert "091•••5678" in page.text
    assert "01/02/1990" not in page.text
    assert "001•••••" not in page.text


def test_identifier_is_told_truly_where_portals_share_it(place: Place) -> None:
    assert "Một mã riêng" in at_consent(place, place.person(), scope="openid").text
    place.client = place.world.client(subject_type="public")[0]
    assert "Một mã để các cổng dịch vụ nhận ra" in at_consent(place, place.person(), scope="openid").text


def test_a_claim_asked_for_by_name_is_listed(place: Place) -> None:
    page = at_consent(place, place.person(), scope="openid", claims='{"userinfo":{"phone_number":null}}')
    assert "091•••5678" in page.text


def test_page_speaks_english(place: Place) -> None:
    page = at_consent(place, place.person(), ui_locales="en")
    assert "Submit files online" in page.text
    assert "would like to use the following information" in page.text


def test_agreeing_answers_the_portal_and_is_remembered(place: Place) -> None:
    person = place.person()
    page = person.press(at_consent(place, person))
    assert "code=" in page.query
    assert place.events("consent_given") == 1
    assert "code=" in place.at_password(person, scope=EVERYTHING).query
    assert place.events("consent_given") == 1


def test_more_scopes_ask_again(place: Place) -> None:
    person = place.person()
    person.press(at_consent(place, person, scope="openid"))
    assert place.at_password(person, scope="openid phone").path.startswith("/consent/")
    assert "code=" in place.at_password(person, scope="openid").query


def test_another_purpose_asks_again(place: Place) -> None:
    person = place.person()
    person.press(at_consent(place, person))
    other = place.world.client(purpose=LocalText("Khác", "Other"))[0]
    place.client = other
    assert place.at_password(person, scope="openid").path.startswith("/consent/")


def test_declining_tells_the_portal_and_is_not_remembered(place: Place) -> None:
    person = place.person()
    page = person.press(at_consent(place, person), "deny")
    assert "error=access_denied" in page.query
    assert "state=state-" in page.query
    assert place.events("consent_declined") == 1
    assert place.at_password(person).path.startswith("/consent/")


def test_notice_tells_instead_of_asking(place: Place) -> None:
    place.client = place.world.client(legal_basis="notice")[0]
    person = place.person()
    page = at_consent(place, person)
    assert "theo quy định của pháp luật" in page.text
    assert "Tiếp tục" in page.text
    assert {"submit", "deny"} <= page.buttons.keys()
    assert "code=" in person.press(page).query
    assert "code=" in place.at_password(person, scope=EVERYTHING).query


def test_notice_can_be_refused(place: Place) -> None:
    place.client = place.world.client(legal_basis="notice")[0]
    person = place.person()
    page = person.press(at_consent(place, person), "deny")
    assert "error=access_denied" in page.query


def test_prompt_consent_asks_again(place: Place) -> None:
    person = place.person()
    person.press(at_consent(place, person, scope="openid"))
    page = place.at_password(person, scope="openid", prompt="consent")
    assert page.path.startswith("/consent/")
    assert "code=" in person.press(page).query


def test_a_page_of_another_person_consents_to_nothing(place: Place) -> None:
    person = place.person()
    page = at_consent(place, person)
    somebody_else = place.world.account(full_name="Trần Văn Bình")
    place.world.sign_in(person.browser, somebody_else, at=place.clock.now())
    shown_anew = person.press(page)
    assert shown_anew.path == page.path
    assert "Trần Văn Bình" in shown_anew.text
    assert place.events("consent_given") == 0
    assert "code=" in person.press(shown_anew).query


def test_agreeing_twice_ends_in_a_clear_page(place: Place) -> None:
    person = place.person()
    page = at_consent(place, person)
    person.press(page)
    again = person.press(page)
    assert (again.status, again.errors) == (410, ["interaction_missing"])


def test_without_a_session_the_password_is_asked(place: Place) -> None:
    person = place.person()
    page = place.at_password(person)
    consent = page.path.replace("/sign-in/", "/consent/").removesuffix("/password")
    assert person.open(consent).path == page.path
    assert person.post(consent, {"csrf_token": page.typed("csrf_token")}).status_code == 303
    assert place.events("consent_given") == 0


def test_forms_may_lead_to_this_portal_alone(place: Place) -> None:
    policy = at_consent(place, place.person()).response.headers["Content-Security-Policy"]
    assert "form-action 'self' https://portal.example;" in policy


def test_values_are_escaped(place: Place) -> None:
    place.client = place.world.client(name=LocalText("<b>Cổng</b>", "<b>Portal</b>"), purpose=LocalText("{name} <i>", "{name} <i>"))[0]
    page = at_consent(place, place.person())
    assert "<b>Cổng" not in page.html
    assert "{name} <i>" in page.text


@pytest.mark.parametrize("path", ["/consent/nothing", "/step-up/nothing", "/sign-in/nothing/other-phone"])
def test_unknown_interactions_are_pages(place: Place, path: str) -> None:
    page = place.person().open(path)
    assert (page.status, page.errors) == (410, ["interaction_missing"])
