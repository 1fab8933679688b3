"""Nodes of one provider on the same stores, each with a clock of its own; the time of the stores is nobody's but theirs."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from werkzeug.test import Client as Browser

from idp import services as product
from idp.config import Config
from idp.connectors.carrier import HttpCarrier
from idp.connectors.sms import FailoverSms
from idp.protocol.clients import Client
from idp.services import Services
from idp.storage.short_lived import ShortLived
from tests.clock import MovableClock
from tests.fakes import FakeCarrier, FakeSms
from tests.world import World, session_cookie

SECOND = timedelta(seconds=1)
SKEW = timedelta(seconds=60)
RACE_GRACE = timedelta(minutes=2)  # long enough that a busy machine does not leave it by itself
HOUR = timedelta(hours=1)
OpenStore = Callable[[], ShortLived]


@dataclass(frozen=True)
class Node:
    """One process of the provider, and what its machine takes for the time."""

    world: World
    clock: MovableClock

    @property
    def services(self) -> Services:
        """Give the domain."""
        return self.world.services

    def signed_in(self, account_id: str) -> Browser:
        """Give a browser that has signed in here, at the time of this node."""
        browser = self.world.browser()
        self.world.sign_in(browser, account_id, at=self.clock.now())
        return browser

    def moved_here(self, browser: Browser) -> Browser:
        """Let the load balancer send a browser here from now on."""
        browser.application = self.world.app
        return browser

    def knows(self, browser: Browser) -> bool:
        """Tell whether the browser is signed in, as this node sees it."""
        return self.services.sessions.find(session_cookie(browser, self.world.cookies)) is not None

    def userinfo(self, access_token: str) -> int:
        """Give the status of the answer about an access token."""
        return self.world.browser().get("/userinfo", headers={"Authorization": f"Bearer {access_token}"}).status_code

    def refresh(self, client: Client, secret: str, token: str) -> tuple[int, dict[str, Any]]:
        """Refresh; gives status and body."""
        form = {"grant_type": "refresh_token", "refresh_token": token, "client_id": client.client_id, "client_secret": secret}
        answer = self.world.browser().post("/token", data=form)
        return answer.status_code, dict(answer.json or {})


@dataclass(frozen=True)
class Citizen:
    """Somebody with an account, and what to sign in with."""

    account_id: str
    id_number: str
    phone: str


@dataclass
class Cluster:
    """Stores, and two nodes on them: one whose clock is ahead, one whose clock is right.

    `time` is that of the stores: the database follows it, and the embedded store is moved by it; the time of Redis is its own.
    """

    config: Config
    open_store: OpenStore
    time: MovableClock
    is_one_machine: bool
    redis_url: str = ""
    sms: FakeSms = field(default_factory=FakeSms)
    nodes: tuple[Node, Node] = field(init=False)
    _made: int = 0

    def __post_init__(self) -> None:
        self.nodes = (self._start(), self._start())
        self.align()

    @property
    def right(self) -> Node:
        """Give the node whose clock is right."""
        return self.nodes[1]

    def align(self) -> None:
        """Set the clocks of the nodes: one a minute ahead of the stores' time, one right."""
        for node, ahead in zip(self.nodes, (SKEW, timedelta(0)), strict=True):
            node.clock.move(self.time.now() + ahead - node.clock.now())

    def pass_time(self, by: timedelta) -> None:
        """Let time pass, for the stores and for every node."""
        self.time.move(by)
        for node in self.nodes:
            node.clock.move(by)

    def step(self, by: timedelta) -> None:
        """Set the clock of a machine: where everything is on one, the stores' time with it."""
        if self.is_one_machine:
            self.pass_time(by)
        else:
            for node in self.nodes:
                node.clock.move(by)

    def portal(self, **changes: Any) -> tuple[Client, str]:
        """Register a portal."""
        return self.nodes[0].world.client(**{"auth_method": "client_secret_post", **changes})

    def citizen(self) -> Citizen:
        """Register somebody."""
        self._made += 1
        id_number, phone = f"001190{self._made:06}", f"0987{self._made:06}"
        return Citizen(self.right.world.account(id_number, phone), id_number, phone)

    def close(self) -> None:
        """Close the databases of the nodes."""
        for node in self.nodes:
            node.services.database.close()

    def _start(self) -> Node:
        clock = MovableClock(self.time.now())
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(product, "Clock", lambda: clock)
            patch.setattr(product, "open_short_lived", lambda _url: self.open_store())
            patch.setattr(HttpCarrier, "configured", lambda _gateway: FakeCarrier())
            patch.setattr(FailoverSms, "configured", lambda _gateways: self.sms)
            world = World.build(self.config)
        self.time.lead(world.services.database)
        return Node(world, clock)


def whole_second() -> datetime:
    """Give the present second, without its fraction."""
    return datetime.now(UTC).replace(microsecond=0)
