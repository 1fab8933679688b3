"""Where this server's time goes: py-spy beside it while one operation is driven, and tables of what it saw."""

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from bench.driver import Window, drive
from bench.measurement import Deployment, Plan, running
from bench.operations import OPERATIONS
from bench.programs import Trouble
from tests.instances import ROOT

OWN_PROFILER = ROOT / "build" / "bench" / "py-spy" / "bin" / "py-spy"
HINT = "py-spy is missing: python3 -m venv build/bench/py-spy && build/bench/py-spy/bin/pip install py-spy"
SAMPLES_PER_SECOND = 250
MOST_ROWS = 30
_FRAME = re.compile(r"(?P<function>.+) \((?P<file>[^()]+?)(?::\d+)?\)$")


def find_profiler() -> Path:
    """Give py-spy: that of `PYSPY`, of the path, or of build/bench."""
    found = os.environ.get("PYSPY") or shutil.which("py-spy") or (str(OWN_PROFILER) if OWN_PROFILER.exists() else None)
    if found is None:
        raise Trouble(HINT)
    return Path(found)


def profile(plan: Plan, deployment: Deployment, operation: str, output: Path, *, with_waits: bool) -> str:
    """Drive one operation and sample the server meanwhile; writes collapsed stacks, gives tables of them.

    Only threads that hold the interpreter's lock count, unless `with_waits`: those are what the others wait for.
    """
    output.unlink(missing_ok=True)
    profiler = find_profiler()
    samplers: list[subprocess.Popen[bytes]] = []
    with running(plan, deployment, starts=[]) as target:
        missing = target.provider.lacks(operation)
        if missing:
            raise Trouble(f"{operation}: {missing}")
        visitors = [OPERATIONS[operation](target.provider, number, plan.algorithms[0]) for number in range(plan.users)]
        command: list[str | Path] = [profiler, "record", "--subprocesses", "--function", "--format", "raw", "--output", output]
        command += [] if with_waits else ["--gil"]
        command += ["--rate", str(SAMPLES_PER_SECOND), "--duration", str(max(round(plan.seconds), 1)), "--pid", str(target.process.pid)]

        def begin() -> None:
            samplers.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=sys.stderr))  # noqa: S603 - the profiler

        tally = drive(visitors, target.provider.address, Window(operation, plan.first_warm_up, plan.seconds + 1, begin, lambda: None))
        failed = [sampler.wait() for sampler in samplers if sampler.wait()]
    if failed or not output.exists():
        raise Trouble("py-spy failed; it needs the right to trace, as root has")
    rate = len(tally.latencies.get(operation, ())) / tally.seconds
    return f"{operation}: {rate:,.0f}/s while sampled\n\n{Stacks.read(output).tables()}"


@dataclass
class Stacks:
    """Samples, counted by function and by package."""

    total: int = 0
    own: Counter[str] = field(default_factory=Counter)
    inclusive: Counter[str] = field(default_factory=Counter)
    packages: Counter[str] = field(default_factory=Counter)

    @classmethod
    def read(cls, file: Path) -> "Stacks":
        """Read collapsed stacks, one `frame;frame;frame COUNT` a line, outermost first."""
        stacks = cls()
        for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
            frames, _, count = line.rpartition(" ")
            stacks._add([frame for frame in frames.split(";") if _FRAME.match(frame)], int(count))
        return stacks

    def _add(self, frames: list[str], count: int) -> None:
        if not frames:
            return
        self.total += count
        self.own[_short(frames[-1])] += count
        self.packages[_package(frames[-1])] += count
        for frame in {_short(frame) for frame in frames}:
            self.inclusive[frame] += count

    def tables(self) -> str:
        """Write what takes most, in per cent of all samples."""
        named = {"by package, itself": self.packages, "by function, itself": self.own, "by function, with what it calls": self.inclusive}
        return "\n\n".join(f"{title}\n{self._table(counts.most_common(MOST_ROWS))}" for title, counts in named.items())

    def _table(self, rows: Iterable[tuple[str, int]]) -> str:
        return "\n".join(f"{count / max(self.total, 1):7.1%}  {name}" for name, count in rows)


def _short(frame: str) -> str:
    found = _FRAME.match(frame)
    return f"{found['function']} ({_module(found['file'])})" if found else frame


def _package(frame: str) -> str:
    found = _FRAME.match(frame)
    package, _, rest = _module(found["file"] if found else frame).partition("/")
    if package == "idp":
        return f"idp/{rest.partition('/')[0]}"
    return "the standard library" if package.removesuffix(".py") in sys.stdlib_module_names else package


def _module(file: str) -> str:
    """Give a file's path from its package on; py-spy shortens it by what stands in `sys.path`, as far as it can see."""
    found = re.search(r"(?:^|.*/)(?:site-packages/|(?=idp/))(.*)", file)
    return found[1] if found else file
