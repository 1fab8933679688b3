"""Every text that a page can ask for exists, and every text that exists is asked for."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from jinja2 import Environment, nodes

from idp.edge.assets import find_folder
from idp.edge.languages import Texts, load_texts
from tests.rules import source

TEMPLATES = sorted(find_folder("templates").rglob("*.html"))
# Asked for by the class of an error, or by the name of a field: tests/edge/test_languages.py holds them to errors and forms.
ASKED_FOR_BY_CODE = ("errors.", "field_in_sentence.")
LEVELS = {str(level) for level in range(1, 5)}
ENVIRONMENT = Environment(autoescape=True)


@pytest.fixture(scope="module")
def texts() -> Texts:
    return load_texts(find_folder("locales"))


@pytest.fixture(scope="module")
def words() -> set[str]:
    """Give every string in the code: what keys may be put together from."""
    trees = [source.syntax(path) for path in source.python_files("idp")]
    found = {node.value for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return found | LEVELS


def patterns(path: Path) -> Iterator[str]:
    """Give the keys that a template asks for, as regular expressions: a part that is put in is a group."""
    for call in ENVIRONMENT.parse(path.read_text(encoding="utf-8")).find_all(nodes.Call):
        if isinstance(call.node, nodes.Name) and call.node.name == "t":
            yield from pattern_of(call.args[0])


def pattern_of(node: nodes.Node) -> Iterator[str]:
    if isinstance(node, nodes.Const):
        yield re.escape(str(node.value))
    elif isinstance(node, nodes.Concat):
        yield "".join(re.escape(str(part.value)) if isinstance(part, nodes.Const) else r"(\w+?)" for part in node.nodes)
    elif isinstance(node, nodes.CondExpr) and node.expr2 is not None:
        yield from pattern_of(node.expr1)
        yield from pattern_of(node.expr2)
    else:
        raise AssertionError(f"line {node.lineno}: a key that cannot be read")


def keys_asked_for(pattern: str, keys: frozenset[str], words: set[str]) -> set[str]:
    """Give the texts that a pattern stands for: what is put in has to be a word of the code."""
    matches = [(key, re.fullmatch(pattern, key)) for key in keys]
    return {key for key, found in matches if found and set(found.groups()) <= words}


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_text_that_a_template_asks_for_exists(texts: Texts, words: set[str], path: Path) -> None:
    assert [pattern for pattern in patterns(path) if not keys_asked_for(pattern, texts.keys("vi"), words)] == []


def test_every_text_is_asked_for(texts: Texts, words: set[str]) -> None:
    keys = texts.keys("vi")
    asked = {key for path in TEMPLATES for pattern in patterns(path) for key in keys_asked_for(pattern, keys, words)}
    asked |= keys & words

    assert sorted(key for key in keys - asked if not key.startswith(ASKED_FOR_BY_CODE)) == []
    assert len(asked) > 100
