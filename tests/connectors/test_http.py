"""Outbound HTTP against servers that misbehave."""

import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from idp.connectors.http import HttpTrouble, OutboundHttp
from tests.connectors.local_servers import (
    Exchange,
    answering,
    compressing,
    dripping_body,
    dripping_headers,
    flooding,
    garbling,
    half_closing,
    hanging_up,
    redirecting,
    refused_url,
    serving,
    sleeping,
)
from tests.connectors.logs import capturing


@pytest.fixture
def http() -> Iterator[OutboundHttp]:
    caller = OutboundHttp(name="test", whole_call=timedelta(seconds=20), most_bytes=1000, guard=None)
    yield caller
    caller.close()


@pytest.fixture
def hasty_http() -> Iterator[OutboundHttp]:
    caller = OutboundHttp(name="test", whole_call=timedelta(seconds=0.3), most_bytes=1000, guard=None)
    yield caller
    caller.close()


def trouble_of(http: OutboundHttp, url: str, *, tries: int = 1) -> str:
    with pytest.raises(HttpTrouble) as caught:
        http.post_json(url, {"phone": "+84912345678"}, headers={}, tries=tries)
    return caught.value.reason


def test_json_goes_out_and_comes_back(http: OutboundHttp) -> None:
    with serving(answering({"verdict": "match"})) as server:
        answer = http.post_json(f"{server.url}/match?q=1", {"name": "Đặng Thị Ứng"}, headers={"X-A": "b"}, tries=1)
    assert (answer.status, answer.json_object()) == (200, {"verdict": "match"})
    assert server.received[0].json() == {"name": "Đặng Thị Ứng"}
    assert server.received[0].headers["X-A"] == "b"


@pytest.mark.parametrize(
    "behave, reason",
    [
        (redirecting, "redirect"),
        (garbling, "protocol"),
        (hanging_up, "protocol"),
        (half_closing, "protocol"),
        (flooding, "too_large"),
        (compressing, "encoding"),
    ],
)
def test_each_misbehaviour_is_trouble(http: OutboundHttp, behave: Callable[[Exchange], None], reason: str) -> None:
    with serving(behave) as server:
        assert trouble_of(http, server.url) == reason


@pytest.mark.parametrize("behave", [sleeping, dripping_headers, dripping_body])
def test_slowness_of_any_kind_ends_with_the_deadline(hasty_http: OutboundHttp, behave: Callable[[Exchange], None]) -> None:
    with serving(behave) as server:
        started = time.monotonic()
        assert trouble_of(hasty_http, server.url) == "timeout"
        # The servers stay slow for 20 s; the margin is for a machine under load.
        assert time.monotonic() - started < 8


def test_a_redirect_is_not_followed(http: OutboundHttp) -> None:
    with serving(redirecting) as server:
        trouble_of(http, server.url)
    assert [each.path for each in server.received] == ["/"]


def test_a_refused_connection_is_trouble(http: OutboundHttp) -> None:
    assert trouble_of(http, refused_url()) == "connection"


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/x", "http://", "no url at all", "http://[::1", "http://127.0.0.1:99999/"])
def test_an_unusable_address_is_trouble_and_no_crash(http: OutboundHttp, url: str) -> None:
    assert trouble_of(http, url) in {"request", "connection", "protocol"}


def test_a_passing_failure_is_tried_again_when_the_call_is_idempotent(http: OutboundHttp) -> None:
    def recover(exchange: Exchange) -> None:
        exchange.answer({}, status=503 if len(server.received) == 1 else 200)

    with serving(recover) as server:
        assert http.post_json(server.url, {}, headers={}, tries=2).status == 200
    assert len(server.received) == 2


def test_a_cut_connection_is_tried_again_when_the_call_is_idempotent(http: OutboundHttp) -> None:
    def recover(exchange: Exchange) -> None:
        exchange.hang_up() if len(server.received) == 1 else exchange.answer({})

    with serving(recover) as server:
        assert http.post_json(server.url, {}, headers={}, tries=2).status == 200


def test_one_try_stays_one_try(http: OutboundHttp) -> None:
    with serving(answering({}, status=503)) as server:
        assert http.post_json(server.url, {}, headers={}, tries=1).status == 503
    assert len(server.received) == 1


def test_tries_are_bounded(http: OutboundHttp) -> None:
    with serving(hanging_up) as server:
        assert trouble_of(http, server.url, tries=3) == "protocol"
    assert len(server.received) == 3


def test_a_refusal_is_not_tried_again(http: OutboundHttp) -> None:
    with serving(answering({}, status=400)) as server:
        assert http.post_json(server.url, {}, headers={}, tries=3).status == 400
    assert len(server.received) == 1


def test_all_tries_share_one_deadline(hasty_http: OutboundHttp) -> None:
    def slow_then_cut(exchange: Exchange) -> None:
        exchange.wait(0.2)
        exchange.hang_up()

    with serving(slow_then_cut) as server:
        assert trouble_of(hasty_http, server.url, tries=100) == "timeout"
    assert len(server.received) < 5


def test_a_proxy_of_the_environment_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", refused_url())
    monkeypatch.setenv("ALL_PROXY", refused_url())
    caller = OutboundHttp(name="test", whole_call=timedelta(seconds=20), most_bytes=1000, guard=None)
    with serving(answering({})) as server:
        assert caller.get(server.url, headers={}, tries=1).status == 200
    caller.close()


def test_what_is_sent_and_answered_reaches_no_log(http: OutboundHttp, caplog: pytest.LogCaptureFixture) -> None:
    def answer(exchange: Exchange) -> None:
        exchange.answer({"secret": "s3cr3t-answer"}, headers={"Set-Cookie": "a=s3cr3t-cookie"})

    with serving(answer) as server, capturing(caplog) as logged:
        content = {"phone": "+84912345678"}
        http.post_json(f"{server.url}/match?phone=0912345678", content, headers={"Authorization": "Bearer t0ken"}, tries=1)
    assert "'gateway': 'test', 'method': 'POST', 'outcome': '200'" in logged.text
    for hidden in ("912345678", "s3cr3t", "t0ken", "phone="):
        assert hidden not in logged.text


@pytest.mark.parametrize("body", [b"", b"nonsense", b"[1]", b"\xff", b"[" * 100_000, b'"text"', b"1" * 5000])
def test_nonsense_is_no_json_object(http: OutboundHttp, body: bytes) -> None:
    with serving(lambda exchange: exchange.answer_bytes(body[:1000])) as server:
        assert http.get(server.url, headers={}, tries=1).json_object() is None
