"""What a run found: figures of each window, and what is made of them."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from bench.driver import Tally
from bench.machine import Memory


@dataclass(frozen=True)
class Latency:
    """Two percentiles in milliseconds."""

    p50: float
    p95: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> "Latency":
        """Take them, by nearest rank."""
        ordered = sorted(seconds)
        p50, p95 = (ordered[min(int(len(ordered) * share), len(ordered) - 1)] * 1000 for share in (0.50, 0.95))
        return cls(p50, p95)


@dataclass(frozen=True)
class WindowFigures:
    """One window: cores are core-seconds per second."""

    operations: int
    seconds: float
    latency: Latency
    parts: dict[str, Latency]
    server_cores: float
    driver_cores: float
    data_cores: float
    others_cores: float
    lost: float

    @property
    def rate(self) -> float:
        """Give operations per second."""
        return self.operations / self.seconds

    @property
    def server_ms(self) -> float:
        """Give the server's processor time for one operation."""
        return self.server_cores / self.rate * 1000

    @property
    def data_ms(self) -> float:
        """Give that of PostgreSQL and Redis."""
        return self.data_cores / self.rate * 1000

    @classmethod
    def of(
        cls,
        operation: str,
        tally: Tally,
        *,
        parts: Sequence[str],
        server_seconds: float,
        driver_seconds: float,
        data_seconds: float,
        others_seconds: float,
        lost: float,
    ) -> "WindowFigures":
        """Make figures of what a window saw; raises `ValueError` when no operation ended in it."""
        latencies = tally.latencies.get(operation)
        if not latencies:
            raise ValueError(next(iter(tally.failures), f"nothing ended within {tally.seconds:.1f} s"))
        return cls(
            operations=len(latencies),
            seconds=tally.seconds,
            latency=Latency.of(latencies),
            parts={part.partition(".")[2]: Latency.of(tally.latencies[part]) for part in parts},
            server_cores=server_seconds / tally.seconds,
            driver_cores=driver_seconds / tally.seconds,
            data_cores=data_seconds / tally.seconds,
            others_cores=others_seconds / tally.seconds,
            lost=lost,
        )


@dataclass
class Cell:
    """One operation, with one algorithm, of one target, over all rounds."""

    operation: str
    algorithm: str
    target: str
    windows: list[WindowFigures] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    repeated: int = 0  # windows that were measured again because the host took time

    def median(self, figure: Callable[[WindowFigures], float]) -> float:
        """Give the median of a figure over the rounds."""
        return statistics.median(map(figure, self.windows))

    @property
    def latency(self) -> Latency:
        """Give the medians of the percentiles."""
        return _median_latency([window.latency for window in self.windows])

    @property
    def parts(self) -> dict[str, Latency]:
        """Give the same for each part."""
        return {name: _median_latency([window.parts[name] for window in self.windows]) for name in self.windows[0].parts}

    def ratio_to(self, peer: "Cell", figure: Callable[[WindowFigures], float]) -> float:
        """Give the median of the ratios of a figure, round by round."""
        rounds = zip(self.windows, peer.windows, strict=True)
        return statistics.median(figure(ours) / figure(theirs) for ours, theirs in rounds if figure(theirs))


def _median_latency(found: Sequence[Latency]) -> Latency:
    return Latency(statistics.median(one.p50 for one in found), statistics.median(one.p95 for one in found))


@dataclass(frozen=True)
class Start:
    """How a target came up."""

    versions: str
    seconds: list[float]
    idle: Memory


@dataclass
class Measured:
    """Everything that a run found."""

    cells: list[Cell] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    starts: dict[str, Start] = field(default_factory=dict)
    loaded: dict[str, Memory] = field(default_factory=dict)

    def find(self, operation: str, algorithm: str, target: str) -> Cell | None:
        """Give a cell, if it was measured."""
        wanted = (operation, algorithm, target)
        return next((cell for cell in self.cells if (cell.operation, cell.algorithm, cell.target) == wanted), None)

    def cell(self, operation: str, algorithm: str, target: str) -> Cell:
        """Give a cell, new if it is the first time."""
        found = self.find(operation, algorithm, target)
        if found is None:
            found = Cell(operation, algorithm, target)
            self.cells.append(found)
        return found

    @property
    def failures(self) -> int:
        """Count all wrong answers."""
        return sum(len(cell.failures) for cell in self.cells)

    def as_json(self) -> dict[str, Any]:
        """Give everything, window by window."""
        return asdict(self)
