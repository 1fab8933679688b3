"""The page docs/fuzz.md: what became of the last long run of the fuzzer."""

import datetime as dt

from tests.abuse.fuzz import Fuzz
from tests.instances import ROOT

FILE = ROOT / "docs" / "fuzz.md"
HEAD = """# The last long run of the fuzzer

Written by `make proof` (`tests/abuse/test_fuzz.py::test_long_fuzz`). Every request is a mutation of a good one, sent to the state in which
that one is good; every second one is mutated gently, so that it has to succeed as the good one does. The judge (`tests/abuse/judge.py`)
allows no 5xx, no answer that takes 2 s of the processor, no way to an address that nobody registered, no answer without its policy and its
cache headers, no error without a row in `docs/errors.md`, and nothing half written. `FUZZ_SEED` repeats a run.

"""


def write(fuzz: Fuzz) -> None:
    """Write the page."""
    FILE.write_text(page(fuzz, dt.datetime.now(dt.UTC).date()), encoding="utf-8")


def page(fuzz: Fuzz, day: dt.date) -> str:
    """Give the page."""
    total = fuzz.total
    count = total.statuses.total()
    facts = [
        ("Date", day.isoformat()),
        ("Seed", fuzz.seed),
        ("Requests", count),
        ("Mutated gently", f"{total.gentle}, of which {total.gentle_successes} succeeded"),
        ("Succeeded in all", f"{total.successes} ({100 * total.successes // count} %)"),
        ("Problems", len(fuzz.problems)),
        ("Slowest answer", f"{1000 * total.slowest:.0f} ms of the processor"),
        ("Statuses", _counted(total.statuses)),
        ("Mutations", ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in sorted(fuzz.mutations.items()))),
    ]
    lines = [f"| {name} | {value} |\n" for name, value in facts]
    head = "| Good request | Requests | Succeeded | Statuses | Slowest |\n| --- | --- | --- | --- | --- |\n"
    rows = [
        f"| `{name}` | {tally.statuses.total()} | {tally.successes} | {_counted(tally.statuses)} | {1000 * tally.slowest:.0f} ms |\n"
        for name, tally in sorted(fuzz.tallies.items())
    ]
    return f"{HEAD}| | |\n| --- | --- |\n{''.join(lines)}\n{head}{''.join(rows)}"


def _counted(statuses: dict[int, int]) -> str:
    return ", ".join(f"{status}: {count}" for status, count in sorted(statuses.items()))
