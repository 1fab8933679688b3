"""`idp serve`: the production server."""

import gc
import os
import socket
import ssl
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from granian import Granian
from granian.constants import Interfaces

from idp import config as configuration
from idp.cli.terminal import config_option, tell
from idp.config import CONFIG_VARIABLE, Config
from idp.edge import logs, metrics
from idp.errors import ConfigError, SenidError

TARGET = "idp.cli.serve:application"
LAST_ANSWERS_SECONDS = 12  # after SIGTERM, for requests that are under way; a statement of ours takes 10 s at most


@click.command()
@config_option
@click.option("--tls-cert", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Certificate chain (PEM).")
@click.option("--tls-key", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Its private key (PEM).")
def serve(config_path: Path | None, tls_cert: Path | None, tls_key: Path | None) -> None:
    """Serve until SIGTERM. Behind a proxy that ends TLS, name it in [server] trusted_proxies; else give --tls-cert and --tls-key."""
    config = configuration.load(config_path)
    if config.mode != "production":
        raise ConfigError(["mode: `idp serve` runs production mode only; the sandbox has its own launcher (make demo)"])
    if config_path is not None:
        os.environ[CONFIG_VARIABLE] = str(config_path.resolve())
    run(config, TARGET, tls_cert=tls_cert, tls_key=tls_key)


def run(config: Config, target: str, *, tls_cert: Path | None = None, tls_key: Path | None = None) -> None:
    """Serve the WSGI factory `target` ("module:function") by the [server] table; returns when the server has stopped."""
    if (tls_cert is None) != (tls_key is None):
        raise ConfigError(["--tls-cert and --tls-key come together"])
    _check_tls(tls_cert, tls_key)
    _check_address(config)
    logs.configure(config.log.level)
    with _shared_metrics(config.server.workers):
        _listen(config, target, tls_cert, tls_key)


@contextmanager
def _shared_metrics(workers: int) -> Iterator[None]:
    """Give several workers a folder where their metrics add up, unless the operator named one."""
    if workers == 1 or metrics.MULTIPROCESS_VARIABLE in os.environ:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="senid-metrics-") as folder:
        os.environ[metrics.MULTIPROCESS_VARIABLE] = folder
        yield


def _listen(config: Config, target: str, tls_cert: Path | None, tls_key: Path | None) -> None:
    host, port = config.server.address
    server = Granian(
        target=target,
        factory=True,
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        workers=config.server.workers,
        blocking_threads=config.server.threads,
        websockets=False,
        log_access=False,
        ssl_cert=tls_cert,
        ssl_key=tls_key,
        workers_kill_timeout=LAST_ANSWERS_SECONDS,
    )
    server.serve()


def _check_tls(tls_cert: Path | None, tls_key: Path | None) -> None:
    if tls_cert is None or tls_key is None:
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(tls_cert, tls_key, password="")
    except (ssl.SSLError, OSError):
        raise ConfigError([f"--tls-cert {tls_cert}, --tls-key {tls_key}: not a certificate (PEM) with its own unencrypted key"]) from None


def _check_address(config: Config) -> None:
    """Listen for a moment: the server itself would tell a taken port by a traceback."""
    host, port = config.server.address
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise ConfigError([f"server.listen: {config.server.listen} cannot be used: {error.strerror}"]) from None


def application() -> Callable[..., object]:
    """Build the application in a worker process; one that cannot be built ends the process, and with it the server."""
    from idp import app  # noqa: PLC0415 - the process that only watches the workers does without

    try:
        config = configuration.load()
        logs.configure(config.log.level)
        built = app.create_app(config)
        gc.freeze()  # what is there now stays: looking through it again and again costs a tenth of the time
        return built
    except SenidError as error:
        tell(error)
        sys.exit(1)
