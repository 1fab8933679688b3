"""The files of the project, as the guards read them."""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.instances import ROOT

MADE = {"__pycache__", "node_modules", ".git", ".venv", ".servers", "build", "dist"}


def python_files(*folders: str) -> list[Path]:
    """Give the Python files below the folders of the project."""
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py")) if not MADE & set(path.parts)]


def syntax(path: Path) -> ast.Module:
    """Give the syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def name(path: Path) -> str:
    """Give the path as people say it."""
    return path.relative_to(ROOT).as_posix()


def imported(tree: ast.Module) -> Iterator[str]:
    """Give the full names of the modules that a file imports, and of what it imports from them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def texts() -> Iterator[tuple[Path, str]]:
    """Give every text file that belongs to the project, with its text."""
    for path in sorted(_files(ROOT)):
        try:
            yield path, path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # a picture, a sound or a font


def _files(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.is_dir():
            is_ours = path.name == ".ci" or not (path.name.startswith(".") or path.name in MADE)
            yield from _files(path) if is_ours and not path.is_symlink() else ()
        else:
            yield path
