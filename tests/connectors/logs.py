"""Everything that is logged during a test, by our loggers and by the libraries'."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import structlog


class Logged:
    """What was logged so far, as one text."""

    def __init__(self, caplog: pytest.LogCaptureFixture, entries: list[structlog.typing.EventDict]) -> None:
        self._caplog = caplog
        self._entries = entries

    @property
    def text(self) -> str:
        return "\n".join([*map(str, self._entries), self._caplog.text])


@contextmanager
def capturing(caplog: pytest.LogCaptureFixture) -> Iterator[Logged]:
    """Keep what is logged inside the block, down to DEBUG."""
    with caplog.at_level(logging.DEBUG), structlog.testing.capture_logs() as entries:
        yield Logged(caplog, entries)
