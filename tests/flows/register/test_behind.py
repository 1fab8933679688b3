"""Work behind an answer: done by few threads, refused when too much waits, and never lost without a word."""

import threading

import pytest
from structlog.testing import capture_logs

from idp.errors import SmsUnavailable, StoreUnavailable
from idp.flows.register.mobile_subscriber import behind


def test_what_is_posted_is_done() -> None:
    done: list[str] = []
    behind.post(lambda: done.append(threading.current_thread().name))
    behind.wait()
    assert len(done) == 1
    assert done[0].startswith("behind-answer")


def test_no_more_than_a_number_wait_and_few_threads_work() -> None:
    go, names = threading.Event(), set()

    def slow() -> None:
        names.add(threading.current_thread().name)
        go.wait(10)

    for _ in range(behind.MOST_UNDER_WAY):
        behind.post(slow)
    try:
        with pytest.raises(SmsUnavailable):
            behind.post(slow)
    finally:
        go.set()
        behind.wait()
    assert len(names) <= behind.THREADS
    behind.post(slow)
    behind.wait()


@pytest.mark.parametrize(
    ("error", "event", "told"), [(StoreUnavailable(), "not_delivered", None), (ValueError("0912345678"), "defect", "ValueError")]
)
def test_no_failure_is_lost_nor_tells_values(error: Exception, event: str, told: str | None) -> None:
    def fail() -> None:
        raise error

    with capture_logs() as logged:
        behind.post(fail)
        behind.wait()
    (entry,) = [one for one in logged if one["event"] == event]
    assert entry.get("error") == told
    assert "0912345678" not in str(logged)
