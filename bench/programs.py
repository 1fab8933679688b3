"""The programs of a run: started on a core of their own, on free ports, and gone with the run however it ends."""

import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.machine import on_core
from tests.serve.child import Child

STOP_SECONDS = 20
START_SECONDS = 60
TAIL = 2000


class Trouble(Exception):
    """The bench cannot go on; the text is for the terminal."""


def free_port() -> int:
    """Give a port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def start(
    command: Sequence[str | Path],
    *,
    core: int,
    log: Path,
    cwd: Path,
    env: Mapping[str, str],
    user: int | None = None,
    group: int | None = None,
) -> Child:
    """Start a program on a core, with a log; a guard kills it when this process is gone."""
    identity: dict[str, Any] = {} if user is None else {"user": user, "group": group, "extra_groups": []}
    with log.open("ab") as output, on_core(core):
        return Child(command, cwd=cwd, env=dict(env), stdout=output, stderr=subprocess.STDOUT, **identity)


def finish(command: Sequence[str | Path], *, cwd: Path, env: Mapping[str, str]) -> str:
    """Run a program to its end and give what it printed; raises `Trouble` with its words when it fails."""
    done = subprocess.run(command, cwd=cwd, env=dict(env), capture_output=True, encoding="utf-8", check=False)  # noqa: S603 - our own programs
    if done.returncode:
        raise Trouble(f"{Path(command[0]).name} {' '.join(map(str, command[1:3]))} failed:\n{done.stdout[-TAIL:]}{done.stderr[-TAIL:]}")
    return done.stdout


def stop(program: Child, *, signal: int | None = None) -> None:
    """Ask a program to end, and make it end with all that it has started."""
    if signal is None:
        program.terminate()
    else:
        program.send_signal(signal)
    try:
        program.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        program.kill_all()


def await_answer(name: str, is_answering: Callable[[], bool], program: Child, log: Path) -> None:
    """Wait until a program answers; raises `Trouble` with the end of its log when it does not."""
    give_up_at = time.monotonic() + START_SECONDS
    while time.monotonic() < give_up_at and program.poll() is None:
        if is_answering():
            return
        time.sleep(0.02)
    raise Trouble(f"{name} does not answer:\n{tail(log)}")


def tail(log: Path) -> str:
    """Give the end of a log."""
    return log.read_text(encoding="utf-8", errors="replace")[-TAIL:] if log.exists() else ""
