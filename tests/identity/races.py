"""Races: many threads that set out together."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, local
from typing import ParamSpec, TypeVar

from idp.errors import SenidError

THREADS = 50
P = ParamSpec("P")
R = TypeVar("R")


def meeting(verb: Callable[P, R], *, threads: int) -> Callable[P, R]:
    """Give a `verb` that waits, the first time in each thread, until so many threads have come as far; later calls go through."""
    together, came = Barrier(threads), local()

    def met(*arguments: P.args, **named: P.kwargs) -> R:
        done = verb(*arguments, **named)
        if not getattr(came, "before", False):
            came.before = True
            together.wait(timeout=10)
        return done

    return met


def race(step: Callable[[int], object], *, threads: int = THREADS) -> list[str]:
    """Run `step` in all threads at once; gives `won`, or the code of its error, for each."""
    start = Barrier(threads)

    def run(number: int) -> str:
        start.wait()
        try:
            step(number)
        except SenidError as error:
            return error.code
        return "won"

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(run, range(threads)))
