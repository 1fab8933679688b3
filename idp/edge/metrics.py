"""What the server counts and times, in the Prometheus text format."""

from functools import cache

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

MULTIPROCESS_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

requests = Counter("senid_requests_total", "Requests answered.", ["route", "method", "status"])
seconds = Histogram(
    "senid_request_seconds",
    "Time to answer a request.",
    ["route"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0),
)
_METHODS = frozenset({"GET", "POST", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH"})


def record(route: str, method: str, status: int, duration: float) -> None:
    """Count an answer. `route` is the rule, never the path: paths hold identifiers, and labels must stay few."""
    counter, histogram = _of(route, method if method in _METHODS else "other", status)
    counter.inc()
    histogram.observe(duration)


@cache  # there are few: rules and methods are ours, and so are the numbers of answers
def _of(route: str, method: str, status: int) -> tuple[Counter, Histogram]:
    return requests.labels(route, method, str(status)), seconds.labels(route)


def exposition(folder: str | None) -> bytes:
    """Give the page for the collector: of this process, or of all workers when they share `folder`."""
    if not folder:
        return generate_latest()
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=folder)  # type: ignore[no-untyped-call] # the library leaves it untyped
    return generate_latest(registry)
