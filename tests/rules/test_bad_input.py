"""The table of bad input names every line of what was asked for, and tests that there are."""

import ast
import re
from collections.abc import Iterator

from tests.instances import ROOT
from tests.rules import source

DOCUMENT = ROOT / "docs" / "bad-input.md"
LINES = (
    "malformed",
    "missing",
    "duplicated",
    "oversized",
    "not utf-8",
    "wrong-type",
    "1 mb",
    "redirect_uri",
    "unknown client",
    "replayed code",
    "expired code",
    "foreign code",
    "pkce plain, wrong or missing",
    "stale tab",
    "back button",
    "double submit",
    "two tabs",
    "cookie lost",
    "another browser",
    "language",
    "otp wrong",
    "otp expired",
    "otp replayed",
    "otp of another purpose",
    "carrier slow, refusing, answering nonsense",
    "sms slow, refusing, answering nonsense",
)


def rows() -> list[tuple[str, str]]:
    """Give what each row of the tables is about, and what shows it."""
    found = re.findall(r"^\| (.+?) \| (.+?) \|$", DOCUMENT.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return [(about, shown) for about, shown in found if "tests/" in shown]


def named_tests(shown: str) -> Iterator[tuple[str, str]]:
    """Give file and function of every test in a row; a name without a file is of the file before."""
    file = ""
    for word in re.findall(r"`([^`]+)`", shown):
        path, separator, name = word.rpartition("::")
        file = path if separator else file
        yield file, name


def test_every_line_has_its_row() -> None:
    told = " ".join(about for about, _ in rows()).lower()

    assert [line for line in LINES if line not in told] == []


def test_every_row_names_tests_that_there_are() -> None:
    known: dict[str, set[str]] = {}
    missing = []
    for _, shown in rows():
        tests = list(named_tests(shown))
        assert tests
        for file, name in tests:
            if file not in known:
                nodes = ast.walk(source.syntax(ROOT / file)) if (ROOT / file).is_file() else ()
                known[file] = {node.name for node in nodes if isinstance(node, ast.FunctionDef)}
            missing += [] if name in known[file] and name.startswith("test_") else [f"{file}::{name}"]

    assert missing == []
    assert len(known) > 10
