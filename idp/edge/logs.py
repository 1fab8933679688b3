"""What is logged and how: JSON lines with the request id, and never a value from outside."""

import json
import logging
import sys
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from structlog.typing import EventDict

from idp.safety.caller import CALLER

LONGEST_METHOD = 16
_LINE = json.JSONEncoder()
_ALLOWED = frozenset({
    "event", "level", "logger", "timestamp", "request_id", "method", "route", "status", "milliseconds", "code", "detail", "error", "place",
    "name", "gateway", "attempt", "reason", "state", "kind", "count", "seconds", "listen", "version", "folder", "workers", "outcome",
})  # fmt: skip


@dataclass
class _Told:
    """Whether answered requests are logged: not before `configure`, nor above INFO."""

    is_on: bool = False


_told = _Told()


def configure(level: str) -> None:
    """Log to standard error at `level`. The libraries' own loggers stay at INFO: at DEBUG some print tokens and queries."""
    _told.is_on = logging.getLevelName(level) <= logging.INFO
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(message)s", force=True)
    for noisy in ("authlib", "sqlalchemy.engine", "httpx2", "httpcore2", "urllib3", "werkzeug", "alembic", "_granian", "granian"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    structlog.configure(
        processors=[
            add_request_id,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            keep_known_keys,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level)),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def tell_answered(method: str, route: str, status: int, seconds: float, request_id: str) -> None:
    """Log a request that was answered, as the others are logged, but without their detours: there is one for each request."""
    if not _told.is_on:
        return
    at = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    told = {"method": method[:LONGEST_METHOD], "route": route, "status": status, "milliseconds": round(seconds * 1000, 2)}
    told |= {"event": "answered", "level": "info", "request_id": request_id, "timestamp": at}
    sys.stderr.write(f"{_LINE.encode(told)}\n")


def add_request_id(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Say in which request something happened."""
    request_id = CALLER.get().request_id
    return {**event, "request_id": request_id} if request_id else event


def keep_known_keys(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Drop every key that is not on the list: what nobody placed there cannot leak."""
    return {key: value for key, value in event.items() if key in _ALLOWED}
