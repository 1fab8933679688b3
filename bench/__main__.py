"""The command: reads what to measure, brings up the stores and the targets, and writes what was found."""

import argparse
import dataclasses
import fcntl
import os
import shlex
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from bench import machine, profiling, publishing, stores
from bench.measurement import Deployment, Plan, measure
from bench.node_provider import NodeProvider
from bench.operations import OPERATIONS
from bench.programs import Trouble, free_port
from bench.providers import ALGORITHMS
from bench.report import Circumstances, Report
from bench.senid import Senid
from bench.stores import Stores
from tests.instances import ROOT

BUILD = ROOT / "build" / "bench"
OURS, PEER = "SenID", "node-oidc-provider"
PROFILE_SECONDS = 10.0


def main(arguments: Sequence[str]) -> int:
    """Run it; gives 1 when an answer was wrong, and 2 when it could not go on."""
    options = _parser().parse_args(arguments)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    try:
        plan = _plan(options)
        with _folder() as folder, machine.awake() as cores:
            os.sched_setaffinity(0, {options.driver_core})
            with stores.running(folder, core=options.driver_core) as data:
                return _profile(options, plan, folder, data) if options.profile else _measure(options, plan, folder, data, cores)
    except Trouble as trouble:
        sys.stderr.write(f"bench: {trouble}\n")
        return 2


def _measure(options: argparse.Namespace, plan: Plan, folder: Path, data: Stores, cores: str) -> int:
    began = datetime.now(UTC)
    measured = measure(plan, list(_deployments(options, folder, data)), data)
    circumstances = Circumstances(began, _command(), machine.described(), cores, data.versions, options.threads, plan)
    report = Report(measured, circumstances, PEER)
    place = BUILD / f"{began:%Y%m%dT%H%M%SZ}"
    report.write(place)
    sys.stdout.write(f"{report.markdown(plots='.')}\nresults: {place.relative_to(ROOT)}/\n")
    if measured.failures:
        sys.stderr.write(f"bench: {measured.failures} answers were wrong; the figures mean nothing\n")
        return 1
    if options.publish:
        publishing.publish(report, ROOT / "docs")
    return 0


def _profile(options: argparse.Namespace, plan: Plan, folder: Path, data: Stores) -> int:
    """Profile the last checkout named, which is this one where `--also` names none."""
    plan = dataclasses.replace(plan, seconds=max(options.seconds, PROFILE_SECONDS))
    [*_, deployment] = _ours(options, folder, data)
    output = BUILD / f"profile-{options.profile}.txt"
    tables = profiling.profile(plan, deployment, options.profile, output, with_waits=options.waits)
    sys.stdout.write(f"{tables}\n\nstacks: {output.relative_to(ROOT)}\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench/run", description="Measures this server beside node-oidc-provider; see bench/README.md.")
    add = parser.add_argument
    add("operations", nargs="*", metavar="OPERATION", help=f"what to measure, of {', '.join(OPERATIONS)}; all where none is named")
    add("--rs256", action="store_true", help="measure what signs with RS256 too, beside ES256")
    add("--rounds", type=int, default=5, help="times that each target is driven (%(default)s)")
    add("--seconds", type=float, default=1.5, help="of each window (%(default)s)")
    add("--users", type=int, default=8, help="virtual users (%(default)s)")
    add("--threads", type=int, default=4, help="[server] threads of ours (%(default)s)")
    add("--server-core", type=int, default=0, help="core of the server that is measured (%(default)s)")
    add("--driver-core", type=int, default=1, help="core of driver, PostgreSQL and Redis (%(default)s)")
    add("--also", action="append", default=[], type=Path, metavar="FOLDER", help="another checkout of the product, in the same run")
    add("--without-peer", action="store_true", help="measure the product alone")
    add("--quick", action="store_true", help="one round of 0.3 s each, to see that all of it works")
    add("--publish", action="store_true", help="write tables and plots into docs/performance.md and docs/performance/")
    add(
        "--profile",
        choices=list(OPERATIONS),
        metavar="OPERATION",
        help="drive this alone, on our server alone, and write where its time goes",
    )
    add("--waits", action="store_true", help="count waiting threads in a profile too")
    return parser


def _plan(options: argparse.Namespace) -> Plan:
    if options.quick and options.publish:
        raise Trouble("the figures of a quick run say nothing, so they are not published")
    operations = options.operations or list(OPERATIONS)
    unknown = sorted(set(operations) - set(OPERATIONS))
    if unknown:
        raise Trouble(f"no such operation: {', '.join(unknown)}")
    plan = Plan(
        operations,
        ALGORITHMS if options.rs256 else ALGORITHMS[:1],
        rounds=options.rounds,
        seconds=options.seconds,
        users=options.users,
        server_core=options.server_core,
        driver_core=options.driver_core,
    )
    return dataclasses.replace(plan, rounds=1, seconds=0.3, warm_up=0.1, first_warm_up=0.1, starts=0, retries=0) if options.quick else plan


def _deployments(options: argparse.Namespace, folder: Path, data: Stores) -> Iterator[Deployment]:
    yield from _ours(options, folder, data)
    if not options.without_peer:
        yield NodeProvider.deploy(PEER, folder=folder / "peer", port=free_port(), stores=data, redis_number=0)


def _ours(options: argparse.Namespace, folder: Path, data: Stores) -> Iterator[Deployment]:
    """Deploy this checkout and the others, each with a database and a number of Redis of its own."""
    checkouts = {OURS: ROOT, **{f"{OURS} in {other.name}": other.resolve() for other in options.also}}
    for number, (name, checkout) in enumerate(checkouts.items(), start=1):
        place = folder / f"senid-{number}"
        yield Senid.deploy(name, checkout, place, port=free_port(), stores=data, threads=options.threads, redis_number=number)


def _command() -> str:
    return shlex.join(["bench/run", *sys.argv[1:]])


def _end(number: int, _frame: object) -> None:
    """Unwind, so that everything is stopped."""
    raise SystemExit(128 + number)


@contextmanager
def _folder() -> Iterator[Path]:
    """Make the folder of this run, alone on this machine, and remove it; what a killed run left goes too."""
    BUILD.mkdir(parents=True, exist_ok=True)
    with Path(tempfile.gettempdir(), f"senid-bench-{os.getuid()}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.stderr.write("bench: waiting for another run on this machine\n")
            fcntl.flock(lock, fcntl.LOCK_EX)
        folder = BUILD / "run"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o755)  # PostgreSQL may run as another account
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
