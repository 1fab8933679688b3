"""The sandbox's provider with two workers on PostgreSQL and Redis, and the outside world that it needs, in this process."""

import os
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
from werkzeug.serving import BaseWSGIServer

from sandbox import outside
from sandbox.addresses import Addresses
from sandbox.people import Person as Subscriber
from sandbox.web_server import server_for
from tests.instances import ROOT
from tests.serve.child import Child
from tests.serve.server import METRICS_VARIABLE, await_ready, stop

CONFIG = """\
mode = "sandbox"
issuer = "http://localhost:{port}"

[server]
listen = "127.0.0.1:{port}"
workers = 2

[passwords]
memory_kib = 8
iterations = 1

[outside.carrier]
name = "carrier"
url = "{outside}/carrier"
token = "sandbox"

[[outside.sms]]
name = "sms-a"
url = "{outside}/sms/a"
token = "sandbox"
"""


@dataclass(frozen=True)
class TwoWorkers:
    """The running provider, and the phone that shows what was sent."""

    address: str
    config: Path
    metrics: Path
    variables: dict[str, str]
    world: outside.OutsideWorld

    def last_code(self, phone: str) -> str:
        """Give the one-time code that was sent last to a phone."""
        digits = [word.strip(",.") for word in self.world.texts(phone)[0].text.split()]
        return next(word for word in digits if len(word) == 6 and word.isdigit())


@contextmanager
def two_workers(folder: Path, people: list[Subscriber], *, database: str, short_lived: str) -> Iterator[TwoWorkers]:
    """Run it with `people` as all subscribers."""
    app = outside.create_app(Addresses(), people=people)
    server = server_for(app, 0)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config, metrics = folder / "config.toml", folder / "metrics"
    metrics.mkdir()
    config.write_text(CONFIG.format(port=port, outside=f"http://127.0.0.1:{server.server_port}"), encoding="utf-8")
    variables = {
        "SENID_CONFIG": str(config),
        "SENID_DATABASE__URL": database,
        "SENID_SHORT_LIVED__URL": short_lived,
        METRICS_VARIABLE: str(metrics),
    }
    provider = TwoWorkers(f"http://localhost:{port}", config, metrics, variables, app.extensions["outside"])
    with _serving(server), _running(provider, folder / "provider.log"):
        yield provider


@contextmanager
def _serving(server: BaseWSGIServer) -> Iterator[None]:
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.05))
    thread.start()
    yield
    server.shutdown()
    thread.join()
    server.server_close()


@contextmanager
def _running(provider: TwoWorkers, log: Path) -> Iterator[None]:
    with log.open("wb") as output:
        environment = {**os.environ, **provider.variables}
        process = Child([sys.executable, "-m", "sandbox.provider"], cwd=ROOT, env=environment, stdout=output, stderr=output)
    try:
        with httpx2.Client(base_url=provider.address, trust_env=False, timeout=30) as client:
            await_ready(client, process, log)
        yield
    finally:
        stop(process)
