"""The `idp` command as an operator runs it, inside this process: what it prints, and how it ends."""

import contextlib
import contextvars
import io
import sys
from dataclasses import dataclass
from pathlib import Path

from idp.cli.main import main


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def problems(self) -> list[str]:
        """Give what went wrong, a line each; every line has to say that it is an error."""
        assert self.code == 1, self
        assert self.out == "", self
        lines = self.err.splitlines()
        assert [line for line in lines if not line.startswith("error: ")] == []
        return [line.removeprefix("error: ") for line in lines]


def run_idp(*arguments: str | Path) -> Outcome:
    """Run `idp` with `arguments`, apart from the context of the test; anything but an orderly end is raised."""
    out, err = io.StringIO(), io.StringIO()
    before = sys.argv
    sys.argv = ["idp", *map(str, arguments)]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = contextvars.copy_context().run(_exit_code)
    finally:
        sys.argv = before
    return Outcome(code, out.getvalue(), err.getvalue())


def _exit_code() -> int:
    try:
        main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0
