"""The provider as a program on a port of its own, logging all that it can, with a carrier and an SMS gateway that live in the test."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from idp import config as configuration
from idp import services as product
from idp.protocol.clients import Client
from idp.storage.db import open_database
from idp.values import LocalText
from tests.abuse.stores import Files, Stores
from tests.connectors.local_servers import Exchange, LocalServer, serving
from tests.instances import ROOT
from tests.world import REDIRECT_URI

START_SECONDS = 90
STOP_SECONDS = 30
GATEWAY_TOKEN = "gateway-token-5b1f0c7e9a"
CONFIG = """\
mode = "sandbox"
issuer = "http://localhost:{port}"

[server]
listen = "127.0.0.1:{port}"
threads = 4

[database]
url = "{database}"

[short_lived]
url = "{short_lived}"

[keys]
folder = "{folder}/keys"

[passwords]
memory_kib = 8
iterations = 1

[one_time_codes]
resend_wait = "0s"

[log]
level = "DEBUG"

[outside.carrier]
name = "carrier"
url = "{outside}/carrier"
token = "{token}"

[[outside.sms]]
name = "first"
url = "{outside}/first"
token = "{token}"

[[outside.sms]]
name = "second"
url = "{outside}/second"
token = "{token}"
"""


@dataclass
class Outside:
    """The carrier, which matches everybody, and two gateways, of which the first one fails and repeats what it was told."""

    texts: list[tuple[str, str]] = field(default_factory=list)

    def answer(self, exchange: Exchange) -> None:
        """Answer one call."""
        assert isinstance(exchange.server, LocalServer)
        content = exchange.server.received[-1].json()
        assert isinstance(content, dict)
        if exchange.path.startswith("/carrier"):
            exchange.answer({"verdict": "match", "carrier": "viettel", "fields_matched": ["phone", "id_number", "full_name", "birth_date"]})
        elif exchange.path.startswith("/first"):
            exchange.answer({"error": f"cannot send {content}"}, status=500)
        else:
            self.texts.append((content["to"], content["text"]))
            exchange.answer({"status": "accepted"})

    def code(self) -> str:
        """Give the newest one-time code."""
        found = re.search(r"\b\d{6}\b", self.texts[-1][1])
        assert found
        return found[0]


@dataclass(frozen=True)
class Running:
    """Where it is, and what the outside world was told."""

    port: int
    folder: Path
    outside: Outside
    stores: Stores

    @property
    def address(self) -> str:
        """Give the issuer."""
        return f"http://localhost:{self.port}"

    @property
    def log(self) -> str:
        """Give everything that it said."""
        return (self.folder / "provider.log").read_text(encoding="utf-8")

    def register_portal(self) -> tuple[Client, str]:
        """Register a portal, as an operator does; gives it with its secret."""
        config = configuration.load(self.folder / "config.toml")
        database = open_database(config.database.url.get_secret_value())
        wanted = Client(
            client_id=f"portal-{time.monotonic_ns()}",
            name=LocalText("Cổng tỉnh", "Province portal"),
            auth_method="client_secret_basic",
            redirect_uris=(REDIRECT_URI,),
            post_logout_redirect_uris=("https://portal.example/signed-out",),
            sector="portal.example",
            scopes=("openid", "profile", "email", "phone", "assurance", "id_number", "offline_access"),
        )
        try:
            client, secret = product.build(config, database).clients.add(wanted)
        finally:
            database.close()
        return client, secret or ""


@contextmanager
def running(folder: Path, other_stores: Stores | None = None) -> Iterator[Running]:
    """Run the provider for the time of the block, on files in `folder` or on other stores; what it writes stays there."""
    outside = Outside()
    stores = other_stores or Files(folder)
    with serving(outside.answer) as server, (folder / "provider.log").open("wb") as log:
        port = _free_port()
        config = folder / "config.toml"
        places = {"folder": folder, "database": stores.database_url, "short_lived": stores.short_lived_url, "outside": server.url}
        config.write_text(CONFIG.format(port=port, token=GATEWAY_TOKEN, **places), encoding="utf-8")
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.abuse.provider"],
            cwd=ROOT,
            env={**os.environ, "SENID_CONFIG": str(config)},
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            provider = Running(port, folder, outside, stores)
            _await(provider, process)
            yield provider
        finally:
            _stop(process)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _await(provider: Running, process: "subprocess.Popen[bytes]") -> None:
    give_up_at = time.monotonic() + START_SECONDS
    while time.monotonic() < give_up_at and process.poll() is None:
        with suppress(httpx2.TransportError):
            if httpx2.get(f"{provider.address}/readyz", trust_env=False).status_code == httpx2.codes.OK:
                return
        threading.Event().wait(0.1)
    raise AssertionError(f"the provider does not answer:\n{provider.log[-3000:]}")


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdin:
        process.stdin.close()
