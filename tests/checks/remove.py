"""Takes one check after the other out of a copy of the product and demands that a test goes red: `python -m tests.checks.remove`."""

import argparse
import queue
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime

from tests.checks import table
from tests.checks.entries import ITEMS, Check, every_check
from tests.checks.workplace import Outcome, Workplace
from tests.instances import ROOT

RED = "red"


class Workplaces:
    """A number of copies of the tree, each for one check at a time."""

    def __init__(self, count: int) -> None:
        """Make them."""
        with ThreadPoolExecutor(count) as pool:
            self._all = list(pool.map(lambda _: Workplace(), range(count)))
        self._free: queue.Queue[Workplace] = queue.Queue()
        for place in self._all:
            self._free.put(place)

    @contextmanager
    def one(self) -> Iterator[Workplace]:
        """Give one that nobody else has."""
        place = self._free.get()
        try:
            yield place
        finally:
            self._free.put(place)

    def close(self) -> None:
        """Remove them."""
        for place in self._all:
            place.close()


def named_tests(checks: Iterable[Check]) -> list[str]:
    """Give the tests of entries, each once, those of a file together."""
    return sorted({test for check in checks for test in check.tests})


def verdict(check: Check, whole: Outcome, without: Outcome) -> str:
    """Say what became of an entry."""
    if colourless := [test for test in check.tests if not whole.is_green(test)]:
        return f"not green with the check: {', '.join(colourless)}"
    if without.is_red:
        return RED
    if without.broken or without.exit_code not in {0, 1}:
        return f"broken: the product does not run without it (pytest ended with {without.exit_code})"
    return "GREEN: nobody misses it"


def try_check(check: Check, whole: Outcome, place: Workplace) -> tuple[str, Outcome]:
    """Take the check away, run its tests, note the result in the table and give it."""
    without = place.run_without(check)
    result = verdict(check, whole, without)
    table.record(check, table.Row.of(check, result, datetime.now(UTC).date().isoformat()))
    return result, without


def _try_all(checks: list[Check], places: Workplaces, workers: int) -> list[str]:
    """Try the entries; give the names of those that are not red."""
    tests = named_tests(checks)
    with ThreadPoolExecutor(workers) as pool:
        size = -(-len(tests) // workers)
        parts = [tuple(tests[start : start + size]) for start in range(0, len(tests), size)]
        whole = joined(list(pool.map(lambda part: _run_whole(places, part), parts)))
        print(f"{len(whole.passed)} tests green, {len((*whole.failed, *whole.broken))} not, in {whole.seconds:.0f} s", flush=True)  # noqa: T201 - a program
        if whole.failed or whole.broken:
            print(whole.output, flush=True)  # noqa: T201 - as above
        results = pool.map(lambda check: _told(check, whole, places), checks)
        return [check.name for check, result in zip(checks, results, strict=True) if result != RED]


def _run_whole(places: Workplaces, tests: tuple[str, ...]) -> Outcome:
    with places.one() as place:
        return place.run_whole(tests)


def _told(check: Check, whole: Outcome, places: Workplaces) -> str:
    with places.one() as place:
        result, without = try_check(check, whole, place)
    failed = without.failed[0] if without.failed else ""
    print(f"{without.seconds:5.1f} s  {check.item}: {check.name}: {result}  {failed}", flush=True)  # noqa: T201 - a program
    if result != RED:
        print(without.output, flush=True)  # noqa: T201 - as above
    return result


def joined(outcomes: list[Outcome]) -> Outcome:
    """Give several outcomes as one."""
    return Outcome(
        tuple(name for one in outcomes for name in one.passed),
        tuple(name for one in outcomes for name in one.failed),
        tuple(name for one in outcomes for name in one.broken),
        max(one.exit_code for one in outcomes),
        max(one.seconds for one in outcomes),
        "\n".join(one.output for one in outcomes if one.exit_code),
    )


def main(arguments: list[str]) -> int:
    """Try the entries whose name or item holds one of the words, or all; fail unless each is red."""
    parser = argparse.ArgumentParser(prog="python -m tests.checks.remove")
    parser.add_argument("part", nargs="*", help="a part of the name, or the item, of the entries to try")
    parser.add_argument("--workers", type=int, default=2)
    asked = parser.parse_args(arguments)
    known = every_check(ROOT)
    checks = [check for check in known if not asked.part or any(_is_meant(check, part) for part in asked.part)]
    if not checks:
        parser.error("no entry has such a name")
    workers = min(asked.workers, len(checks))
    places = Workplaces(workers)
    try:
        kept = _try_all(checks, places, workers)
    finally:
        places.close()
    print(f"{len(checks) - len(kept)} of {len(checks)} red" + "".join(f"\nNOT RED: {name}" for name in kept))  # noqa: T201 - a program
    return 1 if kept else 0


def _is_meant(check: Check, part: str) -> bool:
    return check.item == part if part in ITEMS else part in check.name


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
