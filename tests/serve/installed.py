"""The product as a deployment has it: its wheel, installed into an environment where the source tree is not."""

import os
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from tests.instances import ROOT, Run


@dataclass(frozen=True)
class Installed:
    """An environment that holds the wheel, and finds what the wheel depends on among the packages of the tests."""

    folder: Path

    @property
    def idp(self) -> Path:
        """Give the `idp` command."""
        return self.folder / "bin" / "idp"

    @property
    def python(self) -> Path:
        """Give its interpreter."""
        return self.folder / "bin" / "python"

    def environment(self, **more: str) -> dict[str, str]:
        """Give the variables to run it with: none of ours but `more`. The path names no `.pth` file, so no checkout comes with it."""
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
        return {**kept, "PYTHONPATH": sysconfig.get_path("purelib"), **more}

    def run(self, *command: str | Path, cwd: Path, **more: str) -> "subprocess.CompletedProcess[str]":
        """Run one of its programs to its end."""
        return subprocess.run(command, cwd=cwd, env=self.environment(**more), capture_output=True, encoding="utf-8", check=False)


def install() -> Installed:
    """Build the wheel and install it, once for all workers of the run."""
    folder = Run.current().folder / "installed"
    Run.current().once("installed.done", lambda marker: _install(folder, marker))
    return Installed(folder)


def _install(folder: Path, marker: Path) -> None:
    dist = folder / "dist"
    _run("venv", "--without-pip", folder)
    _run("hatchling", "build", "-t", "wheel", "-d", dist)
    [wheel] = dist.glob("*.whl")
    _run("pip", "--python", folder / "bin" / "python", "--disable-pip-version-check", "install", "--no-index", "--no-deps", wheel)
    marker.touch()


def _run(module: str, *arguments: str | Path) -> None:
    done = subprocess.run([sys.executable, "-m", module, *arguments], cwd=ROOT, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, f"{module}: {done.stdout}{done.stderr}"
