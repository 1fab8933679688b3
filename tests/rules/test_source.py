import ast
import re
from pathlib import Path

import pytest

from tests.rules import source

BANNED_MODULES = {"utils", "helpers", "common", "misc", "manager", "base"}  # style.md 3
LONGEST_FUNCTION = 60
# A flow asks a promise, never a named system: `if connector == "vneid"` belongs into a connector.
OUTSIDE_SYSTEMS = ("vneid", "viettel", "vinaphone", "mobifone", "vietnamobile", "vnpt", "gmobile")

OURS = source.python_files("idp", "sandbox")
ALL = source.python_files("idp", "sandbox", "tests", "scripts", "bench")


def test_there_is_something_to_guard() -> None:
    assert len(OURS) > 40
    assert len(ALL) > len(OURS)


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert [source.name(path) for path in ALL if {path.stem, path.parent.name} & BANNED_MODULES] == []


@pytest.mark.parametrize("path", OURS, ids=source.name)
def test_a_module_says_in_one_sentence_what_it_owns(path: Path) -> None:
    docstring = ast.get_docstring(source.syntax(path))

    assert docstring, "no docstring"
    assert docstring.split("\n\n")[0].rstrip().endswith("."), "the docstring does not begin with a sentence"


@pytest.mark.parametrize("path", ALL, ids=source.name)
def test_no_function_is_longer_than_a_page(path: Path) -> None:
    functions = [node for node in ast.walk(source.syntax(path)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    lengths = {node.name: (node.end_lineno or 0) - node.lineno + 1 for node in functions}

    assert {function: length for function, length in lengths.items() if length > LONGEST_FUNCTION} == {}


@pytest.mark.parametrize("path", source.python_files("idp/flows"), ids=source.name)
def test_no_flow_names_an_outside_system(path: Path) -> None:
    tree = source.syntax(path)
    words = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    words += [node.id for node in ast.walk(tree) if isinstance(node, ast.Name)]

    assert [word for word in words for system in OUTSIDE_SYSTEMS if system in word.lower()] == []


@pytest.mark.parametrize("path", source.python_files("idp"), ids=source.name)
def test_nothing_is_printed_past_the_log(path: Path) -> None:
    calls = [node.func for node in ast.walk(source.syntax(path)) if isinstance(node, ast.Call)]

    assert [call.lineno for call in calls if isinstance(call, ast.Name) and call.id in {"print", "pprint", "breakpoint"}] == []


def test_authlib_comes_without_its_integrations() -> None:
    imports = [(source.name(path), module) for path in source.python_files("idp") for module in source.imported(source.syntax(path))]

    assert [found for found in imports if found[1].startswith("authlib.integrations")] == []
    assert any(module.startswith("authlib.") for _, module in imports), "the guard does not see Authlib at all"


def test_nothing_names_a_place_that_is_one_machines_alone() -> None:
    # In two halves, so that this file does not name them either.
    places = [
        *("/" + folder + "/" for folder in ("root", "work")),
        "/home" + "/",
        "pypi" + ".org",
        "python" + "hosted.org",
        "npmjs" + ".org",
        "deb.debian" + ".org",
    ]
    named = re.compile("|".join(rf"(?<![\w.]){re.escape(place)}" for place in places))

    assert [f"{source.name(path)}: {found[0]}" for path, text in source.texts() for found in named.finditer(text)] == []
