"""The circuit breaker's three states, and that threads do not confuse it."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from idp.connectors.circuit_breaker import CircuitBreaker, CircuitOpen


class Stopwatch:
    """A monotonic clock that a test turns."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def stopwatch() -> Stopwatch:
    return Stopwatch()


@pytest.fixture
def breaker(stopwatch: Stopwatch) -> CircuitBreaker:
    return CircuitBreaker(name="test", failures=3, pause=timedelta(seconds=10), monotonic=stopwatch)


def fail() -> None:
    raise RuntimeError("down")


def work() -> str:
    return "done"


def fail_times(breaker: CircuitBreaker, times: int) -> None:
    for _ in range(times):
        with pytest.raises(RuntimeError):
            breaker.call(fail)


def test_it_stays_closed_below_the_limit_and_forgets_after_a_success(breaker: CircuitBreaker) -> None:
    for _ in range(3):
        fail_times(breaker, 2)
        assert breaker.call(work) == "done"


def test_failures_in_a_row_open_it_and_then_nothing_runs(breaker: CircuitBreaker) -> None:
    fail_times(breaker, 3)
    with pytest.raises(CircuitOpen):
        breaker.call(lambda: pytest.fail("the gateway was asked"))


def test_a_successful_probe_closes_it(breaker: CircuitBreaker, stopwatch: Stopwatch) -> None:
    fail_times(breaker, 3)
    stopwatch.seconds = 10
    assert breaker.call(work) == "done"
    fail_times(breaker, 2)
    assert breaker.call(work) == "done"


def test_a_failed_probe_opens_it_for_another_pause(breaker: CircuitBreaker, stopwatch: Stopwatch) -> None:
    fail_times(breaker, 3)
    stopwatch.seconds = 10
    fail_times(breaker, 1)
    stopwatch.seconds = 19.9
    with pytest.raises(CircuitOpen):
        breaker.call(work)
    stopwatch.seconds = 20
    assert breaker.call(work) == "done"


@pytest.mark.race
def test_of_fifty_threads_exactly_one_probes(breaker: CircuitBreaker, stopwatch: Stopwatch) -> None:
    fail_times(breaker, 3)
    stopwatch.seconds = 10
    ready, release, refused = threading.Barrier(50), threading.Event(), threading.Semaphore(0)
    probes = []

    def probe() -> None:
        probes.append(1)
        release.wait(10)

    def attempt() -> str:
        ready.wait(10)
        try:
            breaker.call(probe)
        except CircuitOpen:
            refused.release()
            return "refused"
        return "probed"

    with ThreadPoolExecutor(50) as pool:
        tasks = [pool.submit(attempt) for _ in range(50)]
        for _ in range(49):
            assert refused.acquire(timeout=10)
        release.set()
        outcomes = [task.result() for task in tasks]
    assert (outcomes.count("probed"), outcomes.count("refused"), len(probes)) == (1, 49, 1)


@pytest.mark.race
def test_calls_run_side_by_side(breaker: CircuitBreaker) -> None:
    together = threading.Barrier(8)
    with ThreadPoolExecutor(8) as pool:
        tasks = [pool.submit(breaker.call, lambda: together.wait(10)) for _ in range(8)]
        assert sorted(task.result() for task in tasks) == list(range(8))


def test_a_straggler_of_before_does_not_end_the_probe(breaker: CircuitBreaker, stopwatch: Stopwatch) -> None:
    straggles, goes_on = threading.Event(), threading.Event()

    def straggler() -> None:
        straggles.set()
        goes_on.wait(10)

    with ThreadPoolExecutor(1) as pool:
        task = pool.submit(breaker.call, straggler)
        assert straggles.wait(10)
        fail_times(breaker, 3)
        goes_on.set()
        task.result()
    with pytest.raises(CircuitOpen):
        breaker.call(work)
    stopwatch.seconds = 10
    assert breaker.call(work) == "done"
