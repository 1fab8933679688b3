"""`idp serve` in production mode on ports and stores of its own, and the Redis that a test may take away from it."""

import socket
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import redis

from tests.certificate import Certificate
from tests.instances import find_redis
from tests.serve.child import Child
from tests.serve.installed import Installed

START_SECONDS = 150
STOP_SECONDS = 30
METRICS_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"

CONFIG = """\
issuer = "{address}"

[server]
listen = "127.0.0.1:{port}"
workers = {workers}
threads = 4

# Text messages would have to go to a gateway with a certificate that the system trusts.
[one_time_codes]
required_at_sign_in = false

[outside.carrier]
name = "carrier"
url = "https://carrier.invalid/v1"

[[outside.sms]]
name = "sms"
url = "https://sms.invalid/v1"
"""


@dataclass(frozen=True)
class Deployment:
    """What a server is started with."""

    installed: Installed
    folder: Path
    certificate: Certificate
    port: int
    variables: dict[str, str]

    @property
    def address(self) -> str:
        """Give the issuer."""
        return f"https://localhost:{self.port}"

    @property
    def config(self) -> Path:
        """Give the configuration file."""
        return self.folder / "config.toml"

    @property
    def log(self) -> Path:
        """Give the file with what the server wrote to standard error, where its log goes."""
        return self.folder / "server.log"

    def client(self) -> httpx2.Client:
        """Give a browser or a portal's software without cookies, which opens a connection of its own."""
        return httpx2.Client(base_url=self.address, verify=self.certificate.trusting(), trust_env=False, timeout=30)

    def idp(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run another command of the same deployment."""
        return self.installed.run(self.installed.idp, *arguments, cwd=self.folder, **self.variables)

    def start(self) -> Child:
        """Start the server by the documented command and wait until it is ready."""
        tls = ("--tls-cert", self.certificate.cert, "--tls-key", self.certificate.key)
        with self.log.open("wb") as log, (self.folder / "server.out").open("wb") as out:
            environment = self.installed.environment(**self.variables)
            process = Child([self.installed.idp, "serve", *tls], cwd=self.folder, env=environment, stdout=out, stderr=log)
        try:
            with self.client() as client:
                await_ready(client, process, self.log)
        except BaseException:
            stop(process)
            raise
        return process


def await_ready(client: httpx2.Client, process: Child, log: Path) -> None:
    """Wait until `/readyz` says yes."""
    give_up_at = time.monotonic() + START_SECONDS
    while time.monotonic() < give_up_at and process.poll() is None:
        with suppress(httpx2.TransportError):
            if client.get("/readyz").status_code == httpx2.codes.OK:
                return
        time.sleep(0.1)
    raise AssertionError(f"the server does not become ready:\n{log.read_text(encoding='utf-8')[-3000:]}")


def deploy(installed: Installed, folder: Path, certificate: Certificate, *, database: str, short_lived: str, workers: int) -> Deployment:
    """Write a configuration, and give what there is to start: the server brings the schema by itself."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    variables = {
        "SENID_CONFIG": str(folder / "config.toml"),
        "SENID_DATABASE__URL": database,
        "SENID_SHORT_LIVED__URL": short_lived,
        METRICS_VARIABLE: str(folder / "metrics"),
    }
    (folder / "metrics").mkdir()
    deployment = Deployment(installed, folder, certificate, port, variables)
    deployment.config.write_text(CONFIG.format(address=deployment.address, port=port, workers=workers), encoding="utf-8")
    return deployment


def stop(process: Child) -> float:
    """Ask the server to end and give how long it took; one that does not end is killed, and that is a failure."""
    asked_at = time.monotonic()
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill_all()
        raise AssertionError(f"the server did not end within {STOP_SECONDS} s") from None
    return time.monotonic() - asked_at


@dataclass
class OwnRedis:
    """A Redis that can be taken away and brought back; it forgets everything when it goes."""

    folder: Path
    _process: Child | None = field(default=None, init=False)

    @property
    def url(self) -> str:
        """Give its address."""
        return f"unix://{self.folder}/redis.sock"

    def start(self) -> None:
        """Start it and wait until it answers."""
        program = find_redis()
        assert program, "Redis is missing: run scripts/services"
        settings = {"port": "0", "unixsocket": f"{self.folder}/redis.sock", "save": "", "appendonly": "no", "dir": str(self.folder)}
        options = [word for name, value in settings.items() for word in (f"--{name}", value)]
        self._process = Child([program, *options], stdout=subprocess.DEVNULL)
        give_up_at = time.monotonic() + START_SECONDS
        with redis.Redis.from_url(self.url) as connection:
            while time.monotonic() < give_up_at:
                with suppress(redis.ConnectionError):
                    if connection.ping():
                        return
                time.sleep(0.05)
        raise AssertionError("Redis does not answer")

    def stop(self) -> None:
        """Take it away."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
            self._process = None
