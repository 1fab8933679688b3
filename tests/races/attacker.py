"""A process of attackers on stores that it shares with others: reads an attack, gets its threads ready, and lets them loose when told.

It is started with the configuration as JSON. Each attack is a line of JSON on its standard input; it answers `ready`, waits for a line,
and answers with a line of how each thread ended. It ends when its standard input is closed.
"""

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

from idp.config import Config
from idp.edge import logs
from tests.races.attacks import ATTACKS
from tests.world import World

READY = "ready"
PATIENCE_SECONDS = 60


def main() -> None:
    """Answer until nobody asks."""
    logs.configure("WARNING")  # to standard error: standard output is for the answers
    world = World.build(Config.model_validate(json.loads(sys.argv[1])))
    say(READY)
    for line in sys.stdin:
        say(json.dumps(run(world, json.loads(line))))


def run(world: World, order: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Run one attack in so many threads, numbered from `first`."""
    start = Barrier(order["threads"] + 1)

    def one(number: int) -> tuple[str, dict[str, Any]]:
        step = ATTACKS[order["attack"]](world, number, order["named"])
        start.wait(PATIENCE_SECONDS)  # until all threads are ready here
        start.wait(PATIENCE_SECONDS)  # until all processes are
        return step()

    with ThreadPoolExecutor(order["threads"]) as pool:
        ends = [pool.submit(one, order["first"] + number) for number in range(order["threads"])]
        start.wait(PATIENCE_SECONDS)
        say(READY)
        sys.stdin.readline()
        start.wait(PATIENCE_SECONDS)
        return [end.result() for end in ends]


def say(line: str) -> None:
    """Answer a line."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
