"""Every requirement that is built is marked in a test; that the marked tests pass is for the run to show (`build/requirements.txt`)."""

import ast
from collections.abc import Iterator

from tests.requirement_report import in_order
from tests.rules import source

# What the registration by mobile subscription and the sign-in with password and code have to meet (requirements A4, A5, A9, A16).
BUILT = {
    *(f"A4.{number}" for number in (*range(32, 37), 42)),
    *(f"A5.{number}" for number in range(43, 59)),
    *(f"A9.{number}" for number in (*range(75, 81), *range(82, 86))),
    *(f"A16.C{number}" for number in range(1, 8)),
}
BROWSER = "tests/browser/"


def marked(tree: ast.Module) -> Iterator[str]:
    """Give the numbers in the marks of a file's tests; a mark on anything else shows nothing."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            calls = [one for one in node.decorator_list if isinstance(one, ast.Call) and ast.unparse(one.func) == "pytest.mark.requirement"]
            yield from (ast.literal_eval(argument) for call in calls for argument in call.args)


def test_every_requirement_that_is_built_is_marked_in_a_test() -> None:
    found = {number for path in source.python_files("tests") for number in marked(source.syntax(path))}

    assert in_order(BUILT - found) == []


def test_none_of_them_depends_on_a_browser_alone() -> None:
    """Where there is no Chromium the requirements are shown all the same."""
    files = [path for path in source.python_files("tests") if not source.name(path).startswith(BROWSER)]
    found = {number for path in files for number in marked(source.syntax(path))}

    assert in_order(BUILT - found) == []
