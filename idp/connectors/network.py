"""The sockets of our outbound calls: none outlives its call's deadline, none reaches an address that its guard refuses."""

import socket
import ssl
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import httpcore2

Address = IPv4Address | IPv6Address
AddressGuard = Callable[[Address], bool]

_DEADLINE: ContextVar[float] = ContextVar("deadline")
_NAT64 = ip_network("64:ff9b::/96")


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Bound every connect, read and write inside the block together, so that a peer that drips bytes cannot stretch the call."""
    token = _DEADLINE.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _DEADLINE.reset(token)


def remaining() -> float:
    """Give the seconds that the current call has left; raises `httpcore2.TimeoutException` when it has none."""
    left = _DEADLINE.get() - time.monotonic()
    if left <= 0:
        raise httpcore2.TimeoutException("the call's deadline is over")
    return left


def is_public(address: Address) -> bool:
    """Tell whether `address` is on the public internet, also where IPv6 wraps an IPv4 address."""
    inner = _wrapped(address)
    if inner is not None:
        return is_public(inner)
    return address.is_global and not address.is_multicast


def is_public_or_loopback(address: Address) -> bool:
    """Tell whether `address` is public, or this machine itself: for the sandbox alone."""
    inner = _wrapped(address) or address
    return inner.is_loopback or is_public(inner)


def _wrapped(address: Address) -> IPv4Address | None:
    if isinstance(address, IPv4Address):
        return None
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)


class BoundedStream(httpcore2.NetworkStream):
    """A connection whose every wait ends with the current call's deadline."""

    def __init__(self, stream: httpcore2.NetworkStream) -> None:
        """Take the connection to bound."""
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002 - the deadline is tighter than any single wait
        """Give what has arrived."""
        return self._stream.read(max_bytes, remaining())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002 - as in read
        """Send `buffer`."""
        self._stream.write(buffer, remaining())

    def close(self) -> None:
        """Close the connection."""
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002 - as in read
    ) -> httpcore2.NetworkStream:
        """Give the same connection under TLS."""
        return BoundedStream(self._stream.start_tls(ssl_context, server_hostname, remaining()))

    def get_extra_info(self, info: str) -> object:
        """Give what the transport asks of the socket."""
        return self._stream.get_extra_info(info)


class BoundedNetwork(httpcore2.NetworkBackend):
    """Opens connections within the deadline, to addresses that `guard` permits.

    The name is resolved here and the very address that was judged is dialled, so that a second answer of the name server cannot lead
    elsewhere (DNS rebinding). The look-up itself is bounded by the resolver's own configuration alone.
    """

    def __init__(self, guard: AddressGuard | None) -> None:
        """Take the `guard`; None trusts every address, for systems that the operator configured."""
        self._guard = guard
        self._sockets = httpcore2.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002 - the deadline is tighter
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        """Connect to `host`."""
        trouble: httpcore2.NetworkError | httpcore2.TimeoutException | None = None
        for address in self._addresses(host, port):
            try:
                stream = self._sockets.connect_tcp(address, port, remaining(), local_address, socket_options)
            except (httpcore2.NetworkError, httpcore2.TimeoutException) as error:
                trouble = error
            else:
                return BoundedStream(stream)
        raise trouble or httpcore2.ConnectError("the name has no address")

    def _addresses(self, host: str, port: int) -> list[str]:
        """Resolve `host`; one refused address refuses the name."""
        if self._guard is None:
            return [host]
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            raise httpcore2.ConnectError("the name cannot be resolved") from None
        addresses = list(dict.fromkeys(str(item[4][0]) for item in found))
        if not all(self._guard(ip_address(address)) for address in addresses):
            raise httpcore2.ConnectError("the address is refused")
        return addresses
