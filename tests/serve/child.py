"""A program that a test starts and that does not outlive it, however the test ends."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

# It waits for the end of its standard input, which the operating system closes when the test's process is gone.
GUARD = "import os, sys; sys.stdin.read(); os.killpg(int(sys.argv[1]), 9)"


class Child(subprocess.Popen[bytes]):
    """A program in a process group of its own, with a guard that kills the group when nobody is left to do so."""

    def __init__(self, command: Sequence[str | Path], **options: Any) -> None:
        super().__init__(command, stdin=subprocess.DEVNULL, start_new_session=True, **options)
        guard = [sys.executable, "-S", "-E", "-c", GUARD, str(self.pid)]
        self._guard = subprocess.Popen(guard, stdin=subprocess.PIPE, start_new_session=True)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end, after which there is nothing to guard."""
        code = super().wait(timeout)
        self._guard.kill()
        self._guard.communicate()
        return code

    def kill_all(self) -> None:
        """Kill it with everything that it has started."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.wait()
