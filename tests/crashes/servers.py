"""A PostgreSQL and a Redis of one's own that can be stopped, frozen and brought back, and keep what they were told."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import redis

from tests import instances
from tests.serve.child import Child

START_SECONDS = 60


@dataclass
class LastingRedis:
    """A Redis that writes each command to its file before it answers."""

    folder: Path
    _process: Child | None = field(default=None, init=False)

    @property
    def url(self) -> str:
        """Give its address."""
        return f"unix://{self.folder}/redis.sock"

    def start(self) -> None:
        """Start it and wait until it answers."""
        program = instances.find_redis()
        assert program, "Redis is missing: run scripts/services"
        settings = {"port": "0", "unixsocket": f"{self.folder}/redis.sock", "save": "", "dir": str(self.folder)}
        settings |= {"appendonly": "yes", "appendfsync": "always"}
        options = [word for name, value in settings.items() for word in (f"--{name}", value)]
        self._process = Child([program, *options], stdout=subprocess.DEVNULL)
        _wait_until(self._answers)

    def stop(self) -> None:
        """Kill it; the socket file stays, and refuses."""
        assert self._process is not None
        self._process.kill_all()

    def freeze(self) -> None:
        """Let it accept and never answer."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it answer again."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def _answers(self) -> bool:
        with suppress(redis.RedisError), redis.Redis.from_url(self.url, socket_timeout=1) as connection:
            return bool(connection.ping())
        return False


@dataclass
class OwnPostgresql:
    """A PostgreSQL whose commits stand when it is stopped at once."""

    folder: Path
    _process: Child | None = field(default=None, init=False)

    @property
    def url(self) -> str:
        """Give the address of its database."""
        return f"postgresql+psycopg://senid@/postgres?host={self.folder}"

    def start(self) -> None:
        """Start it, with a new cluster at the first time, and wait until it answers."""
        programs = instances.find_postgresql()
        assert programs, "PostgreSQL is missing: run scripts/services"
        identity = instances._unprivileged(self.folder)
        data = self.folder / "data"
        quiet: dict[str, Any] = {"cwd": self.folder, "env": {**os.environ, "LC_ALL": "C"}, "stdout": subprocess.DEVNULL, **identity}
        if not data.exists():
            words = ["--auth", "trust", "--username", "senid", "--encoding", "UTF8", "--locale", "C", "--no-sync"]
            subprocess.run([programs / "initdb", "--pgdata", data, *words], check=True, **quiet)
        # It may be lost with the machine, but not with the server: what is committed is in the system's hands.
        settings = {"listen_addresses": "", "unix_socket_directories": str(self.folder), "fsync": "off", "full_page_writes": "off"}
        settings |= {"shared_buffers": "32MB", "wal_level": "minimal", "max_wal_senders": "0"}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        with (self.folder / "postgresql.log").open("ab") as log:
            self._process = Child([programs / "postgres", "-D", data, *options], stderr=log, **quiet)
        _wait_until(self._answers)

    def stop(self) -> None:
        """Stop it at once, as a crash would: every connection breaks, and the next start recovers."""
        assert self._process is not None
        self._process.send_signal(signal.SIGQUIT)
        try:
            self._process.wait(START_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill_all()
            raise

    def freeze(self) -> None:
        """Let it, with the process of each connection, accept and never answer."""
        self._send_all(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it answer again."""
        self._send_all(signal.SIGCONT)

    def _send_all(self, number: signal.Signals) -> None:
        assert self._process is not None
        os.kill(self._process.pid, number)
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text(encoding="ascii")
        for child in map(int, children.split()):
            os.kill(child, number)

    def _answers(self) -> bool:
        with suppress(psycopg.OperationalError), psycopg.connect(f"host={self.folder} user=senid dbname=postgres", connect_timeout=3):
            return True
        return False


def _wait_until(condition: Callable[[], bool]) -> None:
    give_up_at = time.monotonic() + START_SECONDS
    while not condition():
        assert time.monotonic() < give_up_at, "no answer"
        time.sleep(0.05)
