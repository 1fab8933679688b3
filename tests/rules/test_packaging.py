import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from tests.instances import ROOT

LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def normal(name: str) -> str:
    return re.split(r"[\[<>=!~; ]", name, maxsplit=1)[0].lower().replace("_", "-")


def pinned(lock: Path) -> dict[str, str]:
    """Give each package of a lock with what stands under it."""
    entries = re.split(r"\n(?=[a-z])", lock.read_text(encoding="utf-8"))
    return {normal(entry): entry for entry in entries if not entry.startswith("#")}


def test_the_wheel_carries_what_pages_are_made_of(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path], cwd=ROOT, check=True, capture_output=True)
    [wheel] = tmp_path.glob("*.whl")
    inside = set(zipfile.ZipFile(wheel).namelist())

    for folder in ("templates", "static", "locales"):
        files = {path.relative_to(ROOT).as_posix() for path in (ROOT / folder).rglob("*") if path.is_file()}
        assert files
        assert {f"idp/_assets/{file}" for file in files} <= inside
    assert "idp/config.py" in inside
    assert [name for name in inside if name.startswith(("sandbox/", "tests/", "keys/"))] == []


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: str(lock.name))
def test_every_locked_package_has_a_version_and_a_hash_and_no_address(lock: Path) -> None:
    packages = pinned(lock)

    assert packages
    assert [name for name, entry in packages.items() if "==" not in entry or "--hash=sha256:" not in entry] == []
    assert "://" not in lock.read_text(encoding="utf-8")


def test_what_the_project_asks_for_is_locked() -> None:
    assert {normal(name) for name in PROJECT["project"]["dependencies"]} <= pinned(ROOT / "requirements" / "run.txt").keys()


def test_what_is_tested_is_what_runs() -> None:
    def versions(file: str) -> dict[str, str]:
        return {name: entry.split()[0] for name, entry in pinned(ROOT / "requirements" / file).items()}

    run, demo, dev = versions("run.txt"), versions("demo.txt"), versions("dev.txt")

    assert run.items() <= demo.items() <= dev.items()
