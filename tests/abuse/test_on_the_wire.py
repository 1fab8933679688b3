"""What no well-behaved client sends, over a socket to the server that production runs: it answers clearly or hangs up, and lives on."""

import re
import socket
from collections.abc import Iterator

import httpx2
import pytest

from tests.abuse.running import Running, running
from tests.abuse.walker import PATIENCE_SECONDS

HEAD = b" HTTP/1.1\r\nHost: localhost\r\n"
FORM = b"Content-Type: application/x-www-form-urlencoded\r\n"
MEGABYTE = 1_000_000


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("provider")) as provider:
        yield provider


def said(provider: Running, *parts: bytes, is_cut_off: bool = False) -> bytes:
    """Send the parts, and give what comes back until the answer is whole or the server closes; one that does neither fails the test."""
    received = b""
    with socket.create_connection(("127.0.0.1", provider.port), timeout=PATIENCE_SECONDS) as line:
        try:
            for part in parts:
                line.sendall(part)
            if is_cut_off:
                line.shutdown(socket.SHUT_WR)
            while not is_whole(received):
                more = line.recv(65536)
                if not more:
                    break
                received += more
        except (ConnectionResetError, BrokenPipeError):
            pass  # it hung up on us, which is an answer
    return received


def is_whole(received: bytes) -> bool:
    """Tell whether a whole answer with a known length is there."""
    head, separator, body = received.partition(b"\r\n\r\n")
    length = re.search(rb"(?im)^content-length: *(\d+)", head)
    return bool(separator and length and len(body) >= int(length[1]))


def status_of(answer: bytes) -> int:
    found = re.match(rb"HTTP/1\.[01] (\d{3})", answer)
    return int(found[1]) if found else 0


def chunked(size: int) -> bytes:
    """Give a form of `size` bytes in chunks."""
    body = b"x=" + b"y" * (size - 2)
    pieces = [body[start : start + 8192] for start in range(0, len(body), 8192)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


STRANGE = {
    "a form in chunks": b"POST /token" + HEAD + FORM + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(100),
    "a megabyte in chunks for software": b"POST /token" + HEAD + FORM + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(MEGABYTE),
    "a megabyte in chunks for people": b"POST /" + HEAD + FORM + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(MEGABYTE),
    "a megabyte": b"POST /token" + HEAD + FORM + b"Content-Length: %d\r\n\r\n" % MEGABYTE + b"x" * MEGABYTE,
    "a form without a length": b"POST /token" + HEAD + FORM + b"\r\n",
    "a length that is no number": b"POST /token" + HEAD + FORM + b"Content-Length: abc\r\n\r\nx=1",
    "a length below nothing": b"POST /token" + HEAD + FORM + b"Content-Length: -1\r\n\r\nx=1",
    "two lengths": b"POST /token" + HEAD + FORM + b"Content-Length: 3\r\nContent-Length: 30\r\n\r\nx=1",
    "a length and chunks": b"POST /token" + HEAD + FORM + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a chunk that lies": b"POST /token" + HEAD + FORM + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nx=1\r\n0\r\n\r\n",
    "a header of 200 KB": b"GET /" + HEAD + b"X: " + b"y" * 200_000 + b"\r\n\r\n",
    "5000 headers": b"GET /" + HEAD + b"".join(b"X-%d: y\r\n" % number for number in range(5000)) + b"\r\n",
    "a query of 200 KB": b"GET /authorize?" + b"x" * 200_000 + HEAD + b"\r\n",
    "a NUL in a header": b"GET /" + HEAD + b"X: a\0b\r\n\r\n",
    "a NUL in the path": b"GET /a\0b" + HEAD + b"\r\n",
    "a path that is not UTF-8": b"GET /register/\xff\xfe" + HEAD + b"\r\n",
    "a path that is not UTF-8, encoded": b"GET /register/%ff%fe%00" + HEAD + b"\r\n",
    "an authorization that is not UTF-8": b"GET /userinfo" + HEAD + b"Authorization: Bearer \xff\xfe\r\n\r\n",
    "the address of another": b"GET http://evil.example/" + HEAD + b"\r\n",
    "no path": b"GET *" + HEAD + b"\r\n",
    "a version that does not exist": b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n",
    "no version": b"GET /\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 200,
    "noise": bytes(range(256)) * 20 + b"\r\n\r\n",
    "a query that is not UTF-8": b"GET /?x=\xff" + HEAD + b"\r\n",
    "a cookie that is not UTF-8": b"GET /authorize/x" + HEAD + b"Cookie: x=\xff\r\n\r\n",
}


@pytest.mark.parametrize("request_", STRANGE.values(), ids=STRANGE)
def test_strange_requests_harm_nobody(provider: Running, request_: bytes) -> None:
    """No defect answers, and the next caller is served."""
    answer = said(provider, request_)

    assert status_of(answer) < 500, answer[:200]
    assert b"Traceback" not in answer
    assert httpx2.get(f"{provider.address}/healthz", trust_env=False, timeout=PATIENCE_SECONDS).json() == {"status": "ok"}


def test_too_large_bodies_are_told(provider: Running) -> None:
    for name, kind in (("a megabyte", b"application/json"), ("a megabyte in chunks for software", b"application/json")):
        answer = said(provider, STRANGE[name])
        assert status_of(answer) == 413, answer[:200]
        assert kind in answer
        assert b"no-store" in answer


@pytest.mark.parametrize(
    "path, told",
    [(b"/token", b'"error":"invalid_request"'), (b"/register/resume", b'data-error="bad_request"')],
    ids=["software", "people"],
)
def test_a_body_that_never_comes_ends_with_its_connection(provider: Running, path: bytes, told: bytes) -> None:
    """Whoever is cut off in the middle of a form has not sent it."""
    promised = b"POST " + path + HEAD + FORM + b"Content-Length: 5000\r\n\r\n"

    answer = said(provider, promised, b"grant_type=refresh_token", is_cut_off=True)

    assert status_of(answer) == 400, answer[:200]
    assert told in answer
    assert '"event": "defect"' not in provider.log
    assert httpx2.get(f"{provider.address}/healthz", trust_env=False, timeout=PATIENCE_SECONDS).status_code == httpx2.codes.OK


def test_two_requests_in_one_breath_are_two(provider: Running) -> None:
    one = b"GET /healthz" + HEAD + b"\r\n"
    last = b"GET /jwks HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", provider.port), timeout=PATIENCE_SECONDS) as line:
        line.sendall(one + last)
        received = b"".join(iter(lambda: line.recv(65536), b""))

    assert [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3})", received)] == [200, 200]
