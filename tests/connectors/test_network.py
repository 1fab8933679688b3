"""Which addresses may be dialled, and that nothing outlives its deadline."""

from ipaddress import ip_address

import httpcore2
import pytest

from idp.connectors.network import BoundedNetwork, deadline, is_public, is_public_or_loopback, remaining

PRIVATE = [
    "10.0.0.1",
    "172.16.3.4",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",  # noqa: S104 - an address to refuse
    "224.0.0.1",
    "255.255.255.255",
    "fe80::1",
    "fc00::1",
    "::",
    "ff02::1",
    "::ffff:10.0.0.1",
    "2002:0a00:0001::",
    "64:ff9b::10.0.0.1",
]
LOOPBACK = ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "64:ff9b::127.0.0.1"]
PUBLIC = ["1.1.1.1", "203.162.4.191", "2606:4700:4700::1111", "64:ff9b::1.1.1.1"]


@pytest.mark.parametrize("address", PRIVATE + LOOPBACK)
def test_an_address_inside_is_refused(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_permitted(address: str) -> None:
    assert is_public(ip_address(address))
    assert is_public_or_loopback(ip_address(address))


@pytest.mark.parametrize("address", PRIVATE)
def test_the_sandbox_too_refuses_other_machines_inside(address: str) -> None:
    assert not is_public_or_loopback(ip_address(address))


@pytest.mark.parametrize("address", LOOPBACK)
def test_the_sandbox_permits_this_machine(address: str) -> None:
    assert is_public_or_loopback(ip_address(address))


def test_one_refused_address_refuses_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [(0, 0, 0, "", ("1.1.1.1", 443)), (0, 0, 0, "", ("10.0.0.1", 443))]
    monkeypatch.setattr("socket.getaddrinfo", lambda *_args, **_options: answers)
    with deadline(1), pytest.raises(httpcore2.ConnectError, match="refused"):
        BoundedNetwork(is_public).connect_tcp("keys.example", 443)


def test_a_name_without_address_is_a_connection_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: object, **_options: object) -> None:
        raise OSError

    monkeypatch.setattr("socket.getaddrinfo", fail)
    with deadline(1), pytest.raises(httpcore2.ConnectError, match="resolved"):
        BoundedNetwork(is_public).connect_tcp("keys.example", 443)


def test_a_spent_deadline_stops_before_the_next_wait() -> None:
    with deadline(0), pytest.raises(httpcore2.TimeoutException):
        remaining()
