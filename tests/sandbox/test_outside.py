"""The outside world as a program: through our own connectors, and by its pages and its interface for tests."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from flask.testing import FlaskClient
from pydantic import SecretStr

from idp.config import Gateway
from idp.connectors.carrier import HttpCarrier
from idp.connectors.sms import FailoverSms
from idp.errors import SmsUnavailable
from idp.promises import CarrierQuestion, CarrierVerdict, SmsMessage
from sandbox.addresses import Addresses
from sandbox.outside import BEHAVIOURS, TOKEN, create_app, national
from sandbox.people import CASES, Person, everybody
from tests.sandbox.servers import running

AUTHORIZED = {"Authorization": f"Bearer {TOKEN}"}
TEXT = "Ma OTP dang ky tai khoan la 493817, hieu luc 2 phut."


@pytest.fixture
def client() -> FlaskClient:
    return create_app(Addresses(), slow_seconds=0).test_client()


def deliver(client: FlaskClient, *, to: str = "+84912345678", text: str = TEXT, key: str = "1", gateway: str = "a") -> int:
    answer = client.post(f"/sms/{gateway}/messages", json={"to": to, "text": text}, headers={**AUTHORIZED, "Idempotency-Key": key})
    return answer.status_code


# --- What tests and automated browsers ask (design, section 6) ------------------------------------------------------------------------


def test_a_text_is_on_the_phone_by_its_national_number_newest_first(client: FlaskClient) -> None:
    for number in range(3):
        assert deliver(client, text=f"text {number}", key=str(number), gateway="ab"[number % 2]) == 202
    deliver(client, to="+84987654321", key="other")
    texts = client.get("/sandbox/sms?to=0912345678").get_json()
    assert [each["text"] for each in texts] == ["text 2", "text 1", "text 0"]
    assert set(texts[0]) == {"to", "text", "at"}
    assert texts[0]["to"] == "0912345678"
    assert datetime.now(UTC) - datetime.fromisoformat(texts[0]["at"]) < timedelta(minutes=1)


@pytest.mark.parametrize("form", ["0912345678", "%2B84912345678", "+84912345678", "84912345678"])
def test_the_phone_is_found_under_either_form_of_its_number(client: FlaskClient, form: str) -> None:
    deliver(client)
    assert len(client.get(f"/sandbox/sms?to={form}").get_json()) == 1


def test_a_number_without_texts_has_an_empty_list(client: FlaskClient) -> None:
    assert client.get("/sandbox/sms?to=0912345678").get_json() == []


def test_the_same_message_is_delivered_once(client: FlaskClient) -> None:
    assert [deliver(client), deliver(client)] == [202, 202]
    assert len(client.get("/sandbox/sms?to=0912345678").get_json()) == 1


def test_people_are_told_as_one_types_them_into_the_form(client: FlaskClient) -> None:
    people = client.get("/sandbox/people").get_json()
    assert {tuple(person) for person in people} == {tuple(sorted(Person.__dataclass_fields__))}
    assert {person["case"] for person in people} == set(CASES)
    assert sum(person["case"] == "match" for person in people) >= 200
    assert people[0] == everybody()[0].as_json()


def test_a_person_can_be_added(client: FlaskClient) -> None:
    person = {"case": "locked", "id_number": "001090000001", "full_name": "Lê Thử", "birth_date": "1990", "phone": "+84912000001"}
    answer = client.post("/sandbox/people", json=person)
    assert (answer.status_code, answer.get_json()) == (201, [{**person, "phone": "0912000001", "password": None}])
    asked = {"phone": "+84912000001", "id_number": "001090000001", "full_name": "Lê Thử", "birth_date": "1990"}
    assert client.post("/carrier/match", json=asked, headers=AUTHORIZED).get_json()["verdict"] == "locked"


def test_a_list_of_people_can_be_added(client: FlaskClient) -> None:
    people = [{"id_number": f"00109000000{n}", "full_name": "Lê Thử", "birth_date": "1990", "phone": "0912000001"} for n in range(3)]
    assert len(client.post("/sandbox/people", json=people).get_json()) == 3


@pytest.mark.parametrize(
    "body", [None, {}, [], "x", 7, [None], {"case": "dead"}, {"id_number": 1}, [{"id_number": "1", "full_name": "A", "birth_date": "1990"}]]
)
def test_a_person_that_is_none_is_refused(client: FlaskClient, body: object) -> None:
    answer = client.post("/sandbox/people", json=body)
    assert answer.status_code == (201 if body == [] else 400)


# --- As the provider meets it ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/carrier/match", "/sms/a/messages", "/sms/b/messages"])
@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic c2FuZGJveA=="}])
def test_a_caller_without_the_token_is_refused(client: FlaskClient, path: str, headers: dict[str, str]) -> None:
    body = {"phone": "+84912345678", "id_number": "1", "full_name": "A", "birth_date": "1990", "to": "+84912345678", "text": "x"}
    assert client.post(path, json=body, headers=headers).status_code == 401
    assert client.post(path, json=body, headers=AUTHORIZED).status_code in {200, 202}


@pytest.mark.parametrize("body", [None, [], "x", {"to": 1, "text": "x"}, {"to": "+84912345678"}, {"to": "", "text": ""}])
def test_a_malformed_message_is_refused(client: FlaskClient, body: object) -> None:
    assert client.post("/sms/a/messages", json=body, headers=AUTHORIZED).status_code == 400
    assert client.post("/carrier/match", json=body, headers=AUTHORIZED).status_code == 400


@pytest.fixture
def outside() -> Iterator[tuple[str, FlaskClient]]:
    app = create_app(Addresses(), slow_seconds=2)
    with running(app) as address:
        yield address, app.test_client()


def carrier_at(address: str, *, seconds: float) -> HttpCarrier:
    settings = Gateway(name="register", url=f"{address}/carrier", token=SecretStr(TOKEN))
    return HttpCarrier.configured(settings.model_copy(update={"timeout": timedelta(seconds=seconds)}))


def question_of(person: Person) -> CarrierQuestion:
    phone = f"+84{person.phone[1:]}"
    return CarrierQuestion(phone, person.id_number, person.full_name, person.iso_birth_date, reference=person.id_number)


def test_our_carrier_understands_every_case(outside: tuple[str, FlaskClient]) -> None:
    carrier = carrier_at(outside[0], seconds=20)
    verdicts = {}
    for case in CASES:
        person = next(person for person in everybody() if person.case == case)
        verdicts[case] = carrier.match(question_of(person)).verdict.value
    carrier.close()
    assert verdicts == {**{case: case for case in CASES}, "slow": "match"}


def test_a_slow_subscriber_is_unavailable_at_first_and_answered_later(outside: tuple[str, FlaskClient]) -> None:
    person = next(person for person in everybody() if person.case == "slow")
    hasty, patient = carrier_at(outside[0], seconds=0.5), carrier_at(outside[0], seconds=20)
    assert hasty.match(question_of(person)).verdict is CarrierVerdict.UNAVAILABLE
    assert patient.match(question_of(person)).verdict is CarrierVerdict.MATCH
    hasty.close()
    patient.close()


@pytest.mark.parametrize("behaviour", [each for each in BEHAVIOURS if each != "normal"])
def test_the_controls_make_the_carrier_unavailable_and_mend_it(outside: tuple[str, FlaskClient], behaviour: str) -> None:
    address, controls = outside
    question = question_of(everybody()[0])
    controls.post("/sandbox/control", data={"system": "carrier", "behaviour": behaviour})
    hasty, patient = carrier_at(address, seconds=0.5), carrier_at(address, seconds=20)
    assert hasty.match(question).verdict is CarrierVerdict.UNAVAILABLE
    controls.post("/sandbox/control", data={"system": "carrier", "behaviour": "normal"})
    assert patient.match(question).verdict is CarrierVerdict.MATCH
    hasty.close()
    patient.close()


def sms_over(address: str) -> FailoverSms:
    settings = [Gateway(name=f"sms-{letter}", url=f"{address}/sms/{letter}", token=SecretStr(TOKEN)) for letter in "ab"]
    seconds = (0.5, 20)
    return FailoverSms.configured([each.model_copy(update={"timeout": timedelta(seconds=seconds[at])}) for at, each in enumerate(settings)])


@pytest.mark.parametrize("behaviour", ["normal", "down", "nonsense", "unavailable"])
def test_a_code_arrives_once_whatever_becomes_of_the_first_gateway(outside: tuple[str, FlaskClient], behaviour: str) -> None:
    address, controls = outside
    controls.post("/sandbox/control", data={"system": "sms_a", "behaviour": behaviour})
    sender = sms_over(address)
    sender.send(SmsMessage(to="+84912345678", text=TEXT, reference="challenge-1"))
    sender.close()
    assert [each["text"] for each in controls.get("/sandbox/sms?to=0912345678").get_json()] == [TEXT]


def test_a_code_arrives_in_time_when_the_first_gateway_is_slow(outside: tuple[str, FlaskClient]) -> None:
    address, controls = outside
    controls.post("/sandbox/control", data={"system": "sms_a", "behaviour": "slow"})
    sender = sms_over(address)
    sender.send(SmsMessage(to="+84912345678", text=TEXT, reference="challenge-1"))
    sender.close()
    assert controls.get("/sandbox/sms?to=0912345678").get_json()


def test_without_both_gateways_no_code_arrives(outside: tuple[str, FlaskClient]) -> None:
    address, controls = outside
    for system in ("sms_a", "sms_b"):
        controls.post("/sandbox/control", data={"system": system, "behaviour": "down"})
    sender = sms_over(address)
    with pytest.raises(SmsUnavailable):
        sender.send(SmsMessage(to="+84912345678", text=TEXT, reference="challenge-1"))
    sender.close()
    assert controls.get("/sandbox/sms").get_json() == []


# --- Pages ----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/phone", "/phone?to=0912345678", "/control"])
@pytest.mark.parametrize("language, word", [("vi", "Điều khiển"), ("en", "Controls")])
def test_every_page_has_both_languages_and_no_script(client: FlaskClient, path: str, language: str, word: str) -> None:
    deliver(client)
    answer = client.get(path + ("&" if "?" in path else "?") + f"lang={language}")
    assert answer.status_code == 200
    assert f'<html lang="{language}">' in answer.text
    assert word in answer.text
    assert "<script" not in answer.text
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


def test_the_phone_shows_its_messages_escaped(client: FlaskClient) -> None:
    deliver(client, text="<b>Ma OTP</b> 493817")
    assert "&lt;b&gt;Ma OTP&lt;/b&gt; 493817" in client.get("/phone?to=0912345678").text
    assert "493817" in client.get("/phone").text
    assert "493817" not in client.get("/phone?to=0987654321").text


def test_the_chosen_language_is_remembered(client: FlaskClient) -> None:
    client.get("/?lang=en")
    assert '<html lang="en">' in client.get("/phone").text


def test_the_controls_say_what_they_did(client: FlaskClient) -> None:
    answer = client.post("/sandbox/control", data={"system": "sms_b", "behaviour": "nonsense"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/control")
    assert 'data-system="sms_b" data-behaviour="nonsense"' in client.get("/control").text
    assert client.get("/sandbox/control").get_json() == {"carrier": "normal", "sms_a": "normal", "sms_b": "nonsense"}


@pytest.mark.parametrize(
    "form", [{}, {"system": "carrier"}, {"system": "moon", "behaviour": "down"}, {"system": "carrier", "behaviour": "x"}]
)
def test_an_unknown_control_is_refused(client: FlaskClient, form: dict[str, str]) -> None:
    assert client.post("/sandbox/control", data=form).status_code == 400


def test_the_start_page_names_the_addresses_and_one_person_of_every_case(client: FlaskClient) -> None:
    page = client.get("/").text
    for address in ("http://localhost:8400", "http://127.0.0.1:8401", "http://127.0.0.1:8402", "http://127.0.0.1:8420"):
        assert address in page
    for case in CASES:
        assert f'data-case="{case}"' in page


@pytest.mark.parametrize("phone", ["+84912345678", "84912345678", "0912345678", " 84912345678"])
def test_a_phone_in_any_form_becomes_the_national_one(phone: str) -> None:
    assert national(phone) == "0912345678"
