"""The circuit breaker: stops asking a gateway that keeps failing, and lets one probe find out when it is back.

closed --failures in a row--> open --pause is over--> half-open (exactly one probe)
half-open --the probe succeeded--> closed
half-open --the probe failed--> open
"""

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

import structlog

Result = TypeVar("Result")

_log = structlog.get_logger("senid.connectors")


class CircuitOpen(Exception):
    """The gateway is not asked just now."""


class CircuitBreaker:
    """Guards the calls to one gateway. Thread-safe; no lock is held while a call runs."""

    def __init__(self, *, name: str, failures: int, pause: timedelta, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Take the gateway's `name`, how many `failures` in a row open the circuit, and the `pause` until a probe."""
        self._name = name
        self._most_failures = failures
        self._pause = pause.total_seconds()
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._failures = 0
        self._opened_at: float | None = None
        self._is_probing = False
        self._era = 0  # moves when the circuit opens or a probe starts, so that what a call of an earlier era brings counts no more

    def call(self, work: Callable[[], Result]) -> Result:
        """Run `work`, any exception of which is a failure. Raises `CircuitOpen` without running it while the circuit is open."""
        era = self._enter()
        succeeded = False
        try:
            result = work()
            succeeded = True
        finally:
            self._leave(era, succeeded=succeeded)
        return result

    def _enter(self) -> int:
        with self._lock:
            if self._opened_at is None:
                return self._era
            if self._is_probing or self._monotonic() - self._opened_at < self._pause:
                raise CircuitOpen(self._name)
            self._is_probing = True
            self._era += 1
            return self._era

    def _leave(self, era: int, *, succeeded: bool) -> None:
        with self._lock:
            if era != self._era:
                return
            if succeeded:
                self._close()
                return
            self._failures += 1
            if self._is_probing or self._failures >= self._most_failures:
                self._open()

    def _close(self) -> None:
        if self._opened_at is not None:
            _log.info("gateway is back", gateway=self._name)
        self._failures, self._opened_at, self._is_probing = 0, None, False

    def _open(self) -> None:
        if not self._is_probing:
            _log.warning("gateway keeps failing and is left alone", gateway=self._name, seconds=self._pause)
        self._opened_at, self._is_probing = self._monotonic(), False
        self._era += 1
