"""Clients' keys behind addresses that strangers chose."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from idp.connectors.client_keys import HttpClientKeys
from tests.connectors.local_servers import TROUBLES, answering, serving
from tests.connectors.logs import capturing

KEYS = {"keys": [{"kty": "EC", "crv": "P-256", "kid": "1"}]}


@pytest.fixture
def sandbox_keys() -> Iterator[HttpClientKeys]:
    keys = HttpClientKeys(allow_loopback=True, whole_call=timedelta(seconds=20))
    yield keys
    keys.close()


@pytest.fixture
def hasty_keys() -> Iterator[HttpClientKeys]:
    keys = HttpClientKeys(allow_loopback=True, whole_call=timedelta(seconds=0.3))
    yield keys
    keys.close()


@pytest.fixture
def keys() -> Iterator[HttpClientKeys]:
    keys = HttpClientKeys(allow_loopback=False, whole_call=timedelta(seconds=0.3))
    yield keys
    keys.close()


def test_the_sandbox_fetches_from_this_machine(sandbox_keys: HttpClientKeys) -> None:
    with serving(answering(KEYS)) as server:
        assert sandbox_keys.fetch(f"{server.url}/jwks") == KEYS
        assert sandbox_keys.fetch(f"{server.url}/jwks".replace("127.0.0.1", "localhost")) == KEYS


def test_this_machine_is_never_asked_outside_the_sandbox(keys: HttpClientKeys) -> None:
    with serving(answering(KEYS)) as server:
        port = server.server_address[1]
        for host in ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0.0.0.0", "2130706433", "127.1"):  # noqa: S104 - addresses to refuse
            assert keys.fetch(f"http://{host}:{port}/jwks") is None
            assert keys.fetch(f"https://{host}:{port}/jwks") is None
    assert server.received == []


@pytest.mark.parametrize("address", ["10.0.0.1", "192.168.1.1", "169.254.169.254", "[fd00::1]", "[::ffff:10.0.0.1]"])
def test_a_private_address_is_refused_in_the_sandbox_too(sandbox_keys: HttpClientKeys, address: str) -> None:
    assert sandbox_keys.fetch(f"https://{address}/jwks") is None


@pytest.mark.parametrize(
    "jwks_uri",
    [
        "http://example.org/jwks",
        "ftp://example.org/jwks",
        "file:///etc/passwd",
        "https://user@example.org/jwks",
        "https://user:secret@example.org/jwks",
        "https:///jwks",
        "https://example.org:port/jwks",
        "https://[::1/jwks",
        "//example.org/jwks",
        "",
        "jwks",
        "https://" + "a" * 300 + ".example/jwks",
        "https://exa\nmple.org/jwks",
    ],
)
def test_an_address_that_is_no_https_one_is_refused(sandbox_keys: HttpClientKeys, monkeypatch: pytest.MonkeyPatch, jwks_uri: str) -> None:
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("a connection was opened"))
    assert sandbox_keys.fetch(jwks_uri) is None


@pytest.mark.parametrize("trouble", TROUBLES)
def test_trouble_of_any_kind_is_none(hasty_keys: HttpClientKeys, trouble: str) -> None:
    with serving(TROUBLES[trouble]) as server:
        assert hasty_keys.fetch(server.url) is None


@pytest.mark.parametrize("value", [{}, {"keys": None}, {"keys": {}}, {"keys": ["x"]}, [], "keys"])
def test_what_is_no_key_set_is_none(sandbox_keys: HttpClientKeys, value: object) -> None:
    with serving(answering(value)) as server:
        assert sandbox_keys.fetch(server.url) is None


def test_the_query_reaches_no_log(sandbox_keys: HttpClientKeys, caplog: pytest.LogCaptureFixture) -> None:
    with capturing(caplog) as logged:
        with serving(answering({}, status=500)) as server:
            sandbox_keys.fetch(f"{server.url}/jwks?key=s3cr3t")
        sandbox_keys.fetch("http://example.org/jwks?key=s3cr3t")
    assert "jwks_uri refused" in logged.text
    assert "s3cr3t" not in logged.text
