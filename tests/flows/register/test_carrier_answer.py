"""What follows from each verdict of the carrier."""

from datetime import timedelta

import pytest

from idp.identity.registration_drafts import DraftState
from idp.promises import CarrierVerdict
from tests.flows.register.office import BIRTH_DATE, E164, ID_NUMBER, NAME, PERSON, PHONE, Office, Offices, draft_id, set_password

REFUSALS = {
    CarrierVerdict.MISMATCH: (
        "Thông tin đăng ký không khớp với thông tin thuê bao tại nhà mạng, vui lòng kiểm tra/đăng ký lại với nhà mạng."
    ),
    CarrierVerdict.OLD_DOCUMENT: "Thuê bao đang gắn với CMND 9 số.",
    CarrierVerdict.LOCKED: "Thuê bao đang bị khóa chiều.",
    CarrierVerdict.NOT_FOUND: "Nhà mạng không tìm thấy thuê bao này",
}


@pytest.mark.requirement("A5.54")
def test_carrier_is_asked_after_the_code_and_before_the_password(office: Office) -> None:
    person = office.person()
    page = office.at_code(person)
    assert office.carrier.questions == []
    page = person.press(page, otp=office.code())
    question = office.carrier.questions[0]
    assert (question.phone, question.id_number, question.full_name, question.birth_date) == (E164, ID_NUMBER, NAME, "1990-02-01")
    assert question.reference.startswith(draft_id(page))
    assert page.path.endswith("/password")
    assert office.events("carrier_asked") == 1


@pytest.mark.requirement("A5.53", "A5.44")
@pytest.mark.parametrize("verdict", REFUSALS)
def test_refusal_says_what_to_do(office: Office, verdict: CarrierVerdict) -> None:
    office.carrier_says(verdict)
    page = office.after_code(office.person())
    assert page.path.endswith("/refused")
    assert page.errors == ["carrier_refused"]
    assert REFUSALS[verdict] in page.text
    assert "được giữ thêm 23 giờ" in page.text or "được giữ thêm 24 giờ" in page.text
    assert "còn 4 lần kiểm tra" in page.text
    assert office.state(page) is DraftState.REFUSED


@pytest.mark.requirement("A5.46", "A5.47")
def test_mismatch_explains_the_check_by_text_message(office: Office) -> None:
    office.carrier_says(CarrierVerdict.MISMATCH)
    text = office.after_code(office.person()).text
    assert "Soạn TTTB gửi 1414" in text
    assert "điểm giao dịch của nhà mạng" in text


@pytest.mark.requirement("A5.54")
@pytest.mark.parametrize("verdict", [*REFUSALS, CarrierVerdict.UNAVAILABLE])
def test_no_password_without_a_match(office: Office, verdict: CarrierVerdict) -> None:
    office.carrier_says(verdict)
    person = office.person()
    page = office.after_code(person)
    password = person.open(page.path.rsplit("/", 1)[0] + "/password")
    assert password.path == page.path
    fields = {"csrf_token": person.open("/register/resume").typed("csrf_token"), "password": "x", "password_confirm": "x"}
    assert person.post(page.path.rsplit("/", 1)[0] + "/password", fields).headers["Location"] == page.path


def test_refused_draft_is_corrected_without_another_code(office: Office) -> None:
    office.carrier_says(CarrierVerdict.MISMATCH)
    person = office.person()
    refused = office.after_code(person, full_name="Nguyễn Thị Tuyết")
    form = person.open(refused.links["submit"])
    assert {name: form.typed(name) for name in PERSON} == {**PERSON, "full_name": "Nguyễn Thị Tuyết"}
    office.carrier_says(CarrierVerdict.MATCH)
    page = office.fill(person, form, full_name=NAME)
    assert page.path == refused.path.replace("refused", "password")
    assert len(office.sms.messages) == 1
    first, second = office.carrier.questions
    assert (first.full_name, second.full_name) == ("Nguyễn Thị Tuyết", NAME)
    assert first.reference != second.reference


def test_same_words_are_asked_about_again_after_a_correction_at_the_carrier(office: Office) -> None:
    office.carrier_says(CarrierVerdict.OLD_DOCUMENT)
    person = office.person()
    refused = office.after_code(person)
    office.carrier_says(CarrierVerdict.MATCH)
    assert office.fill(person, person.open(refused.links["submit"])).path.endswith("/password")
    assert len({question.reference for question in office.carrier.questions}) == 2


def test_another_phone_needs_another_code(office: Office) -> None:
    office.carrier_says(CarrierVerdict.NOT_FOUND)
    person = office.person()
    refused = office.after_code(person)
    page = office.fill(person, person.open(refused.links["submit"]), phone="0912345679")
    assert page.path.endswith("/one-time-code")
    assert "091•••5679" in page.text
    assert person.press(page, otp=office.code("0912345679")).path.endswith("/password")


def test_proof_of_the_phone_grows_old(office: Office) -> None:
    office.carrier_says(CarrierVerdict.MISMATCH)
    person = office.person()
    refused = office.after_code(person)
    office.clock.move(timedelta(hours=1, seconds=1))
    again = person.open(refused.path)
    assert again.path.endswith("/one-time-code")
    assert NAME not in again.html
    assert person.press(person.press(again), otp=office.code()).path == refused.path


@pytest.mark.parametrize("verdict", [CarrierVerdict.MATCH, CarrierVerdict.MISMATCH])
def test_asks_of_a_phone_are_limited(offices: Offices, verdict: CarrierVerdict) -> None:
    office = offices.build(registration={"carrier_asks_per_phone_and_day": 2})
    office.carrier_says(CarrierVerdict.MISMATCH)
    person = office.person()
    page = office.after_code(person, full_name="Nguyễn Văn Một")
    page = office.fill(person, person.open(page.links["submit"]), full_name="Nguyễn Văn Hai")
    assert "đã hết số lần kiểm tra" in page.text
    office.carrier_says(verdict)
    spent = office.fill(person, person.open(page.links["submit"]), full_name="Nguyễn Văn Ba")
    assert (spent.status, spent.errors) == (429, ["carrier_asks_spent"])
    assert int(spent.response.headers["Retry-After"]) <= 86400
    # Another browser and another draft do not help: the phone is what counts.
    assert office.after_code(office.person(), id_number="001190123457").errors == ["carrier_asks_spent"]
    assert len(office.carrier.questions) == 2
    assert office.after_code(office.person(), id_number="001190123457", phone="0912345679").path.endswith("/password")


def test_draft_whose_asks_are_spent_goes_on_another_day(offices: Offices) -> None:
    office = offices.build(registration={"carrier_asks_per_phone_and_day": 1})
    office.carrier_says(CarrierVerdict.MISMATCH)
    office.after_code(office.person())
    office.time_passes(timedelta(hours=24, minutes=-5))
    office.carrier_says(CarrierVerdict.MATCH)
    person = office.person()
    at_code = office.at_code(person, id_number="001190123457")
    assert person.press(at_code, otp=office.code()).errors == ["carrier_asks_spent"]
    held = person.open(f"/register/draft/{draft_id(at_code)}")
    assert held.path.endswith("/carrier")
    office.time_passes(timedelta(minutes=5, seconds=1))
    assert person.press(held).path.endswith("/password")


def test_carrier_away_keeps_the_draft_and_the_job_asks_again(office: Office) -> None:
    office.carrier_says(CarrierVerdict.UNAVAILABLE)
    person = office.person()
    waiting = office.after_code(person)
    assert waiting.path.endswith("/waiting")
    assert "Quý vị không cần nhập lại" in waiting.text
    assert person.open(waiting.links["submit"]).path == waiting.path
    office.carrier_says(CarrierVerdict.MATCH)
    office.clock.move(timedelta(seconds=31))
    assert office.retry() == 1
    assert office.sms.texts_to(E164)[-1].startswith("Thong tin thue bao da khop")
    page = person.open(waiting.links["submit"])
    assert page.path.endswith("/password")
    assert set_password(person, page).path.endswith("/success")
    first, second = office.carrier.questions
    assert first.reference == second.reference


def test_waiting_for_hours_asks_for_the_phone_again_before_the_password(office: Office) -> None:
    office.carrier_says(CarrierVerdict.UNAVAILABLE)
    person = office.person()
    waiting = office.after_code(person)
    office.carrier_says(CarrierVerdict.MATCH)
    office.clock.move(timedelta(hours=5))
    assert office.retry() == 1
    page = person.open(waiting.path)
    assert page.path.endswith("/one-time-code")
    assert "xác nhận lại số điện thoại" in page.text
    assert "edit" not in page.links
    page = person.press(page)
    assert person.press(page, otp=office.code()).path.endswith("/password")
    assert len(office.carrier.questions) == 2


@pytest.mark.requirement("A5.50")
def test_duplicate_is_told_only_to_whom_the_carrier_confirms(office: Office) -> None:
    office.register(office.person())
    office.carrier_says(CarrierVerdict.MISMATCH)
    thief = office.person()
    assert "tài khoản" not in main_of(office.after_code(thief).html)
    office.carrier_says(CarrierVerdict.MATCH)
    owner = office.person()
    page = office.after_code(owner)
    assert (page.path.rsplit("/", 1)[1], page.errors) == ("duplicate", ["account_exists"])
    assert "Số CMND/CCCD này đã có tài khoản." in page.text


@pytest.mark.requirement("A5.50", "A11.92")
def test_duplicate_has_three_ways_out(office: Office) -> None:
    office.register(office.person())
    person = office.person()
    page = office.after_code(person)
    assert page.links["submit"].startswith("/help/forgot-password")
    assert person.open(page.links["submit"]).status == 200
    assert "Trung tâm Phục vụ hành chính công" in page.text
    disputed = person.press(page, "dispute")
    assert disputed.path.endswith("/disputed")
    reference = f"KN-{draft_id(page)[-12:-6]}-{draft_id(page)[-6:]}".upper()
    assert reference in disputed.text
    assert office.events("registration_disputed") == 1
    assert person.press(page, "dispute").text == disputed.text
    assert office.events("registration_disputed") == 1


def test_dispute_without_a_duplicate_is_none(office: Office) -> None:
    person = office.person()
    page = office.after_code(person)
    assert person.open(page.path.replace("password", "disputed")).path == page.path
    form = {"csrf_token": page.typed("csrf_token"), "action": "dispute"}
    assert person.post(page.path.replace("password", "duplicate"), form).headers["Location"] == page.path
    assert office.events("registration_disputed") == 0


def test_question_that_was_held_up_is_asked_from_its_page(office: Office) -> None:
    person = office.person()
    page = office.at_code(person)
    # The process died between the code and the carrier.
    draft = office.services.drafts.get_for_job(draft_id(page))
    office.services.drafts.prove_phone(draft.id, phone=draft.applicant.phone)
    office.services.store.put(
        "registration_phone_proof", draft.id, {"phone": E164, "at": office.clock.now().isoformat()}, timedelta(hours=1)
    )
    held = person.open(page.path)
    assert held.path.endswith("/carrier")
    assert office.carrier.questions == []
    assert person.press(held).path.endswith("/password")


def main_of(html: str) -> str:
    """Give what the page itself says, without its frame."""
    return html[html.index("<main") : html.index("</main>")].replace("tài khoản dịch vụ", "")


def test_birth_date_that_was_believed_is_not_asked_about_again(office: Office) -> None:
    office.carrier_says(CarrierVerdict.MISMATCH)
    person = office.person()
    form = office.fill(person, office.at_form(person), birth_date="01/02/1991")
    refused = person.press(person.press(form), otp=office.code(PHONE))
    edit = person.open(refused.links["submit"])
    assert edit.typed("birth_date") == "01/02/1991"
    office.carrier_says(CarrierVerdict.MATCH)
    assert person.press(edit, captcha=office.picture_code(edit)).path.endswith("/password")
    assert BIRTH_DATE != "01/02/1991"
