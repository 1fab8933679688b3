"""One run: targets brought up together, driven one at a time in alternating rounds, and measured from outside."""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from bench import machine
from bench.driver import Tally, TooManyFailures, Window, drive
from bench.machine import Clocks, Memory
from bench.operations import LAPS, OPERATIONS, SIGNING, Visitor
from bench.programs import Trouble, stop, tail
from bench.providers import DISCOVERY, Clients, Provider, await_discovery, document
from bench.results import Cell, Measured, Start, WindowFigures
from bench.stores import Stores
from bench.wire import Cookies
from tests.serve.child import Child

SETTLE_SECONDS = 0.5


class Deployment(Protocol):
    """A provider that is set up and can be started."""

    @property
    def name(self) -> str:
        """What it is called in the results."""

    @property
    def issuer(self) -> str:
        """Its issuer, which portals and browsers ask for."""

    @property
    def port(self) -> int:
        """The port of the loopback on which it listens, without TLS, for the proxy."""

    @property
    def folder(self) -> Path:
        """Where its files are, and its log."""

    def prepare(self, users: int) -> tuple[Clients, list[Cookies]]:
        """Make clients, and one browser for each user."""

    def start(self, *, core: int) -> Child:
        """Start the server."""

    def described(self) -> str:
        """Name the versions."""


@dataclass(frozen=True)
class Plan:
    """How a run goes; times are in seconds."""

    operations: Sequence[str]
    algorithms: Sequence[str]
    rounds: int = 5
    seconds: float = 1.5
    warm_up: float = 0.4
    first_warm_up: float = 1.5
    users: int = 8
    starts: int = 3
    server_core: int = 0
    driver_core: int = 1
    most_lost: float = 0.12  # core-seconds per second that the host may take before a window is measured again
    retries: int = 3

    def rows(self) -> Iterator[tuple[str, str]]:
        """Give operation and algorithm of every row; what signs nothing is measured with the first algorithm."""
        for operation in self.operations:
            for algorithm in self.algorithms if operation in SIGNING else self.algorithms[:1]:
                yield operation, algorithm


@dataclass
class Running:
    """A target that is up."""

    provider: Provider
    process: Child
    log: Path
    start: Start
    loaded: list[Memory] = field(default_factory=list)


def measure(plan: Plan, deployments: Sequence[Deployment], data: Stores) -> Measured:
    """Start every target, drive them through all rounds, and give what was seen."""
    measured = Measured()
    with ExitStack() as stack:
        starts = _time_starts(plan, deployments)
        targets = [stack.enter_context(running(plan, one, starts=starts[one.name])) for one in deployments]
        rows = list(_able(plan, targets, measured))
        for number in range(plan.rounds):
            _round(plan, rows, measured, data, number)
            _say(f"round {number + 1} of {plan.rounds} done")
        for target in targets:
            measured.starts[target.provider.name] = target.start
            measured.loaded[target.provider.name] = max(target.loaded, key=lambda memory: memory.pss, default=target.start.idle)
    return measured


def _able(plan: Plan, targets: Sequence[Running], measured: Measured) -> Iterator[tuple[str, str, list[Running]]]:
    """Give what each operation is measured on, and note who lacks it."""
    for operation, algorithm in plan.rows():
        lacking = {target.provider.name: why for target in targets if (why := target.provider.lacks(operation)) is not None}
        measured.skipped |= {f"{operation} of {name}": why for name, why in lacking.items()}
        yield operation, algorithm, [target for target in targets if target.provider.name not in lacking]


def _round(plan: Plan, rows: Sequence[tuple[str, str, list[Running]]], measured: Measured, data: Stores, number: int) -> None:
    """Drive each row on each target once; every other round begins with the last target."""
    for operation, algorithm, able in rows:
        for target in able if number % 2 == 0 else reversed(able):
            cell = measured.cell(operation, algorithm, target.provider.name)
            cell.windows.append(_window(plan, target, cell, data, is_first=number == 0))
            target.loaded.append(Memory.of(target.process.pid))


# --- a target comes up ----------------------------------------------------------------------------------------------------------------


def _time_starts(plan: Plan, deployments: Sequence[Deployment]) -> dict[str, list[float]]:
    """Start each several times in turn; gives the seconds from the start of the process to the first 200 of its discovery document."""
    taken: dict[str, list[float]] = {deployment.name: [] for deployment in deployments}
    for _ in range(plan.starts):
        for deployment in deployments:
            with _started(plan, deployment) as (_process, seconds):
                taken[deployment.name].append(seconds)
    return taken


@contextmanager
def _started(plan: Plan, deployment: Deployment) -> Iterator[tuple[Child, float]]:
    began = time.perf_counter()
    process = deployment.start(core=plan.server_core)
    try:
        try:
            answered = await_discovery(deployment.port, urlsplit(deployment.issuer).netloc, is_alive=lambda: process.poll() is None)
        except OSError as trouble:
            raise Trouble(f"{deployment.name}: {trouble}\n{tail(deployment.folder / 'server.log')}") from None
        yield process, answered - began
    finally:
        stop(process)


@contextmanager
def running(plan: Plan, deployment: Deployment, *, starts: list[float]) -> Iterator[Running]:
    """Prepare a target and keep it up."""
    clients, browsers = deployment.prepare(plan.users)
    host = urlsplit(deployment.issuer).netloc
    with _started(plan, deployment) as (process, seconds):
        metadata = document(deployment.port, host, DISCOVERY)
        keys = KeySet.import_key_set(document(deployment.port, host, urlsplit(metadata["jwks_uri"]).path))  # type: ignore[arg-type]
        provider = Provider(deployment.name, deployment.issuer, deployment.port, metadata, keys, clients, browsers)
        time.sleep(SETTLE_SECONDS)
        yield Running(
            provider, process, deployment.folder / "server.log", Start(deployment.described(), starts or [seconds], Memory.of(process.pid))
        )


# --- a window -------------------------------------------------------------------------------------------------------------------------


def _window(plan: Plan, target: Running, cell: Cell, data: Stores, *, is_first: bool) -> WindowFigures:
    """Measure one window; one in which the host took too much time is measured again."""
    figures = _one_window(plan, target, cell, data, warm_up=plan.first_warm_up if is_first else plan.warm_up)
    for _ in range(plan.retries):
        if figures.lost <= plan.most_lost:
            break
        cell.repeated += 1
        figures = _one_window(plan, target, cell, data, warm_up=plan.warm_up)
    return figures


def _one_window(plan: Plan, target: Running, cell: Cell, data: Stores, *, warm_up: float) -> WindowFigures:
    marks: list[_Mark] = []

    def mark() -> None:
        marks.append(_Mark.now(target.process.pid, data))

    visitors = [OPERATIONS[cell.operation](target.provider, number, cell.algorithm) for number in range(plan.users)]
    try:
        tally = drive(visitors, target.provider.address, Window(cell.operation, warm_up, plan.seconds, mark, mark))
        _check_signatures(visitors, tally)
        cell.failures += tally.failures
        return _figures(cell.operation, tally, *marks)
    except (TooManyFailures, ValueError) as trouble:
        raise Trouble(f"{cell.operation} of {target.provider.name}: {trouble}\n{tail(target.log)}") from None


def _check_signatures(visitors: Sequence[Visitor], tally: Tally) -> None:
    """Verify the last ID token of every user, when no time is measured."""
    for visitor in visitors:
        try:
            visitor.check_signature()
        except (JoseError, ValueError) as trouble:
            tally.failures.append(f"the signature of an ID token: {type(trouble).__name__}")


@dataclass(frozen=True)
class _Mark:
    """Processor times at one moment."""

    at: float
    server: float
    data: float
    driver: float
    clocks: Clocks

    @classmethod
    def now(cls, server: int, data: Stores) -> "_Mark":
        clocks, at = Clocks.now(), time.perf_counter()
        return cls(at, machine.cpu_seconds([server]), machine.cpu_seconds(data.pids), time.process_time(), clocks)


def _figures(operation: str, tally: Tally, opened: _Mark, closed: _Mark) -> WindowFigures:
    server, data, driver = closed.server - opened.server, closed.data - opened.data, closed.driver - opened.driver
    return WindowFigures.of(
        operation,
        tally,
        parts=[f"{operation}.{lap}" for lap in LAPS.get(operation, ())],
        server_seconds=server,
        driver_seconds=driver,
        data_seconds=data,
        others_seconds=max(closed.clocks.busy - opened.clocks.busy - server - data - driver, 0.0),
        lost=machine.lost(opened.clocks, closed.clocks, closed.at - opened.at),
    )


def _say(text: str) -> None:
    sys.stderr.write(f"bench: {text}\n")
    sys.stderr.flush()
