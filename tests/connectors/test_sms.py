"""Text messages over two gateways, of which one or both fail."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from pydantic import SecretStr

from idp.config import Gateway
from idp.connectors.sms import FailoverSms
from idp.errors import SmsUnavailable
from idp.promises import SmsMessage
from tests.connectors.local_servers import TROUBLES, Exchange, LocalServer, answering, refused_url, serving
from tests.connectors.logs import capturing

ACCEPTED = answering({"id": "1", "status": "accepted"}, status=202)
MESSAGE = SmsMessage(to="+84912345678", text="Ma OTP dang nhap cua Quy khach la 493817, hieu luc 2 phut.", reference="challenge-1")


@contextmanager
def sender_over(*urls: str, first_seconds: float = 20) -> Iterator[FailoverSms]:
    settings = [Gateway(name=f"sms-{number}", url=url, token=SecretStr("t0ken")) for number, url in enumerate(urls)]
    settings[0] = settings[0].model_copy(update={"timeout": timedelta(seconds=first_seconds)})
    settings[1:] = [each.model_copy(update={"timeout": timedelta(seconds=20)}) for each in settings[1:]]
    sender = FailoverSms.configured(settings)
    try:
        yield sender
    finally:
        sender.close()


@contextmanager
def two_gateways(first: Callable[[Exchange], None], *, first_seconds: float = 20) -> Iterator[tuple[FailoverSms, LocalServer, LocalServer]]:
    with serving(first) as a, serving(ACCEPTED) as b, sender_over(a.url, b.url, first_seconds=first_seconds) as sender:
        yield sender, a, b


def test_the_first_gateway_takes_the_message_and_the_second_never_sees_it() -> None:
    with two_gateways(ACCEPTED) as (sender, a, b):
        sender.send(MESSAGE)
    [received] = a.received
    assert (received.method, received.path) == ("POST", "/messages")
    assert received.json() == {"to": "+84912345678", "text": MESSAGE.text}
    assert received.headers["Idempotency-Key"] == "challenge-1"
    assert received.headers["Authorization"] == "Bearer t0ken"
    assert b.received == []


@pytest.mark.parametrize("trouble", TROUBLES)
def test_the_second_takes_over_from_a_first_in_trouble(trouble: str) -> None:
    with two_gateways(TROUBLES[trouble], first_seconds=0.3) as (sender, a, b):
        sender.send(MESSAGE)
    assert len(a.received) <= 1
    assert len(b.received) == 1


def test_the_second_takes_over_from_a_first_that_does_not_listen() -> None:
    with serving(ACCEPTED) as b, sender_over(refused_url(), b.url) as sender:
        sender.send(MESSAGE)
    assert len(b.received) == 1


@pytest.mark.parametrize("answer", [{}, {"status": "rejected"}, {"status": None}, {"id": "1"}])
def test_an_answer_that_does_not_say_accepted_is_a_failure(answer: dict[str, object]) -> None:
    with two_gateways(answering(answer)) as (sender, _, b):
        sender.send(MESSAGE)
    assert len(b.received) == 1


def test_when_no_gateway_takes_it_the_person_is_told() -> None:
    with serving(answering({}, status=500)) as a, sender_over(a.url, refused_url()) as sender, pytest.raises(SmsUnavailable):
        sender.send(MESSAGE)


def test_a_gateway_that_keeps_failing_is_left_alone() -> None:
    with two_gateways(answering({}, status=500)) as (sender, a, b):
        for _ in range(8):
            sender.send(MESSAGE)
    assert len(a.received) == 5
    assert len(b.received) == 8


@pytest.mark.parametrize("text", ["Mã OTP của Quý khách là 493817", "x" * 161, "OTP 493817 \N{NO-BREAK SPACE}"])
def test_a_text_that_is_not_one_unaccented_message_is_refused_unsent(text: str) -> None:
    with two_gateways(ACCEPTED) as (sender, a, b), pytest.raises(ValueError, match="ASCII") as caught:
        sender.send(SmsMessage(to="+84912345678", text=text, reference="r"))
    assert (a.received, b.received) == ([], [])
    assert "493817" not in str(caught.value)


def test_a_text_of_exactly_160_characters_is_sent() -> None:
    with two_gateways(ACCEPTED) as (sender, a, _):
        sender.send(SmsMessage(to="+84912345678", text="x" * 160, reference="r"))
    assert len(a.received) == 1


@pytest.mark.parametrize("trouble", ["500", "asleep", "garbage", "401"])
def test_no_phone_no_code_and_no_secret_reaches_a_log_or_an_error(trouble: str, caplog: pytest.LogCaptureFixture) -> None:
    with (
        capturing(caplog) as logged,
        serving(TROUBLES[trouble]) as a,
        sender_over(a.url, first_seconds=0.3) as sender,
        pytest.raises(SmsUnavailable) as caught,
    ):
        sender.send(MESSAGE)
    assert "message not taken" in logged.text
    for hidden in ("912345678", "493817", "t0ken"):
        assert hidden not in logged.text + str(caught.value) + repr(MESSAGE)
