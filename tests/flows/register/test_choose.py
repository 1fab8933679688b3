"""Who registers, by which method."""

import pytest

from tests.flows.register.office import Office, Offices


@pytest.mark.requirement("A4.32")
def test_home_page_leads_to_registration(office: Office) -> None:
    person = office.person()
    home = person.open("/")
    register = next(button for button, pressed in home.buttons.items() if pressed.value == "register")
    assert "Chọn phương thức đăng ký" in person.press(home, register).text
    assert "Chọn phương thức đăng ký" in person.open("/register").text


@pytest.mark.requirement("A4.33")
def test_registration_that_a_portal_started_leads_back_to_it(office: Office) -> None:
    person = office.person()
    choice = office.from_portal(person)
    assert office.client.name.vi in choice.text
    success = office.register(person, choice)
    assert success.path.endswith("/success")
    on = person.open(success.links["submit"])
    assert "consent" in on.path or on.left_for.startswith("https://portal.example/")


@pytest.mark.requirement("A4.34")
def test_subject_is_chosen_before_the_method(office: Office) -> None:
    page = office.at_choice(office.person())
    assert page.typed("subject") == "citizen"
    assert page.html.index('name="subject"') < page.html.index('name="method"')
    for words in ("Công dân", "Doanh nghiệp", "Cơ quan nhà nước"):
        assert words in page.text


@pytest.mark.requirement("A4.35")
def test_people_with_vneid_are_told_that_they_need_not(office: Office) -> None:
    assert "Công dân đã có tài khoản VNeID không cần đăng ký bằng cách này." in office.at_choice(office.person()).text


@pytest.mark.requirement("A4.36")
@pytest.mark.parametrize("subject", ["business", "agency"])
def test_mobile_subscriber_is_for_citizens_only(office: Office, subject: str) -> None:
    person = office.person()
    page = person.press(office.at_choice(person), subject=subject, method="mobile_subscriber")
    assert (page.status, page.errors) == (422, ["invalid_choice"])
    assert page.typed("subject") == subject
    assert "method" not in page.forms["form"].fields
    assert "Chỉ dành cho công dân" in page.text
    assert " disabled" in page.html


@pytest.mark.requirement("A4.36")
def test_form_refuses_a_subject_that_was_slipped_past_the_choice(office: Office) -> None:
    person = office.person()
    form = office.at_form(person)
    assert person.open(form.path.replace("subject=citizen", "subject=business")).path.count("/") == 2
    assert office.fill(person, form, subject="business").errors == ["bad_request"]


@pytest.mark.requirement("A4.42", "A16.C6")
def test_methods_and_whom_they_serve_are_configuration(offices: Offices) -> None:
    office = offices.build(registration={"methods": {"mobile_subscriber": ("citizen", "business")}})
    person = office.person()
    form = person.press(office.at_choice(person), subject="business", method="mobile_subscriber")
    assert form.typed("subject") == "business"
    draft = office.fill(person, form)
    assert draft.path.endswith("/one-time-code")


def test_without_any_method_nobody_is_left_without_advice(offices: Offices) -> None:
    office = offices.build(registration={"methods": {}})
    person = office.person()
    page = office.at_choice(person)
    assert "18001096" in page.text
    assert "Hiện chưa có phương thức đăng ký trực tuyến" in page.text
    assert person.press(page, subject="citizen", method="mobile_subscriber").errors == ["invalid_choice"]


@pytest.mark.parametrize(
    ("typed", "errors"),
    [
        ({"subject": "", "method": ""}, ["required"]),
        ({"subject": "robot", "method": "mobile_subscriber"}, ["invalid_choice"]),
        ({"subject": "citizen", "method": ""}, ["required"]),
        ({"subject": "citizen", "method": "post_office"}, ["invalid_choice"]),
        ({"subject": "x" * 8192, "method": "x" * 8192}, ["invalid_choice"]),
    ],
)
def test_a_choice_that_is_none_is_asked_for_again(office: Office, typed: dict[str, str], errors: list[str]) -> None:
    person = office.person()
    page = person.press(office.at_choice(person), **typed)
    assert (page.status, page.errors) == (422, errors)


def test_language_switched_in_the_middle_keeps_the_choice(office: Office) -> None:
    person = office.person()
    page = person.press(office.at_choice(person), "language", subject="agency")
    assert page.status == 200
    assert "Choose how to register" in page.text
    assert page.typed("subject") == "agency"


def test_choice_belongs_to_one_browser(office: Office) -> None:
    page = office.at_choice(office.person())
    assert office.person().open(page.path).errors == ["interaction_elsewhere"]
    assert office.person().open("/register/unknown").errors == ["interaction_missing"]
