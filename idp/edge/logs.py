"""What is logged and how: JSON lines with the request id, and never a value from outside."""

import logging
import sys

import structlog
from structlog.typing import EventDict

_ALLOWED = frozenset({
    "event", "level", "logger", "timestamp", "request_id", "method", "route", "status", "milliseconds", "code", "detail", "error", "place",
    "name", "gateway", "attempt", "reason", "state", "kind", "count", "seconds", "listen", "version", "folder", "workers", "outcome",
})  # fmt: skip


def configure(level: str) -> None:
    """Log to standard error at `level`. The libraries' own loggers stay at INFO: at DEBUG some print tokens and queries."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(message)s", force=True)
    for noisy in ("authlib", "sqlalchemy.engine", "httpx2", "httpcore2", "urllib3", "werkzeug", "alembic", "_granian", "granian"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            keep_known_keys,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level)),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def keep_known_keys(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Drop every key that is not on the list: what nobody placed there cannot leak."""
    return {key: value for key, value in event.items() if key in _ALLOWED}
