"""The real application over its WSGI callable, with a clock, a phone and people of its own: what the suite drives in this process."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from idp import services as product
from idp.clock import Clock
from idp.connectors.carrier import HttpCarrier
from idp.connectors.sms import FailoverSms
from idp.identity import phone_numbers
from idp.protocol.clients import Client
from idp.services import Services
from idp.storage.short_lived import EmbeddedShortLived
from tests.clock import MovableClock
from tests.conformance.suite import RegisteredClient, Visitor
from tests.fakes import FakeCarrier, FakeSms
from tests.world import PASSWORD, World, sandbox_config

ISSUER = "https://senid.example"
SUITE = "https://suite.example/test/a/senid"
REDIRECT_URI = f"{SUITE}/callback"
SIGNED_OUT_URI = f"{SUITE}/post_logout_redirect"
SCOPES = ("openid", "profile", "email", "phone", "address", "offline_access")


class Timepiece(MovableClock):
    """Stands still in a test; the database's own time, which some tokens are dated by, runs on, so each test begins by catching up."""

    def catch_up(self) -> None:
        """Go to where the followers are."""
        self._now = Clock.now(self) + self._moved


@dataclass
class Provider:
    """One provider for all tests of a worker: each brings people of its own, and moves the clock ahead as it needs."""

    world: World
    clock: Timepiece
    sms: FakeSms
    clients: dict[str, RegisteredClient] = field(default_factory=dict)
    issuer: str = ISSUER
    _addresses: int = 0
    _people: int = 0

    @property
    def services(self) -> Services:
        """Give the domain."""
        return self.world.services

    def now(self) -> float:
        """Give the time at which the clock stands."""
        return self.clock.now().timestamp()

    def wait(self, seconds: int) -> None:
        """Move the clock."""
        self.clock.move(timedelta(seconds=seconds))

    def http(self) -> httpx2.Client:
        """Give connections of somebody new, from an address of their own."""
        self._addresses += 1
        address = f"198.18.{self._addresses // 250}.{self._addresses % 250 + 1}"
        return httpx2.Client(transport=httpx2.WSGITransport(app=self.world.app, remote_addr=address), base_url=self.issuer)

    def person(self) -> Visitor:
        """Bring somebody with an account and all that we can know of a person."""
        self._people += 1
        id_number, phone = f"001190{self._people:06}", f"0987{self._people:06}"
        self.world.account(id_number, phone, email=f"person{self._people}@example.vn")
        number = phone_numbers.parse(phone).e164
        return Visitor(self.http(), {"id_number": id_number, "password": PASSWORD}, read_code=lambda: self.sms.last_code(number))

    def register(self, name: str, **changes: Any) -> RegisteredClient:
        """Register a static client, as an operator does for the suite: PKCE optional, RS256."""
        wanted = {"redirect_uris": (REDIRECT_URI,), "pkce": "optional", "id_token_algorithm": "RS256", "scopes": SCOPES, **changes}
        client, secret = self.world.client(
            client_id=f"{name}-{self.world.made}", sector="suite.example", post_logout_redirect_uris=(SIGNED_OUT_URI,), **wanted
        )
        self.clients[name] = _registered(client, secret)
        return self.clients[name]


def _registered(client: Client, secret: str) -> RegisteredClient:
    [redirect_uri, *_] = client.redirect_uris
    return RegisteredClient(client.client_id, secret, redirect_uri, client.auth_method, client.id_token_algorithm, SIGNED_OUT_URI)


def static_clients(provider: Provider) -> Mapping[str, RegisteredClient]:
    """Register the three clients of the plans."""
    for name, auth_method in (
        ("client", "client_secret_basic"),
        ("client2", "client_secret_basic"),
        ("client_secret_post", "client_secret_post"),
    ):
        provider.register(name, auth_method=auth_method)
    return provider.clients


@contextmanager
def running(folder: Path) -> Iterator[Provider]:
    """Build the application as the product does, but for the clock, the carrier and the gateway."""
    clock, sms = Timepiece(), FakeSms()
    short_lived = EmbeddedShortLived(folder / "short-lived.db", clock=clock)
    config = sandbox_config(folder).model_copy(update={"issuer": ISSUER})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(product, "Clock", lambda: clock)
        patch.setattr(product, "open_short_lived", lambda _url: short_lived)
        patch.setattr(HttpCarrier, "configured", lambda _gateway: FakeCarrier())
        patch.setattr(FailoverSms, "configured", lambda _gateways: sms)
        world = World.build(config)
    clock.lead(world.services.database)
    provider = Provider(world, clock, sms)
    static_clients(provider)
    yield provider
    world.services.database.close()
    short_lived.close()
