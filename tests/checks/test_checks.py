"""The entries fit the product and the tests as they are, and the table in docs/checks.md speaks of them."""

import ast
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.checks import table
from tests.checks.entries import Check, every_check
from tests.checks.remove import RED, verdict
from tests.checks.workplace import Outcome
from tests.instances import ROOT
from tests.rules import source

CHECKS = every_check(ROOT)
NEEDED = {"conformance", "races", "crashes", "secrets"}  # issue 3, items 1 to 4
EACH = pytest.mark.parametrize("check", CHECKS, ids=[check.name for check in CHECKS])
ENTRY = Check(name="something is checked", item="secrets", file="idp/x.py", find="a", put="b", tests=("tests/test_x.py::test_y",))


def outcome(*, passed: tuple[str, ...] = (), failed: tuple[str, ...] = (), broken: tuple[str, ...] = (), exit_code: int = 0) -> Outcome:
    return Outcome(passed, failed, broken, exit_code, 0.0, "")


def test_every_item_has_entries() -> None:
    assert NEEDED - {check.item for check in CHECKS} == set()


def test_names_are_unique() -> None:
    assert [name for name, count in Counter(check.name for check in CHECKS).items() if count > 1] == []


@EACH
def test_the_check_stands_in_its_file_once_and_goes(check: Check) -> None:
    text = (ROOT / check.file).read_text(encoding="utf-8")

    assert text.count(check.find) == 1
    assert check.removed_from(text) != text


def test_what_is_left_knows_its_names(tmp_path: Path) -> None:
    """A product that cannot run without the check would be red whatever the tests say."""
    for number, check in enumerate(CHECKS):
        if check.file.endswith(".py"):
            text = (ROOT / check.file).read_text(encoding="utf-8")
            (tmp_path / f"without_{number}.py").write_text(check.removed_from(text), encoding="utf-8")
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--no-cache", "--select", "E9,F821,F823", "--output-format", "concise"]
    made = subprocess.run([*command, tmp_path], capture_output=True, text=True, check=False)

    assert made.returncode == 0, made.stdout


@EACH
def test_the_tests_of_the_check_exist(check: Check) -> None:
    for test in check.tests:
        file, _, name = test.partition("[")[0].rpartition("::")
        functions = {node.name for node in ast.walk(source.syntax(ROOT / file)) if isinstance(node, ast.FunctionDef)}
        assert name in functions, test


def test_the_table_lists_the_entries_as_they_are_and_each_is_red() -> None:
    """`python -m tests.checks.remove` writes it."""
    wanted = {check.name: (check.item, check.digest, RED) for check in CHECKS}

    assert {row.name: (row.item, row.digest, row.result) for row in table.read()} == wanted


def test_the_table_comes_back_as_it_was_written(tmp_path: Path) -> None:
    entry = ENTRY.model_copy(update={"tests": ("tests/test_x.py::test_y[a|b]", "tests/test_x.py::test_z")})
    rows = [table.Row.of(entry, RED, "2026-01-01"), table.Row.of(ENTRY, "GREEN: nobody misses it", "2026-01-02")]
    (tmp_path / "checks.md").write_text(table.page(rows), encoding="utf-8")

    assert table.read(tmp_path / "checks.md") == rows


@pytest.mark.parametrize(
    "whole, without, said",
    [
        (outcome(passed=ENTRY.tests), outcome(failed=ENTRY.tests, exit_code=1), "red"),
        (outcome(passed=ENTRY.tests), outcome(passed=ENTRY.tests), "GREEN"),
        (outcome(passed=ENTRY.tests), outcome(broken=ENTRY.tests, exit_code=1), "broken"),
        (outcome(passed=ENTRY.tests), outcome(exit_code=2), "broken"),
        (outcome(passed=ENTRY.tests), outcome(exit_code=-1), "broken"),
        (outcome(failed=ENTRY.tests, exit_code=1), outcome(failed=ENTRY.tests, exit_code=1), "not green"),
        (outcome(), outcome(failed=ENTRY.tests, exit_code=1), "not green"),
    ],
    ids=["red", "green", "a collection error", "usage", "no end", "red anyway", "never ran"],
)
def test_only_a_failing_test_that_is_green_otherwise_is_red(whole: Outcome, without: Outcome, said: str) -> None:
    assert verdict(ENTRY, whole, without).startswith(said)


def test_an_entry_does_not_fit_twice() -> None:
    with pytest.raises(ValueError, match="2 times"):
        ENTRY.removed_from("a a")
