"""PostgreSQL and Redis of one run: as in production, over TCP, on the driver's core."""

import os
import pwd
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from bench.programs import Trouble, await_answer, finish, free_port, start, stop
from tests.instances import find_postgresql, find_redis

POSTGRESQL_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "shared_buffers": "512MB",
    "max_connections": "100",
}
REDIS_SETTINGS = {"bind": "127.0.0.1", "save": "", "appendonly": "no", "databases": "4", "protected-mode": "yes"}


@dataclass(frozen=True)
class Stores:
    """Where they listen, and their processes."""

    postgresql_port: int
    redis_port: int
    pids: tuple[int, int]
    versions: tuple[str, str]

    def postgresql(self, database: str) -> str:
        """Give the URL of a database."""
        return f"postgresql+psycopg://bench@127.0.0.1:{self.postgresql_port}/{database}"

    def make_database(self, name: str) -> None:
        """Make an empty database."""
        with psycopg.connect(host="127.0.0.1", port=self.postgresql_port, user="bench", dbname="postgres", autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))

    def redis(self, number: int) -> str:
        """Give the URL of one of the databases of Redis."""
        return f"redis://127.0.0.1:{self.redis_port}/{number}"


@contextmanager
def running(folder: Path, *, core: int) -> Iterator[Stores]:
    """Start both with their data in `folder`, and stop them whatever happens."""
    with _postgresql(folder / "postgresql", core) as (postgresql_port, postgresql, first), _redis(folder / "redis", core) as rest:
        redis_port, redis, second = rest
        yield Stores(postgresql_port, redis_port, (postgresql, redis), (first, second))


@contextmanager
def _postgresql(place: Path, core: int) -> Iterator[tuple[int, int, str]]:
    programs = find_postgresql()
    if programs is None:
        raise Trouble("PostgreSQL is missing: run scripts/services")
    place.mkdir()
    port, log, environment = free_port(), place / "log", {"PATH": os.environ["PATH"], "LC_ALL": "C"}
    identity = _unprivileged(place)
    _initialise(programs, place, environment, identity)
    settings = {**POSTGRESQL_SETTINGS, "port": str(port)}
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    server = start([programs / "postgres", "-D", place / "data", *options], core=core, log=log, cwd=place, env=environment, **identity)
    try:
        await_answer("PostgreSQL", lambda: _is_postgresql_ready(port), server, log)
        yield port, server.pid, finish([programs / "postgres", "--version"], cwd=place, env=environment).strip()
    finally:
        stop(server, signal=signal.SIGINT)  # the fast shutdown, which does not wait for clients


def _initialise(programs: Path, place: Path, environment: dict[str, str], identity: dict[str, Any]) -> None:
    command: list[str | Path] = [
        programs / "initdb",
        "--pgdata",
        place / "data",
        "--auth",
        "trust",
        "--username",
        "bench",
        "--encoding",
        "UTF8",
    ]
    log = place / "initdb.log"  # what initdb itself writes need not reach the disk: what the server writes later does
    making = start([*command, "--locale", "C", "--no-sync"], core=0, log=log, cwd=place, env=environment, **identity)
    if making.wait():
        raise Trouble(f"initdb failed:\n{log.read_text(encoding='utf-8', errors='replace')}")


def _unprivileged(place: Path) -> dict[str, Any]:
    """Give another identity where we are root, as which PostgreSQL refuses to run, and `place` to it."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            entry = pwd.getpwnam(name)
            os.chown(place, entry.pw_uid, entry.pw_gid)
            return {"user": entry.pw_uid, "group": entry.pw_gid}
    raise Trouble("PostgreSQL does not run as root, and there is no other account to run it as")


def _is_postgresql_ready(port: int) -> bool:
    """Send a start-up message (protocol 3.0) and look whether the answer is about authentication, not an error."""
    parameters = b"user\0bench\0database\0postgres\0\0"
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 5) as connection:
        connection.sendall((len(parameters) + 8).to_bytes(4) + (3 << 16).to_bytes(4) + parameters)
        return connection.recv(1) == b"R"
    return False


@contextmanager
def _redis(place: Path, core: int) -> Iterator[tuple[int, int, str]]:
    program = find_redis()
    if program is None:
        raise Trouble("Redis is missing: run scripts/services")
    place.mkdir()
    port, log, environment = free_port(), place / "log", {"PATH": os.environ["PATH"]}
    settings = {**REDIS_SETTINGS, "port": str(port), "dir": str(place)}
    options = [word for name, value in settings.items() for word in (f"--{name}", value)]
    server = start([program, *options], core=core, log=log, cwd=place, env=environment)
    try:
        await_answer("Redis", lambda: _is_redis_ready(port), server, log)
        yield port, server.pid, finish([program, "--version"], cwd=place, env=environment).split(" sha=")[0].strip()
    finally:
        stop(server)


def _is_redis_ready(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 5) as connection:
        connection.sendall(b"PING\r\n")
        return connection.recv(5) == b"+PONG"
    return False
