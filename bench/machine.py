"""The machine: which core runs what, cores kept awake, and what /proc tells of time and memory."""

import os
import platform
import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")
LATENCY = Path("/dev/cpu_dma_latency")
PROC = Path("/proc")
KIB_PER_MIB = 1024
_STEAL = 7  # its place among the first eight fields of the line `cpu` (proc(5)), which all time falls into


@contextmanager
def on_core(core: int) -> Iterator[None]:
    """Run what is started within on one core: programs inherit the affinity of whoever starts them."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def awake() -> Iterator[str]:
    """Keep idle cores from halting, where we may; gives what was done.

    A virtual core that halts is woken by the host's scheduler, in its own time, and that would be measured instead of the server.
    """
    try:
        device = LATENCY.open("wb", buffering=0)
    except OSError as trouble:
        yield f"not kept awake ({LATENCY}: {trouble.strerror}): figures are lower and less steady"
        return
    with device:
        device.write(struct.pack("i", 0))
        yield f"kept awake ({LATENCY} held at 0)"


@dataclass(frozen=True)
class Clocks:
    """Core-seconds of the whole machine since it started."""

    stolen: float
    busy: float
    accounted: float

    @classmethod
    def now(cls) -> "Clocks":
        """Read them."""
        with (PROC / "stat").open(encoding="ascii") as file:
            user, nice, system, idle, waiting, *rest = (int(word) / TICK for word in file.readline().split()[1 : _STEAL + 2])
        interrupts, stolen = sum(rest[:2]), rest[2]
        busy = user + nice + system + interrupts
        return cls(stolen, busy, busy + idle + waiting + stolen)


def lost(before: Clocks, after: Clocks, seconds: float) -> float:
    """Give the core-seconds per second that the host took: what it calls stolen, and what is accounted for nowhere."""
    missing = seconds * (os.cpu_count() or 1) - (after.accounted - before.accounted)
    return max(after.stolen - before.stolen + max(missing, 0.0), 0.0) / seconds


def tree(pids: Iterable[int]) -> list[int]:
    """Give processes with all their descendants."""
    children: dict[int, list[int]] = {}
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                children.setdefault(int(_stat(int(entry.name))[1]), []).append(int(entry.name))
    found, due = [], list(pids)
    while due:
        found.append(due.pop())
        due += children.get(found[-1], [])
    return found


def cpu_seconds(pids: Iterable[int]) -> float:
    """Give the processor time of process trees, with that of their descendants that have ended."""
    total = 0
    for pid in tree(pids):
        with suppress(OSError):
            total += sum(map(int, _stat(pid)[11:15]))  # utime, stime, cutime, cstime
    return total / TICK


@dataclass(frozen=True)
class Memory:
    """MiB of a process tree: RSS counts a shared page for every process, PSS once in all."""

    rss: float
    pss: float

    @classmethod
    def of(cls, pid: int) -> "Memory":
        """Read it."""
        sums = {"Rss": 0, "Pss": 0}
        for one in tree([pid]):
            with suppress(OSError):
                for line in (PROC / str(one) / "smaps_rollup").read_text(encoding="ascii").splitlines()[1:]:
                    name, _, value = line.partition(":")
                    if name in sums:
                        sums[name] += int(value.split()[0])
        return cls(sums["Rss"] / KIB_PER_MIB, sums["Pss"] / KIB_PER_MIB)


def _stat(pid: int) -> list[str]:
    """Give the fields of /proc/PID/stat from the state on: the name before it may hold blanks."""
    return (PROC / str(pid) / "stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()


def described() -> str:
    """Name the machine: processor, cores, memory, system."""
    processor = next(
        (line.partition(":")[2].strip() for line in _lines(PROC / "cpuinfo") if line.startswith("model name")), "unknown processor"
    )
    memory = next((int(line.split()[1]) for line in _lines(PROC / "meminfo") if line.startswith("MemTotal")), 0)
    gib = memory / KIB_PER_MIB / KIB_PER_MIB
    return f"{os.cpu_count()} x {processor}, {gib:.0f} GiB, {_system()}, Linux {platform.release()}"


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8", errors="replace").splitlines()


def _system() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return platform.system()
