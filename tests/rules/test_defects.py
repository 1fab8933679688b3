"""What goes wrong unforeseen is caught in one place, and told to nobody but the log, without its values."""

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.instances import ROOT
from tests.rules import source

ONE_PLACE = "idp/edge/error_responses.py"
EVERYTHING = {"Exception", "BaseException"}
# What a process prints of the loggers of the libraries that could tell secrets, after the product has configured its log at DEBUG.
PROGRAM = """
import json, logging
from idp.edge import logs, oauth_server
from idp.connectors import http
logs.configure("DEBUG")
libraries = {"authlib", "sqlalchemy", "httpx2", "httpcore2", "werkzeug"}
names = [name for name in logging.root.manager.loggerDict if name.split(".")[0] in libraries]
print(json.dumps({name: logging.getLogger(name).isEnabledFor(logging.DEBUG) for name in names}))
"""


def catch_alls(tree: ast.Module) -> Iterator[int]:
    """Give the lines that catch, or suppress, whatever comes."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler) and (node.type is None or names_everything(node.type)):
            yield node.lineno
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("suppress") and any(map(names_everything, node.args)):
            yield node.lineno


def names_everything(node: ast.expr) -> bool:
    return any(isinstance(part, ast.Name) and part.id in EVERYTHING for part in ast.walk(node))


@pytest.mark.parametrize(
    "text",
    [
        "try: pass\nexcept Exception: pass",
        "try: pass\nexcept: pass",
        "try: pass\nexcept (OSError, BaseException) as e: pass",
        "suppress(Exception)",
    ],
)
def test_the_guard_sees_a_catch_all(text: str) -> None:
    assert list(catch_alls(ast.parse(text)))


def test_defects_are_caught_in_one_place() -> None:
    found = {source.name(path): len(list(catch_alls(source.syntax(path)))) for path in source.python_files("idp")}

    assert {name: count for name, count in found.items() if count} == {ONE_PLACE: 1}


def test_libraries_cannot_print_tokens_at_any_level() -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    made = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, env=environment)
    speaks = json.loads(made.stdout)

    assert {"authlib.oauth2.rfc6749.grants.authorization_code", "authlib.oauth2.rfc6749.grants.refresh_token"} <= speaks.keys()
    assert [name for name, is_enabled in speaks.items() if is_enabled] == []
