"""A provider under measurement as its portals see it: where it listens, what it serves, which clients and browsers it knows."""

import json
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from joserfc.jwk import KeySet

from bench.wire import Answer, Cookies, Writer, read_answer

DISCOVERY = "/.well-known/openid-configuration"
REDIRECT_URI = "https://portal.bench.example/callback"
SCOPE = "openid profile email"
ALGORITHMS = ("ES256", "RS256")
OK = 200
ASK_SECONDS = 10.0


@dataclass(frozen=True)
class PortalClient:
    """A registered client, which authenticates by client_secret_basic."""

    client_id: str
    secret: str

    def __repr__(self) -> str:
        """Hide the secret."""
        return f"PortalClient({self.client_id!r})"


@dataclass(frozen=True)
class Clients:
    """The clients of the bench: by the algorithm of their ID tokens those with codes alone and with refresh tokens, and a machine's."""

    with_code: Mapping[str, PortalClient]
    with_refresh: Mapping[str, PortalClient]
    machine: PortalClient | None


@dataclass(frozen=True)
class Provider:
    """One that runs and can be driven."""

    name: str
    issuer: str
    port: int
    metadata: Mapping[str, Any]
    keys: KeySet
    clients: Clients
    browsers: Sequence[Cookies]  # one for each virtual user

    @property
    def address(self) -> tuple[str, int]:
        """Give where it listens."""
        return "127.0.0.1", self.port

    @property
    def host(self) -> str:
        """Give the host that people ask for."""
        return urlsplit(self.issuer).netloc

    def path(self, name: str) -> str:
        """Give the path of an endpoint by its name in the discovery document."""
        return urlsplit(str(self.metadata[name])).path

    def lacks(self, operation: str) -> str | None:
        """Give what an operation needs and the discovery document does not offer, or None."""
        if operation == "introspect" and "introspection_endpoint" not in self.metadata:
            return "no introspection_endpoint in its discovery document"
        if operation == "client_credentials" and "client_credentials" not in self.metadata.get("grant_types_supported", ()):
            return "no client_credentials in its grant_types_supported"
        if operation == "client_credentials" and self.clients.machine is None:
            return "no client registered for it"
        return None


def ask(port: int, host: str, path: str, *, timeout: float = ASK_SECONDS) -> Answer:
    """Send one GET on a connection of its own; raises `OSError` when nobody answers."""
    with socket.create_connection(("127.0.0.1", port), timeout) as connection:
        connection.sendall(Writer(host, "127.0.0.1").get(path))
        arrived = b""
        while chunk := connection.recv(65_536):
            arrived += chunk
            answer = read_answer(arrived)
            if answer is not None:
                return answer
    raise OSError("the connection ended without an answer")


def document(port: int, host: str, path: str) -> dict[str, Any]:
    """Read a JSON document; raises `OSError` when it is not there."""
    answer = ask(port, host, path)
    if answer.status != OK:
        raise OSError(f"{path}: status {answer.status}")
    found: dict[str, Any] = json.loads(answer.body)
    return found


def await_discovery(port: int, host: str, *, is_alive: Callable[[], bool], seconds: float = 60.0) -> float:
    """Wait for the first 200 of the discovery document; gives when it came."""
    give_up_at = time.perf_counter() + seconds
    while time.perf_counter() < give_up_at and is_alive():
        with suppress(OSError):
            if ask(port, host, DISCOVERY).status == OK:
                return time.perf_counter()
        time.sleep(0.005)
    raise OSError("no answer at the discovery document")
