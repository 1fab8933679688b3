"""The report of a run: what was found beside what was wanted, in Markdown, with plots and the figures of every window as JSON."""

import json
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from bench.measurement import Plan
from bench.operations import SIGNING
from bench.plots import Mark, Row, draw
from bench.results import Cell, Measured, WindowFigures

# What is wanted of this server, as rates in units of the peer's, with ES256.
GOALS = {
    "code_flow": 1.5,
    "refresh": 1.0,
    "client_credentials": 1.0,
    "introspect": 1.0,
    "userinfo": 1.0,
    "jwks": 1.0,
    "discovery": 1.0,
}
MOST_MEMORY = 0.5  # of the peer's, loaded
ON = """\
Ours: `idp serve` with one worker, `mode = production`, and every other setting at its default; audit, limits, metrics, encryption and the
log (at INFO, to a file) are on. Accounts, portals, grants, refresh tokens and audit last in PostgreSQL (fsync and synchronous_commit on);
sessions, codes and access tokens live in Redis. The peer: node-oidc-provider with everything in Redis, which persists nothing; opaque
access tokens, rotated refresh tokens, PKCE demanded; no audit, limits, metrics or log. Both stand behind a proxy that ends TLS, whose part
the driver plays: plain HTTP on loopback, with `X-Forwarded-For` (one address a user) and `X-Forwarded-Proto`."""


@dataclass(frozen=True)
class Circumstances:
    """When, where and how a run went."""

    began: datetime
    command: str
    machine: str
    cores: str
    stores: tuple[str, str]
    threads: int
    plan: Plan


@dataclass(frozen=True)
class Report:
    """Writes a run down."""

    measured: Measured
    circumstances: Circumstances
    peer: str

    def write(self, place: Path) -> None:
        """Write everything into a new folder."""
        place.mkdir(parents=True)
        figures = {"circumstances": asdict(self.circumstances), **self.measured.as_json()}
        (place / "results.json").write_text(json.dumps(figures, indent=1, default=str, ensure_ascii=False), encoding="utf-8")
        (place / "report.md").write_text(self.markdown(plots="."), encoding="utf-8")
        for name, picture in self.plots().items():
            (place / name).write_text(picture, encoding="utf-8")

    def markdown(self, *, plots: str) -> str:
        """Give the tables; `plots` is the folder of the pictures as seen from the page."""
        parts = [
            self._circumstances(),
            self._goals(),
            "\n".join(f"![{name.removesuffix('.svg')}]({plots}/{name})" for name in self.plots()),
            self._rates(),
            self._parts(),
            self._starts(),
            self._noise(),
        ]
        return "\n\n".join(part for part in parts if part) + "\n"

    # --- the tables ------------------------------------------------------------------------------------------------------------------

    def _circumstances(self) -> str:
        now, plan = self.circumstances, self.circumstances.plan
        postgresql, redis = now.stores
        versions = "\n".join(f"- {name}: {start.versions}" for name, start in self.measured.starts.items())
        lines = (
            f"Measured {now.began:%Y-%m-%d %H:%M} UTC by `{now.command}` on {now.machine}.",
            f"Server on core {plan.server_core}; driver, {postgresql} and {redis} on core {plan.driver_core}; idle cores {now.cores}.",
            f"{plan.users} virtual users in a closed loop, {plan.rounds} rounds of {plan.seconds:g} s on each target in alternating order.",
            f"Ours with {now.threads} threads.",
            f"\n{ON}\n\n{versions}",
        )
        return "\n".join(lines)

    def _goals(self) -> str:
        rows = [row for target in self._ours() for row in self._goal_rows(target)]
        return _table(("goal", "target", "found", "wanted", ""), rows) if rows else ""

    def _ours(self) -> list[str]:
        return [target for target in self.measured.starts if target != self.peer]

    def _goal_rows(self, target: str) -> Iterator[tuple[str, ...]]:
        algorithm = self.circumstances.plan.algorithms[0]
        for operation, wanted in GOALS.items():
            ours, peer = (self.measured.find(operation, algorithm, name) for name in (target, self.peer))
            if ours is None or peer is None:
                continue
            rate, tail = ours.ratio_to(peer, _rate), ours.ratio_to(peer, _p95)
            yield f"{operation}: rate, of the peer's", target, f"{rate:.2f}", f"at least {wanted:g}", _verdict(is_met=rate >= wanted)
            yield f"{operation}: p95, of the peer's", target, f"{tail:.2f}", "at most 1", _verdict(is_met=tail <= 1)
        if self.peer in self.measured.loaded:
            share = self.measured.loaded[target].pss / self.measured.loaded[self.peer].pss
            wanted_share = f"at most {MOST_MEMORY:g}"
            yield "loaded memory (PSS), of the peer's", target, f"{share:.2f}", wanted_share, _verdict(is_met=share <= MOST_MEMORY)

    def _rates(self) -> str:
        heads = ("operation", "target", "ops/s (min-max)", "x peer", "p50 ms", "p95 ms", "CPU ms/op", "x peer by CPU")
        more = ("server core", "PG+Redis ms/op", "driver core", "failures")
        return _table((*heads, *more), [self._rate_row(cell) for cell in self.measured.cells])

    def _rate_row(self, cell: Cell) -> tuple[str, ...]:
        rates = [window.rate for window in cell.windows]
        peer = self.measured.find(cell.operation, cell.algorithm, self.peer)
        is_beside = peer is not None and cell.target != self.peer
        return (
            _row_name(cell),
            cell.target,
            f"{cell.median(_rate):,.0f} ({min(rates):,.0f}-{max(rates):,.0f})",
            f"**{cell.ratio_to(peer, _rate):.2f}**" if is_beside and peer else "",
            f"{cell.latency.p50:.2f}",
            f"{cell.latency.p95:.2f}",
            f"{cell.median(_server_ms):.3f}",
            f"{1 / cell.ratio_to(peer, _server_ms):.2f}" if is_beside and peer else "",
            f"{cell.median(lambda window: window.server_cores):.2f}",
            f"{cell.median(lambda window: window.data_ms):.3f}",
            f"{cell.median(lambda window: window.driver_cores):.2f}",
            str(len(cell.failures)),
        )

    def _parts(self) -> str:
        divided = [cell for cell in self.measured.cells if cell.parts]
        if not divided:
            return ""
        names = list(divided[0].parts)
        rows = [
            (_row_name(cell), cell.target, *(f"{cell.parts[name].p50:.2f} / {cell.parts[name].p95:.2f}" for name in names))
            for cell in divided
        ]
        return "p50 / p95 in ms of each step:\n\n" + _table(("operation", "target", *names), rows)

    def _starts(self) -> str:
        rows = [
            (
                name,
                f"{statistics.median(start.seconds):.2f}" if start.seconds else "",
                f"{start.idle.rss:.0f} ({start.idle.pss:.0f})",
                f"{self.measured.loaded[name].rss:.0f} ({self.measured.loaded[name].pss:.0f})",
            )
            for name, start in self.measured.starts.items()
        ]
        return _table(("target", "start to first answer, s", "idle, MiB RSS (PSS)", "loaded at most, MiB RSS (PSS)"), rows)

    def _noise(self) -> str:
        windows = [window for cell in self.measured.cells for window in cell.windows]
        repeated = sum(cell.repeated for cell in self.measured.cells)
        lost = max(window.lost for window in windows)
        others = sorted(window.others_cores for window in windows)
        lines = [
            f"{repeated} windows were measured again as the host took time; of {len(windows)} that count none lost over {lost:.2f} cores.",
            f"Other processes used {statistics.median(others):.2f} cores of the machine in the median window, {others[-1]:.2f} at most.",
            *(f"Not measured: {what}, {why}." for what, why in self.measured.skipped.items()),
            *(f"WRONG: {_row_name(cell)}, {cell.target}: {failure}" for cell in self.measured.cells for failure in cell.failures[:2]),
        ]
        return "\n".join(f"- {line}" for line in lines)

    # --- the plots -------------------------------------------------------------------------------------------------------------------

    def plots(self) -> dict[str, str]:
        """Give the pictures by the names of their files."""
        found = {
            "rates.svg": draw("Operations per second and core: median, least and most of the rounds", self._rows_of(_rates_of)),
            "latency.svg": draw("Milliseconds: p50, with p95 at the end of the line", self._rows_of(_latency_of)),
            "memory.svg": draw("Memory in MiB (PSS): idle, with the most under load at the end of the line", self._memory_rows()),
        }
        if self._ours() and self.peer in self.measured.starts:
            title = "Rate in units of the peer's: median, least and most of the rounds; the square is the goal"
            found = {"ratios.svg": draw(title, list(self._ratio_rows()), line_at=1.0), **found}
        return found

    def _rows_of(self, mark_of: Callable[[Cell], Mark]) -> list[Row]:
        rows: dict[str, list[Mark]] = {}
        for cell in self.measured.cells:
            rows.setdefault(_row_name(cell), []).append(mark_of(cell))
        return [Row(name, marks) for name, marks in rows.items()]

    def _memory_rows(self) -> list[Row]:
        return [
            Row(name, [Mark(name, start.idle.pss, start.idle.pss, self.measured.loaded[name].pss)])
            for name, start in self.measured.starts.items()
        ]

    def _ratio_rows(self) -> Iterator[Row]:
        rows: dict[str, list[Mark]] = {}
        for cell in self.measured.cells:
            peer = self.measured.find(cell.operation, cell.algorithm, self.peer)
            if peer is None or cell.target == self.peer:
                continue
            ratios = [ours.rate / theirs.rate for ours, theirs in zip(cell.windows, peer.windows, strict=True)]
            mark = Mark(cell.target, min(ratios), statistics.median(ratios), max(ratios))
            rows.setdefault(_row_name(cell), []).append(mark)
        for name, marks in rows.items():
            is_wanted = name.split()[-1] == name or name.endswith(self.circumstances.plan.algorithms[0])
            yield Row(name, marks, goal=GOALS.get(name.split()[0]) if is_wanted else None)


def _rate(window: WindowFigures) -> float:
    return window.rate


def _p95(window: WindowFigures) -> float:
    return window.latency.p95


def _server_ms(window: WindowFigures) -> float:
    return window.server_ms


def _rates_of(cell: Cell) -> Mark:
    rates = [window.rate for window in cell.windows]
    return Mark(cell.target, min(rates), statistics.median(rates), max(rates))


def _latency_of(cell: Cell) -> Mark:
    return Mark(cell.target, cell.latency.p50, cell.latency.p50, cell.latency.p95)


def _row_name(cell: Cell) -> str:
    """Name a row; the algorithm belongs to what signs."""
    return f"{cell.operation} {cell.algorithm}" if cell.operation in SIGNING else cell.operation


def _verdict(*, is_met: bool) -> str:
    return "met" if is_met else "not met"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
