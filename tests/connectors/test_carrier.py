"""The carrier over HTTP: every answer of the register, and every way of not answering."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from idp.config import Gateway
from idp.connectors.carrier import HttpCarrier
from idp.promises import CarrierAnswer, CarrierQuestion, CarrierVerdict
from tests.certificate import make_certificate
from tests.connectors.local_servers import TROUBLES, Exchange, LocalServer, answering, hanging_up, refused_url, serving
from tests.connectors.logs import capturing

QUESTION = CarrierQuestion(
    phone="+84912345678", id_number="033090001234", full_name="Đặng Thị Ứng", birth_date="1990-02-01", reference="draft-1"
)
MATCH = {"verdict": "match", "carrier": "vinaphone", "fields_matched": ["phone", "id_number", "full_name", "birth_date"]}
UNAVAILABLE = CarrierAnswer(CarrierVerdict.UNAVAILABLE, "register")


@contextmanager
def carrier_at(url: str, *, seconds: float = 20) -> Iterator[HttpCarrier]:
    settings = Gateway(name="register", url=url, token=SecretStr("t0ken"))
    carrier = HttpCarrier.configured(settings.model_copy(update={"timeout": timedelta(seconds=seconds)}))
    try:
        yield carrier
    finally:
        carrier.close()


def asked(behave: Callable[[Exchange], None], *, seconds: float = 20) -> tuple[CarrierAnswer, LocalServer]:
    with serving(behave) as server, carrier_at(server.url, seconds=seconds) as carrier:
        return carrier.match(QUESTION), server


def test_a_match_carries_the_carrier_and_the_fields() -> None:
    answer, _ = asked(answering(MATCH))
    assert answer == CarrierAnswer(CarrierVerdict.MATCH, "vinaphone", ("phone", "id_number", "full_name", "birth_date"))


def test_a_carrier_of_a_private_authority_is_trusted_by_its_file(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path)
    with serving(answering(MATCH), certificate) as server:
        url = server.url.replace("http://127.0.0.1", "https://localhost")
        for ca_file, verdict in ((str(certificate.cert), CarrierVerdict.MATCH), ("", CarrierVerdict.UNAVAILABLE)):
            carrier = HttpCarrier.configured(Gateway(name="register", url=url, timeout="20s", ca_file=ca_file))
            assert carrier.match(QUESTION).verdict is verdict
            carrier.close()


def test_a_name_that_agrees_without_its_accents_is_enough() -> None:
    answer, _ = asked(answering({**MATCH, "fields_matched": ["phone", "id_number", "full_name_unaccented", "birth_date"]}))
    assert answer.fields_matched == ("phone", "id_number", "full_name_unaccented", "birth_date")


@pytest.mark.parametrize("left_out", ["phone", "id_number", "full_name", "birth_date"])
def test_a_match_of_less_than_was_asked_is_no_verdict(left_out: str) -> None:
    named = [field for field in ("phone", "id_number", "full_name", "birth_date") if field != left_out]
    answer, _ = asked(answering({**MATCH, "fields_matched": named}))
    assert answer == UNAVAILABLE


def test_the_question_goes_out_as_promised() -> None:
    _, server = asked(answering(MATCH))
    [received] = server.received
    assert (received.method, received.path) == ("POST", "/match")
    assert received.json() == {
        "phone": "+84912345678",
        "id_number": "033090001234",
        "full_name": "Đặng Thị Ứng",
        "birth_date": "1990-02-01",
    }
    assert received.headers["Idempotency-Key"] == "draft-1"
    assert received.headers["Authorization"] == "Bearer t0ken"


@pytest.mark.parametrize("verdict", [verdict for verdict in CarrierVerdict if verdict is not CarrierVerdict.MATCH])
def test_every_other_verdict_is_understood_and_names_no_field(verdict: CarrierVerdict) -> None:
    answer, _ = asked(answering({"verdict": verdict, "carrier": "viettel", "fields_matched": ["id_number"]}))
    assert answer == CarrierAnswer(verdict, "viettel")


@pytest.mark.parametrize("trouble", TROUBLES)
def test_trouble_of_any_kind_is_unavailable(trouble: str) -> None:
    answer, _ = asked(TROUBLES[trouble], seconds=0.3)
    assert answer == UNAVAILABLE


def test_a_refused_connection_is_unavailable() -> None:
    with carrier_at(refused_url()) as carrier:
        assert carrier.match(QUESTION) == UNAVAILABLE


@pytest.mark.parametrize(
    "nonsense",
    [
        {},
        {"verdict": "yes"},
        {"verdict": None},
        {"verdict": ["match"]},
        {"verdict": "MATCH", "fields_matched": ["id_number"]},
        {"verdict": "match"},
        {"verdict": "match", "fields_matched": ["phone"]},
        {"verdict": "match", "fields_matched": "id_number"},
        {"verdict": "match", "fields_matched": [{"id_number": 1}, "shoe_size"]},
    ],
)
def test_a_nonsense_answer_is_unavailable(nonsense: dict[str, object]) -> None:
    answer, _ = asked(answering(nonsense))
    assert answer == UNAVAILABLE


@pytest.mark.parametrize("name", [None, 7, "", "<script>", "x" * 41, "vina\nphone"])
def test_a_carrier_name_that_is_none_becomes_the_gateway_s(name: object) -> None:
    answer, _ = asked(answering({**MATCH, "carrier": name}))
    assert (answer.verdict, answer.carrier) == (CarrierVerdict.MATCH, "register")


def test_a_passing_failure_is_asked_again_under_the_same_key() -> None:
    def recover(exchange: Exchange) -> None:
        exchange.hang_up() if len(server.received) == 1 else exchange.answer(MATCH)

    with serving(recover) as server, carrier_at(server.url) as carrier:
        assert carrier.match(QUESTION).verdict is CarrierVerdict.MATCH
    assert [each.headers["Idempotency-Key"] for each in server.received] == ["draft-1", "draft-1"]


def test_a_register_that_keeps_failing_is_left_alone() -> None:
    with serving(hanging_up) as server, carrier_at(server.url) as carrier:
        for _ in range(5):
            carrier.match(QUESTION)
        asked_before = len(server.received)
        server.behave = answering(MATCH)
        assert carrier.match(QUESTION) == UNAVAILABLE
        assert len(server.received) == asked_before


def test_refusals_of_single_questions_do_not_stop_the_rest() -> None:
    with serving(answering({}, status=422)) as server, carrier_at(server.url) as carrier:
        for _ in range(10):
            assert carrier.match(QUESTION) == UNAVAILABLE
        server.behave = answering(MATCH)
        assert carrier.match(QUESTION).verdict is CarrierVerdict.MATCH


@pytest.mark.parametrize("trouble", ["500", "asleep", "garbage", "401"])
def test_no_personal_datum_and_no_secret_reaches_a_log(trouble: str, caplog: pytest.LogCaptureFixture) -> None:
    with capturing(caplog) as logged:
        asked(TROUBLES[trouble], seconds=0.3)
        asked(answering(MATCH))
    assert "no verdict of the carrier" in logged.text
    for hidden in ("912345678", "033090001234", "Đặng", "Ứng", "1990", "t0ken"):
        assert hidden not in logged.text
