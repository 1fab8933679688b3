"""The running sandbox (provider, two portals and the phone) that one worker of the tests shares, and what a test asks of it.

A folder of tests that needs it says `from tests.live import live` in its `conftest.py`; however many do, a worker starts one.
"""

import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import httpx2
import pytest

from sandbox.addresses import OUTSIDE_DISTANCE
from sandbox.people import Case, PersonJson
from tests.instances import ROOT

__all__ = ["LiveSandbox", "live"]

START_SECONDS = 150
STOP_SECONDS = 40
TEXT_SECONDS = 15
START_ATTEMPTS = 5
DISTANCES = (0, 1, 2, OUTSIDE_DISTANCE)
FIRST_PORT, PORTS_OF_A_WORKER, WORKERS = 12_000, 1000, 8  # below the range from which the system takes ports by itself
# It ends when its standard input is closed, so that not even a killed test run leaves it behind.
PROGRAM = "from sandbox import demo, web_server; web_server.end_with_starter(); demo.main()"


@dataclass(frozen=True)
class LiveSandbox:
    """Where everything is: addresses without a trailing slash, the provider's `config.toml`, and the folder with databases and logs."""

    provider: str
    portals: tuple[str, str]
    phone: str
    config: Path
    folder: Path
    _given: set[str] = field(default_factory=set, repr=False, compare=False)

    def people(self, case: Case = "match") -> list[PersonJson]:
        """Give the synthetic people of a case; `password` is None for those who had no account when the sandbox started."""
        people = cast("list[PersonJson]", self._get("/sandbox/people"))
        return [person for person in people if person["case"] == case]

    def newcomer(self, case: Case = "match") -> PersonJson:
        """Give a person without an account whom no other test of this worker was given, with a phone that nobody shares."""
        people = self.people(case)
        phones = Counter(person["phone"] for person in people)
        new = (person for person in people if person["password"] is None and phones[person["phone"]] == 1)
        person = next((person for person in new if person["id_number"] not in self._given), None)
        assert person is not None, f"no more people of the case {case!r}"
        self._given.add(person["id_number"])
        return person

    def texts(self, phone: str, *, of: int = 0) -> list[str]:
        """Give the text messages to a phone, newest first, once `of` have come: some are sent behind the page's back."""
        give_up_at = time.monotonic() + TEXT_SECONDS
        while len(found := [message["text"] for message in self._get("/sandbox/sms", to=phone)]) < of:
            assert time.monotonic() < give_up_at, f"{len(found)} text messages came instead of {of}"
            time.sleep(0.1)
        return found

    def last_code(self, phone: str, *, of: int = 1) -> str:
        """Give the one-time code that was sent last to a phone, once `of` text messages have come."""
        found = re.search(r"\b\d{6}\b", self.texts(phone, of=of)[0])
        assert found, "the last text message holds no one-time code"
        return found[0]

    def behave(self, system: str, behaviour: str) -> None:
        """Make `carrier`, `sms_a` or `sms_b` behave `normal`, `slow`, `down`, `nonsense` or `unavailable` from now on."""
        answer = httpx2.post(f"{self.phone}/sandbox/control", data={"system": system, "behaviour": behaviour}, trust_env=False)
        assert answer.status_code == httpx2.codes.SEE_OTHER, answer.text

    def _get(self, path: str, **parameters: str) -> list[dict[str, str]]:
        answer = httpx2.get(f"{self.phone}{path}", params=parameters, timeout=30, trust_env=False)
        return cast("list[dict[str, str]]", answer.raise_for_status().json())


LIVE = pytest.StashKey[LiveSandbox]()


@pytest.fixture(scope="session")
def live(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> LiveSandbox:
    """Give the sandbox of this worker, started by whoever asks first; it is stopped when the worker ends, however that comes."""
    stash = request.config.stash
    if LIVE not in stash:
        process, stash[LIVE] = _start(tmp_path_factory.mktemp("live"))
        request.config.add_cleanup(lambda: _stop(process))
    return stash[LIVE]


def _start(place: Path) -> tuple["subprocess.Popen[bytes]", LiveSandbox]:
    """Start a demo; another run may take the same ports between our look and our start, so this is tried with several."""
    for attempt in range(START_ATTEMPTS):
        folder, ready, log = place / f"demo-{attempt}", place / f"ready-{attempt}.json", place / f"demo-{attempt}.log"
        process = _launch(folder, ready, log)
        try:
            _await(ready, process)
        except BaseException:
            _stop(process)
            raise
        if ready.exists():
            found = json.loads(ready.read_text(encoding="utf-8"))
            first, second = found["portals"]
            return process, LiveSandbox(found["provider"], (first, second), found["phone"], Path(found["config"]), folder)
        said = log.read_text(encoding="utf-8", errors="replace")
        _stop(process)
        if "cannot be used" not in said:
            break
    pytest.fail(f"the sandbox did not start:\n{said}")


def _launch(folder: Path, ready: Path, log: Path) -> "subprocess.Popen[bytes]":
    environment = {name: value for name, value in os.environ.items() if name != "FIXED_OTP"}
    with log.open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-c", PROGRAM, "--ready-file", str(ready)],
            cwd=ROOT,
            env={**environment, "PORT_BASE": str(_free_port_base()), "DEMO_FOLDER": str(folder)},
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # a Ctrl-C in the terminal is for the tests, which stop the demo then
        )


def _await(ready: Path, process: "subprocess.Popen[bytes]") -> None:
    """Wait until the sandbox answers or has ended."""
    give_up_at = time.monotonic() + START_SECONDS
    while not ready.exists() and process.poll() is None and time.monotonic() < give_up_at:
        time.sleep(0.1)


def _stop(process: "subprocess.Popen[bytes]") -> None:
    if process.stdin:
        process.stdin.close()
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()  # its programs end when their standard input is closed
        process.wait()


def _free_port_base() -> int:
    """Give a base whose ports are free, where no other worker of this run looks."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % WORKERS
    first = FIRST_PORT + PORTS_OF_A_WORKER * worker
    candidates = list(range(first, first + PORTS_OF_A_WORKER - OUTSIDE_DISTANCE, OUTSIDE_DISTANCE + 5))
    random.SystemRandom().shuffle(candidates)
    return next(base for base in candidates if all(_is_free(base + distance) for distance in DISTANCES))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return True
    return False
