"""A provider whose servers die at a storage call of one's choice, on SQLite files or PostgreSQL and Redis, and a node that lives."""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import httpx2
from sqlalchemy import Engine, text

from idp.config import Config
from idp.protocol.clients import Client
from tests.crashes.citizen import Citizen
from tests.crashes.provider import BORN, CALLS, READY, WARM
from tests.instances import ROOT, Run
from tests.serve.server import OwnRedis
from tests.wire import Tally, postgresql_proxy, redis_proxy
from tests.world import World

Stack = Literal["embedded", "production"]
STACKS: tuple[Stack, ...] = ("embedded", "production")
END_SECONDS = 30
WARM_SERIAL = 999_999


@dataclass
class House:
    """The servers that die, one after the other at one address, `world`, another node on the same stores in this process, and a portal."""

    stack: Stack
    address: str
    folder: Path
    world: World
    client: Client
    secret: str
    tally: Tally
    _program: "subprocess.Popen[str]"
    _server: int = field(default=0)

    def serve(self, *, end_at: int | None = None) -> None:
        """Start a server in the place of the last one; it dies when storage call `end_at` of it has taken effect."""
        for name in (BORN, CALLS):
            os.truncate(self.folder / name, 0)
        self.tally.reset()
        self._tell(json.dumps({"end_at": end_at if self.stack == "embedded" else None}))
        self._server = int(self._hear())
        if end_at and self.stack == "production":
            self.tally.at(end_at, self._kill)

    def calls(self) -> list[str]:
        """Give the storage calls of the present server, or of the last one."""
        return self.tally.calls() if self.stack == "production" else (self.folder / CALLS).read_text().splitlines()

    def born(self) -> list[str]:
        """Give every secret that it has made: of tokens, sessions and all else."""
        return (self.folder / BORN).read_text().splitlines()

    def has_died(self) -> bool:
        """Tell whether the present server ends: its connections break a moment before."""
        descriptor = os.pidfd_open(self._server)
        try:
            return bool(select.select([descriptor], [], [], END_SECONDS)[0])
        finally:
            os.close(descriptor)

    def _kill(self) -> None:
        os.kill(self._server, signal.SIGKILL)
        assert self.has_died()

    def _tell(self, line: str) -> None:
        assert self._program.stdin
        self._program.stdin.write(f"{line}\n")
        self._program.stdin.flush()

    def _hear(self) -> str:
        assert self._program.stdout
        line = self._program.stdout.readline().strip()
        assert line, (self.folder / "provider.log").read_text(encoding="utf-8")[-3000:]
        return line


@contextmanager
def house_on(stack: Stack, folder: Path, server: Engine) -> Iterator[House]:
    """Build a house on stores of its own."""
    tally = Tally()
    with ExitStack() as ending:
        listener = ending.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(16)
        address = f"http://localhost:{listener.getsockname()[1]}"
        direct = through = _settings(folder, address)
        if stack == "production":
            own_redis = OwnRedis(folder)
            own_redis.start()
            ending.callback(own_redis.stop)
            url = ending.enter_context(_own_database(server))
            rows = ending.enter_context(postgresql_proxy(url, tally))
            values = ending.enter_context(redis_proxy(own_redis.url, tally))
            direct = {**direct, "database": {"url": url}, "short_lived": {"url": own_redis.url}}
            through = {**direct, "database": {"url": rows.url}, "short_lived": {"url": values.url}}
        program = ending.enter_context(_program(through, folder, listener))
        world = World.build(Config.model_validate(direct))
        ending.callback(world.services.database.close)
        client, secret = world.client()
        house = House(stack, address, folder, world, client, secret, tally, program)
        assert house._hear() == READY
        _warm_up(house)
        yield house


def _warm_up(house: House) -> None:
    """Let somebody walk all pages while the program still serves by itself."""
    citizen = Citizen(house.address, house.client, WARM_SERIAL)
    citizen.arrive()
    citizen.close()
    citizen = Citizen(house.address, house.client, WARM_SERIAL, has_account=True)
    citizen.arrive()
    citizen.close()
    httpx2.get(f"{house.address}{WARM}", trust_env=False)


@contextmanager
def _program(settings: dict[str, Any], folder: Path, listener: socket.socket) -> Iterator["subprocess.Popen[str]"]:
    number = listener.fileno()
    with (folder / "provider.log").open("wb") as log:
        program = subprocess.Popen(
            [sys.executable, "-m", "tests.crashes.provider", json.dumps(settings), str(folder), str(number)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            encoding="utf-8",
            pass_fds=[number],
            start_new_session=True,
        )
    assert program.stdin
    assert program.stdout
    try:
        yield program
    finally:
        with suppress(BrokenPipeError):
            program.stdin.close()
        try:
            program.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            program.kill()
            program.wait()
        program.stdout.close()


def _settings(folder: Path, address: str) -> dict[str, Any]:
    """Give a configuration under which one machine may do in a minute what people do in a day."""
    return {
        "mode": "sandbox",
        "issuer": address,
        "server": {"trusted_proxies": ["127.0.0.1/32"]},
        "database": {"url": f"sqlite:///{folder}/senid.db"},
        "short_lived": {"url": f"sqlite:///{folder}/short-lived.db"},
        "keys": {"folder": str(folder / "keys")},
        "passwords": {"memory_kib": 8, "iterations": 1},
        "one_time_codes": {"resend_wait": "0s"},
        "outside": {
            "carrier": {"name": "carrier", "url": "http://127.0.0.1:9/carrier"},
            "sms": [{"name": "first", "url": "http://127.0.0.1:9/first"}, {"name": "second", "url": "http://127.0.0.1:9/second"}],
        },
    }


@contextmanager
def _own_database(server: Engine) -> Iterator[str]:
    name = f"crash_{uuid.uuid4().hex}"
    with server.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE template_senid STRATEGY file_copy"))
    yield Run.current().postgresql(name)
    with server.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
