"""The programs of the demo as one: they start together, and when one of them ends, all end."""

import http.client
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

START_SECONDS = 120
STOP_SECONDS = 10
HEALTH_SECONDS = 5
TAIL_LINES = 15


class DemoTrouble(Exception):
    """The demo cannot start or go on; the text is for the terminal."""


@dataclass(frozen=True)
class Program:
    """One program of the demo, and the address at which it answers when it is up."""

    name: str
    arguments: tuple[str, ...]
    port: int
    health_path: str = "/healthz"
    tls_cert: Path | None = None


@dataclass(frozen=True)
class Child:
    """A running program. Closing its standard input ends it too, so that it cannot outlive us."""

    program: Program
    process: subprocess.Popen[bytes]
    log: Path


def check_port(program: Program) -> None:
    """Raise `DemoTrouble`, which names the port, when somebody else listens there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", program.port))
        except OSError as error:
            raise DemoTrouble(
                f"port {program.port} ({program.name}) cannot be used: {error.strerror}. "
                "Stop what listens there, or choose other ports: PORT_BASE=8500 DEMO_FOLDER=.demo-8500 make demo"
            ) from None


def start(program: Program, folder: Path, environment: Mapping[str, str]) -> Child:
    """Start a program, with a log of its own in `folder`."""
    log = folder / f"{program.name.replace(' ', '-')}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-m", *program.arguments],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return Child(program, process, log)


def await_all(children: Sequence[Child]) -> None:
    """Wait until every program answers; raises `DemoTrouble` when one ends or does not answer in time."""
    give_up_at = time.monotonic() + START_SECONDS
    for child in children:
        while not _answers(child.program):
            _check_alive(children)
            if time.monotonic() > give_up_at:
                raise DemoTrouble(f"{child.program.name} does not answer; see {child.log}")
            time.sleep(0.1)


def _answers(program: Program) -> bool:
    connection = _connection(program)
    try:
        connection.request("GET", program.health_path)
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _connection(program: Program) -> http.client.HTTPConnection:
    if program.tls_cert is None:
        return http.client.HTTPConnection("127.0.0.1", program.port, timeout=HEALTH_SECONDS)
    context = ssl.create_default_context(cafile=str(program.tls_cert))
    return http.client.HTTPSConnection("localhost", program.port, timeout=HEALTH_SECONDS, context=context)


def watch(children: Sequence[Child]) -> None:
    """Raise `DemoTrouble` as soon as one program has ended."""
    while True:
        _check_alive(children)
        time.sleep(0.5)


def _check_alive(children: Sequence[Child]) -> None:
    for child in children:
        status = child.process.poll()
        if status is not None:
            tail = "\n".join(child.log.read_text(encoding="utf-8", errors="replace").splitlines()[-TAIL_LINES:])
            raise DemoTrouble(f"{child.program.name} ended with status {status}, so the demo stops. The end of {child.log}:\n{tail}")


def stop(children: Sequence[Child]) -> None:
    """Ask all programs to end, and make those end that do not."""
    for child in children:
        with suppress(ProcessLookupError):
            child.process.terminate()
    give_up_at = time.monotonic() + STOP_SECONDS
    for child in children:
        with suppress(subprocess.TimeoutExpired):
            child.process.wait(max(give_up_at - time.monotonic(), 0.1))
        # The group, for a server's workers; every child leads a group of its own.
        with suppress(ProcessLookupError):
            os.killpg(child.process.pid, signal.SIGKILL)
        child.process.wait()
        if child.process.stdin:
            child.process.stdin.close()
