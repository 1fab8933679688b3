"""A copy of the tree with servers of its own, in which a check can be missing and tests be run."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

from tests.checks.entries import Check
from tests.instances import ROOT, RUN_PREFIX, RUN_VARIABLE, Run

LONGEST_SECONDS = 600
LONGEST_SECONDS_OF_ALL = 3600
NOT_COPIED = shutil.ignore_patterns(
    "__pycache__", "node_modules", "build", "dist", "var", "config.toml", ".git", ".venv*", ".servers", ".demo*", ".*_cache", ".hypothesis"
)
LINKED = (".servers", "tests/interop/node_modules")  # large, and never changed
SHARED = ("postgresql.place", "postgresql.log", "redis.place", "template.db", "template.postgresql")  # what runs have from the first
SCHEMA = "idp/storage/"  # a template database that was made without this change would hide it
# A test that fails since the product cannot be loaded shows nothing.
NOT_A_RESULT = re.compile(r"(ImportError|ModuleNotFoundError|SyntaxError|IndentationError|NameError|UnboundLocalError)\b")


@dataclass(frozen=True)
class Outcome:
    """What became of some tests: names as pytest gives them, and what else pytest said."""

    passed: tuple[str, ...]
    failed: tuple[str, ...]
    broken: tuple[str, ...]
    exit_code: int
    seconds: float
    output: str

    @property
    def is_red(self) -> bool:
        """Tell whether a test failed, and not because nothing could be loaded."""
        return self.exit_code == 1 and bool(self.failed)

    def is_green(self, test: str) -> bool:
        """Tell whether a test passed, with all its parameters."""
        return any(_is_of(test, name) for name in self.passed) and not any(_is_of(test, name) for name in (*self.failed, *self.broken))


def _is_of(test: str, name: str) -> bool:
    return name == test or name.startswith(f"{test}[")


class Workplace:
    """Runs tests in the copy; `close` stops its servers and removes it."""

    def __init__(self) -> None:
        """Copy the tree and see that the copy is what is imported there."""
        self._place = Path(tempfile.mkdtemp(prefix="senid-checks-"))
        self.root = self._place / "tree"
        shutil.copytree(ROOT, self.root, ignore=NOT_COPIED)
        for name in LINKED:
            if (ROOT / name).exists():
                (self.root / name).symlink_to(ROOT / name)
        self._run = self._new_run()
        self._confirm()
        # Once, in whole: the servers, and the template databases of a product that nothing is missing from.
        self._pytest(self._run, ["tests/test_fixtures.py"], stops=False)

    def close(self) -> None:
        """Stop the servers and remove the files."""
        _end(self._run)
        shutil.rmtree(self._place, ignore_errors=True)

    def run_whole(self, tests: tuple[str, ...]) -> Outcome:
        """Run tests on the product as it is, all of them."""
        return self._pytest(self._run, tests, stops=False)

    def run_without(self, check: Check) -> Outcome:
        """Run the tests of an entry on the product without its check, until the first one fails."""
        run = self._new_run()
        if not check.file.startswith(SCHEMA):
            for name in SHARED:
                os.link(self._run.folder / name, run.folder / name)
        try:
            with self._without(check):
                return self._pytest(run, check.tests, stops=True)
        finally:
            _end(run)

    @contextmanager
    def _without(self, check: Check) -> Iterator[None]:
        """Take the check out of the file for the time of the block."""
        path = self.root / check.file
        whole = path.read_bytes()
        try:
            path.write_text(check.removed_from(whole.decode()), encoding="utf-8")
            _forget_compiled(path)
            yield
        finally:
            path.write_bytes(whole)
            _forget_compiled(path)

    def _new_run(self) -> Run:
        run = Run(Path(tempfile.mkdtemp(prefix=RUN_PREFIX)))
        (run.folder / "controller").write_text(str(os.getpid()))
        return run

    def _environment(self, run: Run) -> dict[str, str]:
        ours = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "SENID_"))}
        return {**ours, "PYTHONPATH": str(self.root), RUN_VARIABLE: str(run.folder)}

    def _confirm(self) -> None:
        program = "import idp, tests, sandbox; print(idp.__file__, tests.__file__, sandbox.__file__)"
        made = self._python(self._run, ["-c", program])
        wanted = " ".join(str(self.root / name / "__init__.py") for name in ("idp", "tests", "sandbox"))
        if made.stdout.strip() != wanted:
            raise RuntimeError(f"not the copy is imported, but {made.stdout} {made.stderr}")

    def _python(self, run: Run, arguments: list[str], *, seconds: int = LONGEST_SECONDS) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, *arguments]
        return subprocess.run(
            command,
            cwd=self.root,
            env=self._environment(run),
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
            stdin=subprocess.DEVNULL,
            timeout=seconds,
        )

    def _pytest(self, run: Run, tests: tuple[str, ...] | list[str], *, stops: bool) -> Outcome:
        report = self._place / "report.xml"
        report.unlink(missing_ok=True)
        temporary = self._place / "tmp"
        options = [
            "-n",
            "0",
            "-q",
            "-m",
            "",
            "-p",
            "no:randomly",
            "-p",
            "no:cacheprovider",
            f"--basetemp={temporary}",
            f"--junitxml={report}",
        ]
        started = time.monotonic()
        try:
            made = self._python(run, ["-m", "pytest", *options, *(["-x"] if stops else []), *tests])
        except subprocess.TimeoutExpired:
            return Outcome((), (), (), -1, time.monotonic() - started, "it did not end")
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        return _outcome(report, made, time.monotonic() - started)


def _outcome(report: Path, made: "subprocess.CompletedProcess[str]", seconds: float) -> Outcome:
    """Read the report of pytest; without one nothing was shown."""
    passed, failed, broken = [], [], []
    for case in ET.parse(report).iter("testcase") if report.exists() else ():  # noqa: S314 - pytest has written it
        name = f"{case.get('classname', '').replace('.', '/')}.py::{case.get('name')}"
        failure = case.find("failure")
        if failure is not None and not NOT_A_RESULT.match(failure.get("message", "")):
            failed.append(name)
        elif failure is not None or case.find("error") is not None:
            broken.append(name)
        elif case.find("skipped") is None:
            passed.append(name)
    return Outcome(tuple(passed), tuple(failed), tuple(broken), made.returncode, seconds, made.stdout[-6000:] + made.stderr[-2000:])


def _forget_compiled(path: Path) -> None:
    """Remove what Python has compiled of a file: it knows its source by time and size alone, and two versions may share both."""
    if path.suffix == ".py":
        with suppress(FileNotFoundError):
            Path(importlib.util.cache_from_source(path)).unlink()


def _end(run: Run) -> None:
    """End a run of ours, which is none of the process that we are in."""
    ours = os.environ.get(RUN_VARIABLE)
    run.end()
    if ours is not None:
        os.environ[RUN_VARIABLE] = ours
