"""Work behind an answer: a few threads, a bounded queue before them, and no failure that is lost."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from threading import BoundedSemaphore

import structlog

from idp.edge.error_responses import answered
from idp.errors import SenidError, SmsUnavailable

THREADS = 4
MOST_UNDER_WAY = 64
_threads = ThreadPoolExecutor(THREADS, thread_name_prefix="behind-answer")
_room = BoundedSemaphore(MOST_UNDER_WAY)
_log = structlog.get_logger("senid.registration")


def post(deliver: Callable[[], None]) -> None:
    """Have a text message delivered behind the answer; raises `SmsUnavailable` when too many wait already, for whomever."""
    if not _room.acquire(blocking=False):
        raise SmsUnavailable("too many deliveries under way")
    try:
        _threads.submit(copy_context().run, answered, deliver, _note).add_done_callback(lambda _: _room.release())
    except RuntimeError:  # the process is being stopped
        _room.release()
        raise SmsUnavailable("no delivery is begun any more") from None


def wait() -> None:
    """Wait until everything posted so far is done, for tests."""
    for _ in range(MOST_UNDER_WAY):
        _room.acquire()
    _room.release(MOST_UNDER_WAY)


def _note(error: SenidError) -> None:
    _log.warning("not_delivered", code=error.code)
