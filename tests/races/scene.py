"""The scene of a race: a provider on stores of its own, and processes of attackers that share the stores with it."""

import json
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, text
from werkzeug.test import Client as Browser

from idp.config import Config
from idp.protocol.clients import Client
from tests.instances import ROOT, Run
from tests.races.attacker import READY
from tests.races.attacks import WON
from tests.serve.server import OwnRedis
from tests.world import REDIRECT_URI, VERIFIER, World

THREADS = 50
# What those who waited too long for a store on a busy machine are told instead; and it is never all of them.
BUSY = {"store_unavailable", "temporarily_unavailable", "unavailable"}
GRACE = timedelta(minutes=2)  # longer than a race takes on the busiest machine; tests/races/test_same_moment.py has the default


@dataclass
class Ends:
    """How the attackers ended."""

    of_all: list[tuple[str, dict[str, Any]]]

    @property
    def won(self) -> list[dict[str, Any]]:
        """Give what the winners were given."""
        return [gave for end, gave in self.of_all if end == WON]

    @property
    def lost(self) -> set[str]:
        """Give the names of the errors of all others, but for `BUSY`."""
        return {end for end, _ in self.of_all} - {WON} - BUSY

    @property
    def told(self) -> Counter[str]:
        """Count the ends by name, for the message of a failure."""
        return Counter(end for end, _ in self.of_all)


class Attackers:
    """One process of attackers."""

    def __init__(self, settings: dict[str, Any], folder: Path) -> None:
        self.log = folder / "attackers.log"
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.races.attacker", json.dumps(settings)],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                encoding="utf-8",
                start_new_session=True,
            )

    def tell(self, line: str) -> None:
        """Send a line."""
        assert self._process.stdin
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def hear(self) -> str:
        """Wait for a line."""
        assert self._process.stdout
        line = self._process.stdout.readline().strip()
        assert line, self.log.read_text(encoding="utf-8")[-3000:]
        return line

    def end(self) -> None:
        """Let it end by itself."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()


@dataclass
class Scene:
    """The provider of the test's own process, and as many processes of attackers as the test wants."""

    world: World
    attackers: list[Attackers]
    processes: int = 1

    def race(self, attack: str, **named: Any) -> Ends:
        """Let fifty at once run an attack, in equal parts in each process."""
        threads, parts = THREADS // self.processes, self.attackers[: self.processes]
        for number, part in enumerate(parts):
            part.tell(json.dumps({"attack": attack, "named": named, "threads": threads, "first": number * threads}))
        for part in parts:
            assert part.hear() == READY
        for part in parts:
            part.tell("go")
        return Ends([(end, gave) for part in parts for end, gave in json.loads(part.hear())])

    def signed_in(self) -> tuple[Browser, Client, str, str]:
        """Give a signed-in browser with a new portal and its secret, and whose the account is."""
        client, secret = self.world.client()
        account, browser = self.world.account(), self.world.browser()
        self.world.sign_in(browser, account)
        return browser, client, secret, account

    @contextmanager
    def later(self, by: timedelta) -> Iterator[None]:
        """Let the database's time in this process be later by so much."""
        database = self.world.services.database
        database.offset += by
        try:
            yield
        finally:
            database.offset -= by


def redemption(client: Client, secret: str, code: str) -> dict[str, str]:
    """Name what the attack `redeem` wants."""
    return {"client_id": client.client_id, "secret": secret, "code": code, "redirect_uri": REDIRECT_URI, "code_verifier": VERIFIER}


def refreshing(client: Client, secret: str, refresh_token: str) -> dict[str, str]:
    """Name what the attack `refresh` wants."""
    return {"client_id": client.client_id, "secret": secret, "refresh_token": refresh_token}


@contextmanager
def scene_on(stack: str, folder: Path, server: Engine | None) -> Iterator[Scene]:
    """Build a scene on `embedded` stores or on `production` ones."""
    with ExitStack() as ending:
        settings = _settings(folder)
        if stack == "production":
            assert server is not None
            own_redis = OwnRedis(folder)
            own_redis.start()
            ending.callback(own_redis.stop)
            settings["database"] = {"url": ending.enter_context(_own_database(server))}
            settings["short_lived"] = {"url": own_redis.url}
        attackers = [Attackers(settings, folder) for _ in range(2)]
        for part in attackers:
            ending.callback(part.end)
        world = World.build(Config.model_validate(settings))
        ending.callback(world.services.database.close)
        for part in attackers:
            assert part.hear() == READY
        yield Scene(world, attackers)


def _settings(folder: Path) -> dict[str, Any]:
    return {
        "mode": "sandbox",
        "issuer": "http://localhost:8400",
        "database": {"url": f"sqlite:///{folder}/senid.db"},
        "short_lived": {"url": f"sqlite:///{folder}/short-lived.db"},
        "keys": {"folder": str(folder / "keys")},
        "passwords": {"memory_kib": 8, "iterations": 1},
        "tokens": {"refresh_race_grace": f"{int(GRACE.total_seconds())}s"},
        "outside": {
            "carrier": {"name": "carrier", "url": "http://127.0.0.1:9/carrier"},
            "sms": [{"name": "first", "url": "http://127.0.0.1:9/first"}, {"name": "second", "url": "http://127.0.0.1:9/second"}],
        },
    }


@contextmanager
def _own_database(server: Engine) -> Iterator[str]:
    name = f"race_{uuid.uuid4().hex}"
    with server.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE template_senid STRATEGY file_copy"))
    yield Run.current().postgresql(name)
    with server.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
