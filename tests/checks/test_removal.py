"""Each check is taken out of a copy of the product, and its tests go red: what `python -m tests.checks.remove` does, entry by entry."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.checks.entries import Check, every_check
from tests.checks.remove import RED, named_tests, try_check
from tests.checks.workplace import Outcome, Workplace
from tests.instances import ROOT, Run

CHECKS = every_check(ROOT)
pytestmark = [pytest.mark.proof, pytest.mark.timeout(3600)]


@pytest.fixture(scope="session")
def workplace() -> Iterator[Workplace]:
    """Give the copy of this worker."""
    place = Workplace()
    yield place
    place.close()


@pytest.fixture(scope="session")
def whole(workplace: Workplace) -> Outcome:
    """Give what the tests of all entries say of the product as it is; one worker runs them for all."""

    def run(file: Path) -> None:
        file.write_text(json.dumps(asdict(workplace.run_whole(tuple(named_tests(CHECKS))))), encoding="utf-8")

    return Outcome(**json.loads(Run.current().once("checks.json", run).read_text(encoding="utf-8")))


@pytest.mark.parametrize("check", CHECKS, ids=[check.name for check in CHECKS])
def test_a_missing_check_is_missed(check: Check, whole: Outcome, workplace: Workplace) -> None:
    result, without = try_check(check, whole, workplace)

    assert result == RED, without.output
