"""The table in docs/checks.md: each entry with what became of its tests when the check was missing."""

import fcntl
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.checks.entries import ITEMS, Check, every_check
from tests.instances import ROOT

FILE = ROOT / "docs" / "checks.md"
LOCK = ROOT / "build" / "checks.lock"
HEAD = """# Checks that are missed when they are gone

Written by `python -m tests.checks.remove` (and by `make proof`): each entry of `tests/checks/*.toml` is taken out of a copy of the product,
one at a time, and its tests, which are green with it, have to go red. The digest changes with the entry, so that no result speaks of an
older one. `make test` sees that every entry has its line here and that each says red.

"""
COLUMNS = "| Check that was taken away | Item | File | Tests | Result | Date | Entry |\n| --- | --- | --- | --- | --- | --- | --- |\n"


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    name: str
    item: str
    file: str
    tests: str
    result: str
    date: str
    digest: str

    @classmethod
    def of(cls, check: Check, result: str, date: str) -> "Row":
        """Give the line for an entry."""
        tests = "<br>".join(f"`{test}`" for test in check.tests).replace("|", "\\|")
        return cls(check.name, check.item, f"`{check.file}`", tests, result, date, check.digest)


def read(file: Path = FILE) -> list[Row]:
    """Give the lines that stand in the table."""
    if not file.exists():
        return []
    cells = [re.split(r" (?<!\\)\| ", line[2:-2]) for line in file.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    return [Row(*row) for row in cells[2:]]


def record(check: Check, row: Row) -> None:
    """Put a line into the table, and take out those of entries that are no more or are others now, while this ran perhaps."""
    with _alone():
        known = every_check(ROOT)
        rows = {one.name: one for one in read()}
        rows[check.name] = row
        digests = {one.name: one.digest for one in known}
        kept = [rows[one.name] for one in known if one.name in rows and rows[one.name].digest == digests[one.name]]
        FILE.write_text(page(kept), encoding="utf-8")


def page(rows: list[Row]) -> str:
    """Give the page with these lines."""
    counts = Counter(row.item for row in rows)
    red = sum(row.result.startswith("red") for row in rows)
    dates = sorted({row.date for row in rows})
    spans = " to ".join(dict.fromkeys((dates[0], dates[-1]))) if dates else ""
    told = ", ".join(f"{counts[item]} of {item}" for item in ITEMS if counts[item])
    lines = "".join(f"| {row.name} | {row.item} | {row.file} | {row.tests} | {row.result} | {row.date} | {row.digest} |\n" for row in rows)
    return f"{HEAD}{len(rows)} checks ({told}); {red} are missed. Last tried {spans}.\n\n{COLUMNS}{lines}"


@contextmanager
def _alone() -> Iterator[None]:
    """Let one process at a time write."""
    LOCK.parent.mkdir(exist_ok=True)
    with LOCK.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
