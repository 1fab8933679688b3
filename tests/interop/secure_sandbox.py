"""The sandbox with its provider behind TLS, as its launcher starts it."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from sandbox.addresses import OUTSIDE_DISTANCE
from tests.certificate import Certificate
from tests.instances import ROOT
from tests.live import LiveSandbox

START_SECONDS = 150
STOP_SECONDS = 40
ATTEMPTS = 5
DISTANCES = (0, 1, 2, OUTSIDE_DISTANCE)
PORTS = range(30_000, 32_700, OUTSIDE_DISTANCE + 5)  # below the range from which the system takes ports by itself
# It ends when its standard input is closed, so that not even a killed test run leaves it behind.
PROGRAM = "from sandbox import demo, web_server; web_server.end_with_starter(); demo.main()"


@contextmanager
def secure_sandbox(place: Path, certificate: Certificate) -> Iterator[LiveSandbox]:
    """Run it; somebody may take the same ports between our look and our start, so this is tried with several."""
    for attempt in range(ATTEMPTS):
        folder, ready = place / f"demo-{attempt}", place / f"ready-{attempt}.json"
        process = _launch(folder, ready, certificate)
        try:
            if _is_ready(process, ready):
                yield _sandbox(folder, ready)
                return
        finally:
            _stop(process)
    pytest.fail(f"the sandbox did not start: {(place / 'demo.log').read_text(encoding='utf-8')}")


def _launch(folder: Path, ready: Path, certificate: Certificate) -> "subprocess.Popen[bytes]":
    environment = {name: value for name, value in os.environ.items() if name != "FIXED_OTP"}
    tls = ("--tls-cert", certificate.cert, "--tls-key", certificate.key)
    with (folder.parent / "demo.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-c", PROGRAM, "--ready-file", ready, *tls],
            cwd=ROOT,
            env={**environment, "PORT_BASE": str(free_port_base()), "DEMO_FOLDER": str(folder)},
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def _is_ready(process: "subprocess.Popen[bytes]", ready: Path) -> bool:
    give_up_at = time.monotonic() + START_SECONDS
    while not ready.exists() and process.poll() is None and time.monotonic() < give_up_at:
        time.sleep(0.1)
    return ready.exists()


def _sandbox(folder: Path, ready: Path) -> LiveSandbox:
    found = json.loads(ready.read_text(encoding="utf-8"))
    first, second = found["portals"]
    return LiveSandbox(found["provider"], (first, second), found["phone"], Path(found["config"]), folder)


def _stop(process: "subprocess.Popen[bytes]") -> None:
    if process.stdin:
        process.stdin.close()
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()  # its programs end when their standard input is closed
        process.wait()


def free_port_base() -> int:
    candidates = list(PORTS)
    random.SystemRandom().shuffle(candidates)
    return next(base for base in candidates if all(_is_free(base + distance) for distance in DISTANCES))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return True
    return False
