"""The thread of a server process that runs the jobs, each at its own pace."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from idp.edge.error_responses import answered
from idp.errors import SenidError

Job = Callable[[], int]
_log = structlog.get_logger("senid.jobs")


@dataclass(frozen=True)
class Schedule:
    """A job and the seconds between two runs. Jobs claim their work, so that any number of processes may run them."""

    name: str
    run: Job
    every_seconds: float


class Runner:
    """Runs schedules until it is stopped."""

    def __init__(self, schedules: Sequence[Schedule]) -> None:
        """Take what to run."""
        self._schedules = schedules
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._loop, args=(one,), name=f"job-{one.name}", daemon=True) for one in schedules]

    def start(self) -> None:
        """Start one thread a job, so that a slow one delays no other."""
        for thread in self._threads:
            thread.start()

    def stop(self, timeout_seconds: float = 5.0) -> None:
        """Ask the jobs to end and wait for them."""
        self._stopped.set()
        for thread in self._threads:
            thread.join(timeout_seconds)

    def _loop(self, schedule: Schedule) -> None:
        while not self._stopped.wait(schedule.every_seconds):
            answered(schedule.run, lambda error: self._note(schedule, error))

    @staticmethod
    def _note(schedule: Schedule, error: SenidError) -> int:
        """Log a run that went wrong; the next one comes at its time."""
        _log.warning("job failed", name=schedule.name, code=error.code)
        return 0
