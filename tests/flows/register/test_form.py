"""The form of the mobile subscriber: what is checked, in which order, and what is kept."""

from datetime import timedelta

import pytest

from idp.errors import StoreUnavailable
from idp.identity.registration_drafts import DraftState
from tests.flows.register.office import BIRTH_DATE, E164, ID_NUMBER, NAME, PERSON, PHONE, Office, Offices


@pytest.mark.requirement("A5.43", "A5.44", "A5.46", "A5.47")
def test_conditions_stand_before_the_form(office: Office) -> None:
    text = office.at_form(office.person()).text
    assert "phải là thuê bao đã được đăng ký chính chủ" in text
    assert "Soạn TTTB gửi 1414" in text
    assert "Gmobile: soạn TT" in text
    assert "cập nhật với nhà mạng trước khi đăng ký" in text


@pytest.mark.requirement("A5.48", "A16.C4")
def test_form_asks_for_what_the_sources_ask_for(office: Office) -> None:
    page = office.at_form(office.person())
    assert {"id_number", "full_name", "birth_date", "phone", "email", "captcha"} <= page.forms["form"].fields.keys()
    assert 'id="email"' in page.html
    for name in ("id_number", "full_name", "birth_date", "phone", "captcha"):
        assert f'<label for="{name}">' in page.html
    assert page.html.count('<span class="star"') == 5


@pytest.mark.requirement("A16.C4")
def test_email_may_be_left_out(office: Office) -> None:
    assert office.at_code(office.person(), email="").path.endswith("/one-time-code")


@pytest.mark.requirement("A5.49")
def test_every_error_is_told_at_once_in_the_order_of_the_form(office: Office) -> None:
    person = office.person()
    wrong = {"id_number": "123", "full_name": "", "birth_date": "31/02/1990", "phone": "0243", "email": "x", "captcha": ""}
    page = office.fill(person, office.at_form(person), **wrong)
    assert page.status == 422
    assert page.errors == ["id_number_format", "required", "birth_date_format", "phone_format", "email_format", "required"]
    summary = page.html[page.html.index('id="error-summary"') :].split("</ul>")[0]
    assert [part.split('"')[0] for part in summary.split('href="#')[1:]] == list(wrong)
    assert office.sms.messages == []


@pytest.mark.requirement("A5.49")
def test_what_was_typed_is_kept(office: Office) -> None:
    person = office.person()
    page = office.fill(person, office.at_form(person), phone="1")
    kept = {name: page.typed(name) for name in PERSON}
    assert kept == {**PERSON, "phone": "1"}


@pytest.mark.requirement("A16.C1", "A5.45")
def test_old_number_is_refused_by_default(office: Office) -> None:
    person = office.person()
    page = office.fill(person, office.at_form(person), id_number="012345678")
    assert page.errors == ["id_number_old"]


@pytest.mark.requirement("A16.C1", "A5.45")
def test_old_number_is_accepted_by_policy(offices: Offices) -> None:
    office = offices.build(registration={"accept_old_id_numbers": True})
    page = office.register(office.person(), id_number="012345678")
    assert page.path.endswith("/success")
    assert office.carrier.questions[0].id_number == "012345678"


@pytest.mark.requirement("A5.48")
def test_year_alone_is_a_birth_date(office: Office) -> None:
    office.register(office.person(), birth_date="1990")
    assert office.carrier.questions[0].birth_date == "1990"


def test_birth_year_that_disagrees_with_the_number_is_asked_about_once(office: Office) -> None:
    person = office.person()
    page = office.fill(person, office.at_form(person), birth_date="01/02/1991")
    assert page.errors == ["birth_date_disagrees"]
    assert page.typed("birth_date_confirmed") == "01/02/1991"
    assert person.press(page).path.endswith("/one-time-code")


def test_another_birth_year_is_asked_about_again(office: Office) -> None:
    person = office.person()
    page = office.fill(person, office.at_form(person), birth_date="01/02/1991")
    page = person.press(page, birth_date="01/02/1992")
    assert page.errors == ["birth_date_disagrees"]
    assert person.press(page, birth_date=BIRTH_DATE).path.endswith("/one-time-code")


def test_wrong_picture_code_loses_nothing_else(office: Office) -> None:
    person = office.person()
    before = office.at_form(person)
    page = office.fill(person, before, captcha="000000")
    assert (page.status, page.errors) == (422, ["captcha_wrong"])
    assert {name: page.typed(name) for name in PERSON} == PERSON
    assert page.typed("captcha_id") != before.typed("captcha_id")
    assert page.forms["form"].fields["captcha"] == ""
    assert office.fill(person, page).path.endswith("/one-time-code")


def test_right_picture_code_is_not_asked_for_again_while_fields_are_corrected(office: Office) -> None:
    person = office.person()
    page = office.at_form(person)
    for phone in ("1", "2", "3"):
        page = office.fill(person, page, phone=phone)
        assert page.errors == ["phone_format"]
        assert "captcha_id" not in page.forms["form"].fields
    assert "không cần nhập lại" in page.text
    assert person.press(page, phone=PHONE).path.endswith("/one-time-code")


def test_solved_picture_code_is_good_for_one_draft(office: Office) -> None:
    person = office.person()
    form = office.at_form(person)
    solved = office.fill(person, form, phone="1")
    first = person.press(solved, phone=PHONE)
    second = person.press(solved, phone="0912345679")
    assert first.path.endswith("/one-time-code")
    assert second.errors == ["required"]
    assert "captcha_id" in second.forms["form"].fields
    assert len(office.sms.messages) == 1


def test_new_picture_keeps_what_was_typed_and_checks_nothing(office: Office) -> None:
    person = office.person()
    before = office.at_form(person)
    page = person.press(before, "action=new_captcha", id_number="12", phone=PHONE)
    assert (page.status, page.errors) == (200, [])
    assert (page.typed("id_number"), page.typed("phone")) == ("12", PHONE)
    assert page.typed("captcha_id") != before.typed("captcha_id")


def test_language_switched_in_the_middle_keeps_what_was_typed(office: Office) -> None:
    person = office.person()
    page = person.press(office.at_form(person), "language", **PERSON)
    assert (page.status, page.errors) == (200, [])
    assert "Your details" in page.text
    assert {name: page.typed(name) for name in PERSON} == PERSON
    assert "Confirm your phone number" in office.fill(person, page).text


def test_picture_code_may_be_switched_off(offices: Offices) -> None:
    office = offices.build(picture_code={"registration": "never"})
    person = office.person()
    page = office.at_form(person)
    assert "captcha" not in page.forms["form"].fields
    assert person.press(page, **PERSON).path.endswith("/one-time-code")


@pytest.mark.requirement("A5.50")
def test_form_does_not_tell_who_has_an_account(office: Office) -> None:
    office.register(office.person())
    person = office.person()
    known = office.at_code(office.person(), id_number=ID_NUMBER, phone="0912345679")
    office.clock.move(timedelta(seconds=60))
    unknown = office.at_code(office.person(), id_number="001190123457", phone="0912345679")
    assert (known.status, known.errors) == (unknown.status, unknown.errors) == (200, [])
    masked = known.text.replace(known.path, "")
    assert masked.split("Mã có hiệu lực đến")[0] == unknown.text.split("Mã có hiệu lực đến")[0]
    assert person.open("/").status == 200


def test_gateways_away_cost_nothing_that_was_typed(office: Office) -> None:
    person = office.person()
    form = office.at_form(person)
    office.sms.is_down = True
    page = office.fill(person, form)
    assert (page.status, page.errors) == (503, ["sms_unavailable"])
    assert {name: page.typed(name) for name in PERSON} == PERSON
    office.sms.is_down = False
    # The picture code was not spent: the same words are sent again, and belong to the same draft.
    again = person.press(page)
    assert again.path.endswith("/one-time-code")
    assert person.press(again, otp=office.code()).path.endswith("/password")


def test_codes_of_a_phone_are_limited_and_told_at_the_phone(offices: Offices) -> None:
    office = offices.build(one_time_codes={"codes_per_phone_and_day": 1})
    assert office.at_code(office.person()).path.endswith("/one-time-code")
    person = office.person()
    page = office.at_code(person, id_number="001190123457")
    assert (page.status, page.errors) == (429, ["otp_budget_spent"])
    assert 'id="phone-error"' in page.html
    assert person.press(page, phone="0912345679").path.endswith("/one-time-code")


def test_beginnings_of_an_address_are_limited(offices: Offices) -> None:
    office = offices.build(registration={"starts_per_address_and_hour": 1})
    assert office.at_code(office.person(), phone="0912345679").path.endswith("/one-time-code")
    refused = office.at_code(office.person())
    assert (refused.status, refused.errors) == (429, ["too_many_requests"])
    assert int(refused.response.headers["Retry-After"]) <= 3600
    assert office.at_code(office.person("203.0.113.8")).path.endswith("/one-time-code")


def test_without_a_picture_code_nobody_uses_up_the_beginnings_of_an_address(offices: Offices) -> None:
    office = offices.build(registration={"starts_per_address_and_hour": 1})
    stranger = office.person()
    page = office.at_form(stranger)
    for _ in range(3):
        page = office.fill(stranger, page, captcha="000000")
        assert page.errors == ["captcha_wrong"]
    assert office.at_code(office.person()).path.endswith("/one-time-code")


def test_phone_waits_for_its_next_code_and_the_form_tells_how_long(office: Office) -> None:
    assert office.at_code(office.person()).path.endswith("/one-time-code")
    person = office.person()
    page = office.at_code(person)
    assert (page.status, page.errors) == (429, ["otp_wait"])
    assert 'id="phone-error"' in page.html
    assert len(office.sms.messages) == 1
    office.clock.move(timedelta(seconds=60))
    assert person.press(page).path.endswith("/one-time-code")


def test_code_on_its_way_is_good_for_a_draft_whose_name_was_corrected(office: Office) -> None:
    person = office.person()
    code = office.at_code(person)
    corrected = office.fill(person, person.open(code.links["edit"]), full_name="Nguyễn Thị Ánh")
    assert (corrected.path, len(office.sms.messages)) == (code.path, 1)
    assert person.press(corrected, otp=office.code()).path.endswith("/password")


def test_addresses_of_one_ipv6_network_are_one(offices: Offices) -> None:
    office = offices.build(registration={"starts_per_address_and_hour": 1})
    assert office.at_code(office.person("2001:db8::1")).path.endswith("/one-time-code")
    assert office.at_code(office.person("2001:db8::ffff:1"), phone="0912345679").errors == ["too_many_requests"]
    assert office.at_code(office.person("2001:db8:0:1::1"), phone="0912345679").path.endswith("/one-time-code")


LONG = "x" * 8192


@pytest.mark.parametrize(
    "changes",
    [
        *({name: LONG} for name in PERSON),
        {"id_number": "\uff10\uff10\uff11190123456"},
        {"full_name": "<script>alert(1)</script>"},
        {"phone": "+1 202 555 0100"},
        {"birth_date": "01/02/2999"},
    ],
)
def test_strange_fields_are_refused_at_their_field(office: Office, changes: dict[str, str]) -> None:
    person = office.person()
    page = office.fill(person, office.at_form(person), **changes)
    assert page.status == 422
    assert len(page.errors) == 1
    assert "<script>alert" not in page.html
    assert office.sms.messages == []


@pytest.mark.parametrize(
    "body",
    [
        b"id_number=%00",
        b"id_number=\xff\xfe",
        b"id_number=%ff",
        b"id_number=1&id_number=2",
        b"&".join(b"a%d=1" % number for number in range(200)),
    ],
)
def test_malformed_bodies_are_a_clear_page(office: Office, body: bytes) -> None:
    person = office.person()
    form = office.at_form(person)
    response = person.post(form.forms["form"].action, body + b"&csrf_token=" + form.typed("csrf_token").encode())
    assert response.status_code == 400
    assert 'data-error="bad_request"' in response.text


@pytest.mark.parametrize("draft", ["nonsense", "0", "01a20205-b558-70eb-9ac3-61f589dbdf95", "%00"])
def test_form_for_a_draft_that_is_not_there(office: Office, draft: str) -> None:
    person = office.person()
    page = person.open(f"{office.at_form(person).path}&draft={draft}")
    assert page.status in {400, 410}
    assert page.errors


def test_missing_fields_are_required_ones(office: Office) -> None:
    person = office.person()
    form = office.at_form(person)
    response = person.post(form.forms["form"].action, {"csrf_token": form.typed("csrf_token"), "subject": "citizen"})
    assert response.status_code == 422
    assert response.text.count('data-error="required"') == 5


def test_spaces_around_and_inside_are_forgiven(office: Office) -> None:
    person = office.person()
    typed = {"id_number": " 0011 9012 3456 ", "full_name": f"  {NAME}  ", "birth_date": " 1/2/1990 ", "phone": "+84 912 345 678"}
    assert office.fill(person, office.at_form(person), **typed).path.endswith("/one-time-code")
    assert [message.to for message in office.sms.messages] == [E164]


def test_store_away_means_no(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    person = office.person()
    form = office.at_form(person)

    def away(*_: object, **__: object) -> None:
        raise StoreUnavailable

    monkeypatch.setattr(office.services.rate_limits, "hit", away)
    response, _ = person.send(form, **PERSON, captcha=office.picture_code(form))
    assert response.status_code == 503
    assert response.headers["Retry-After"]
    assert office.sms.messages == []


def test_draft_is_corrected_before_the_phone_is_proven(office: Office) -> None:
    person = office.person()
    code = office.at_code(person, phone="0912345679")
    form = person.open(code.links["edit"])
    assert {name: form.typed(name) for name in PERSON} == {**PERSON, "phone": "0912345679"}
    corrected = office.fill(person, form, phone=PHONE)
    assert corrected.path == code.path
    assert "091•••5678" in corrected.text
    # A code for the number before is worth nothing now.
    assert person.press(corrected, otp=office.code("0912345679")).errors == ["otp_wrong"]
    assert office.state(corrected) is DraftState.FILLED
    assert person.press(corrected, otp=office.code(PHONE)).path.endswith("/password")


def test_what_was_typed_is_not_shown_once_its_interaction_is_over(office: Office) -> None:
    person = office.person()
    form = office.at_form(person)
    code = office.fill(person, form)
    office.services.store.drop("interaction", form.path.split("/")[2])
    page = person.open(code.links["edit"])
    assert page.typed("id_number") == ""
    assert NAME not in page.html
    office.clock.move(timedelta(seconds=60))
    assert office.fill(person, page).path.endswith("/one-time-code")
