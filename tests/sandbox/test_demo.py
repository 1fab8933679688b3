"""The demo as a newcomer starts it: real programs on ports of their own, which end together."""

import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from sandbox.addresses import OUTSIDE_DISTANCE
from tests.instances import ROOT

START_SECONDS = 100
STOP_SECONDS = 30
DISTANCES = (0, 1, 2, OUTSIDE_DISTANCE)

pytestmark = pytest.mark.timeout(180)


@dataclass(frozen=True)
class Place:
    """Where a demo keeps its things and listens."""

    folder: Path
    port_base: int

    @classmethod
    def new(cls, folder: Path) -> "Place":
        """Give a place with free ports."""
        return cls(folder, free_port_base())


@dataclass
class Demo:
    """A started demo and what it said."""

    process: subprocess.Popen[str]
    port_base: int
    addresses: dict[str, str]

    def pids(self) -> list[int]:
        """Give its programs."""
        return children_of([self.process.pid])

    def end(self, number: int = signal.SIGTERM) -> str:
        """Send a signal and give what it said to the end."""
        self.process.send_signal(number)
        return self.process.communicate(timeout=STOP_SECONDS)[0]


def children_of(pids: list[int]) -> list[int]:
    everybody = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    return [pid for pid in everybody if parent_of(pid) in pids]


def parent_of(pid: int) -> int | None:
    with suppress(OSError, ValueError):
        return int(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])
    return None


def is_free(port: int) -> bool:
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return True
    return False


def free_port_base() -> int:
    """Give a base whose ports are free, drawn by lot, since other runs of these tests look for theirs on this machine too."""
    while True:
        base = 10_000 + secrets.randbelow(20_000)
        if all(is_free(base + distance) for distance in DISTANCES):
            return base


def launch(place: Place, **environment: str) -> subprocess.Popen[str]:
    ready = place.folder.with_suffix(".ready")
    ready.unlink(missing_ok=True)
    return subprocess.Popen(
        [sys.executable, "-m", "sandbox.demo", "--ready-file", str(ready)],
        cwd=ROOT,
        env={**os.environ, "PORT_BASE": str(place.port_base), "DEMO_FOLDER": str(place.folder), **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
    )


@contextmanager
def running_demo(place: Place, **environment: str) -> Iterator[Demo]:
    process = launch(place, **environment)
    try:
        yield Demo(process, place.port_base, await_ready(process, place.folder.with_suffix(".ready")))
    finally:
        if process.poll() is None:
            process.terminate()
            process.communicate(timeout=STOP_SECONDS)


def await_ready(process: subprocess.Popen[str], ready: Path) -> dict[str, str]:
    give_up_at = time.monotonic() + START_SECONDS
    while not ready.exists():
        if process.poll() is not None or time.monotonic() > give_up_at:
            process.terminate()
            pytest.fail(f"the demo did not start: {process.communicate(timeout=STOP_SECONDS)[0]}")
        time.sleep(0.1)
    found = json.loads(ready.read_text(encoding="utf-8"))
    return {"provider": found["provider"], "portal 1": found["portals"][0], "portal 2": found["portals"][1], "phone": found["phone"]}


def assert_all_gone(demo: Demo, pids: list[int]) -> None:
    give_up_at = time.monotonic() + STOP_SECONDS
    while any(Path(f"/proc/{pid}").exists() for pid in pids) and time.monotonic() < give_up_at:
        time.sleep(0.1)
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]
    assert all(is_free(demo.port_base + distance) for distance in DISTANCES)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Give a place where a demo has been set up, so that the tests see later starts."""
    place = Place.new(tmp_path_factory.mktemp("demo") / "folder")
    with running_demo(place) as demo:
        said = demo.end()
    assert "setting up" in said
    return place


def assert_secrets_are_the_owner_s(folder: Path) -> None:
    assert folder.stat().st_mode & 0o777 == 0o700
    for name in ("portals.json", "accounts.json"):
        assert (folder / name).stat().st_mode & 0o777 == 0o600


def test_a_newcomer_finds_everything_signs_in_and_stops_it_with_ctrl_c(place: Place) -> None:
    with running_demo(place, FIXED_OTP="000000") as demo, httpx2.Client(trust_env=False, follow_redirects=True, timeout=30) as browser:
        for address in demo.addresses.values():
            assert browser.get(f"{address}/healthz").status_code == 200
        people = browser.get(f"{demo.addresses['phone']}/sandbox/people").json()
        person = next(person for person in people if person["password"])
        page = browser.get(f"{demo.addresses['portal 1']}/dossiers")
        page = submit(browser, page, id_number=person["id_number"], password=person["password"])
        page = submit(browser, page, otp="000000")
        page = submit(browser, page) if "/consent/" in page.url.path else page
        assert str(page.url) == f"{demo.addresses['portal 1']}/dossiers"
        assert 'data-claim="acr">urn:senid:loa:2<' in page.text
        texts = browser.get(f"{demo.addresses['phone']}/sandbox/sms", params={"to": person["phone"]}).json()
        assert "000000" in texts[0]["text"]
        pids = demo.pids()
        assert len(pids) == 4
        said = demo.end(signal.SIGINT)
        assert_all_gone(demo, pids)
    assert all(address in said for address in demo.addresses.values())
    assert person["id_number"] in said
    assert person["password"] in said
    assert "setting up" not in said
    assert "demo: stopped" in said
    assert_secrets_are_the_owner_s(place.folder)


def submit(browser: httpx2.Client, page: httpx2.Response, **typed: str) -> httpx2.Response:
    """Send the form of the page's main button, as a browser without scripts does."""
    [form] = [each for each in re.findall(r"<form.*?</form>", page.text, re.DOTALL) if 'id="submit"' in each]
    fields = re.findall(r"<input[^>]*>", form)
    named = {name[1]: value[1] if (value := re.search(r'value="([^"]*)"', each)) else "" for each in fields if (name := NAME.search(each))}
    action = re.search(r'action="([^"]*)"', form)
    target = page.url.join(action[1]) if action else page.url
    origin = f"{page.url.scheme}://{page.url.host}:{page.url.port}"
    return browser.post(target, data={**named, **typed}, headers={"Origin": origin})


NAME = re.compile(r'name="([^"]*)"')


def test_a_demo_that_is_killed_leaves_no_program_behind(place: Place) -> None:
    with running_demo(place) as demo:
        pids = demo.pids()
        pids += children_of(pids)
        demo.end(signal.SIGKILL)
        assert_all_gone(demo, pids)


def test_when_one_program_ends_all_end_and_it_is_named(place: Place) -> None:
    with running_demo(place) as demo:
        pids = demo.pids()
        phone = next(pid for pid in pids if b"sandbox.outside" in Path(f"/proc/{pid}/cmdline").read_bytes())
        os.kill(phone, signal.SIGKILL)
        said = demo.process.communicate(timeout=STOP_SECONDS)[0]
        assert "demo: phone ended with status -9, so the demo stops" in said
        assert demo.process.returncode == 1
        assert_all_gone(demo, pids)


def test_two_copies_run_side_by_side_and_one_folder_serves_one(place: Place, tmp_path: Path) -> None:
    with running_demo(place) as first:
        third = launch(Place.new(place.folder))
        assert "another demo is running in" in third.communicate(timeout=STOP_SECONDS)[0]
        assert third.returncode == 1
        with running_demo(Place.new(tmp_path / "second")) as second:
            assert httpx2.get(f"{first.addresses['portal 1']}/healthz", trust_env=False).status_code == 200
            assert httpx2.get(f"{second.addresses['portal 1']}/healthz", trust_env=False).status_code == 200
            pids = second.pids()
            assert "demo: stopped" in second.end(signal.SIGTERM)
            assert second.process.returncode == 0
            assert_all_gone(second, pids)
        assert httpx2.get(f"{first.addresses['portal 1']}/healthz", trust_env=False).status_code == 200


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    place = Place.new(tmp_path / "folder")
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", place.port_base + 1))
        taken.listen()
        process = launch(place)
        said = process.communicate(timeout=STOP_SECONDS)[0]
    assert process.returncode == 1
    assert f"port {place.port_base + 1} (portal 1) cannot be used" in said


@pytest.mark.parametrize("environment", [{"FIXED_OTP": "12"}, {"PORT_BASE": "none"}, {"PORT_BASE": "70000"}])
def test_bad_settings_are_named(tmp_path: Path, environment: dict[str, str]) -> None:
    process = launch(Place.new(tmp_path / "folder"), **environment)
    said = process.communicate(timeout=STOP_SECONDS)[0]
    assert process.returncode == 1
    assert next(iter(environment)) in said
