"""Which requirements a run of the tests showed: collected from the `requirement` marks of the tests, printed and written to a file."""

import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import pytest

MARK = "requirement"
NUMBER = re.compile(r"[A-Z]\d+\.[A-Z]?\d+")


class RequirementReport:
    """A pytest plugin; with pytest-xdist the workers send the numbers along with each test's report."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._passed: defaultdict[str, set[str]] = defaultdict(set)
        self._failed: defaultdict[str, set[str]] = defaultdict(set)

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Put the numbers where the report carries them; a number that is not written like the rows of the requirements stops the run."""
        for item in items:
            numbers = [number for mark in item.iter_markers(MARK) for number in mark.args]
            if not all(NUMBER.fullmatch(number) for number in numbers):
                raise pytest.UsageError(f"{item.nodeid}: a requirement is numbered like A5.48 or A16.C1, not {numbers}")
            item.user_properties += [(MARK, number) for number in numbers]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note the outcome under each number: passed is a test whose call passed, failed one of which any part failed."""
        outcomes = self._failed if report.failed else self._passed if report.when == "call" and report.passed else None
        if outcomes is not None:
            for name, number in report.user_properties:
                if name == MARK:
                    outcomes[str(number)].add(report.nodeid)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the numbers, and write them with their tests."""
        if not self._passed and not self._failed:
            return
        shown = in_order(self._passed.keys() - self._failed.keys())
        terminalreporter.section("requirements")
        terminalreporter.write_line(f"{len(shown)} shown by tests that passed: {' '.join(shown)}")
        if self._failed:
            terminalreporter.write_line(f"{len(self._failed)} with a test that failed: {' '.join(in_order(self._failed))}")
        self._file.parent.mkdir(exist_ok=True)
        self._file.write_text("".join(f"{number}\t{test}\n" for number in shown for test in sorted(self._passed[number])), encoding="utf-8")


def in_order(numbers: Iterable[str]) -> list[str]:
    """Sort `A5.9` before `A5.48` before `A16.C1`."""
    return sorted(
        numbers, key=lambda number: [(part.isdigit(), int(part) if part.isdigit() else part) for part in re.findall(r"\d+|\D+", number)]
    )
