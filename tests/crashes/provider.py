"""A provider that can be killed and started again in a moment: a warm process that forks the one which serves.

It is started with the configuration as JSON and the number of a listening socket, and reads orders on its standard input, a line of JSON
each: `{"end_at": null}` forks a server, which ends itself with SIGKILL at storage call `end_at` of an SQLite file. Before that the server
of the order before is ended. The answer is a line with the server's process id. It ends when its standard input is closed. At first it
serves by itself, until it is asked for `/warm`, so that no server has to compile templates again.

Every secret that is born in it, and every call of a file, is written to `born` and `calls` in the folder that it is given, at once.
"""

import json
import os
import secrets
import signal
import socket
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from idp.app import create_app
from idp.config import Config
from idp.edge import logs
from idp.edge.software_lane import SoftwareLane
from idp.identity.one_time_codes import OneTimeCodes
from idp.protocol import clients
from idp.protocol.access_tokens import AccessToken, AccessTokens
from idp.services import Services
from idp.storage.short_lived import EmbeddedShortLived, RedisShortLived
from sandbox.provider import SandboxCaptcha
from tests.fakes import FakeCarrier, FakeSms
from tests.wire import Tally, count_sqlite

ONE_TIME_CODE = "135790"
PICTURE_CODE = "sandbox"
BORN, CALLS = "born", "calls"
READY, WARM = "ready", "/warm"


class Notebook:
    """A file to which each line goes at once, so that a process that is killed has said all."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def write(self, line: str) -> None:
        """Write a line."""
        os.write(self._file, f"{line}\n".encode())


class NotedTally(Tally):
    """Writes down each call."""

    def __init__(self, notes: Notebook) -> None:
        super().__init__()
        self._notes = notes

    def add(self, label: str) -> None:
        """Write it down, and count it."""
        self._notes.write(label)
        super().add(label)


class Handler(WSGIRequestHandler):
    """Answers without a line in the log for each request."""

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the name of the parent
        """Say nothing."""


class Server(WSGIServer):
    """Serves an application on a socket that is listening already, one request after the other."""

    def __init__(self, listener: socket.socket, application: Callable[..., Iterable[bytes]]) -> None:
        super().__init__(listener.getsockname(), Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.server_name, self.server_port = listener.getsockname()
        self.setup_environ()
        self.set_app(application)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of a client that has gone."""


def main() -> None:
    """Serve by order."""
    settings, folder, number = json.loads(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    logs.configure("ERROR")
    note_secrets(Notebook(folder / BORN))
    clients.CACHE_SECONDS = 0.0  # so that every walk comes by the same storage calls, however slow the machine is
    tally = NotedTally(Notebook(folder / CALLS))
    with count_sqlite(tally), socket.socket(fileno=number) as listener:
        held: list[Services] = []
        application = create_app(Config.model_validate(settings), adjust=lambda built: _adjusted(built, held), with_jobs=False)
        _say(READY)
        _warm_up(application, listener.dup())
        _forget_connections(held[0])
        answer_orders(application, tally, listener)


def note_secrets(notes: Notebook) -> None:
    """Write down every secret that is made from now on, and every access token, which is sealed and not drawn."""
    make, seal = secrets.token_urlsafe, AccessTokens.make

    def made(nbytes: int | None = None) -> str:
        secret = make(nbytes)
        notes.write(secret)
        return secret

    def sealed(tokens: AccessTokens, token: AccessToken) -> str:
        value = seal(tokens, token)
        notes.write(value)
        return value

    secrets.token_urlsafe = made
    AccessTokens.make = sealed  # type: ignore[assignment, method-assign]


def answer_orders(application: SoftwareLane, tally: Tally, listener: socket.socket) -> None:
    """Fork a server for each order, after the end of the last one."""
    server = 0
    for line in sys.stdin:
        _end(server)
        end_at = json.loads(line)["end_at"]
        server = os.fork()
        if not server:
            _serve(application, tally, listener, end_at)
        _say(str(server))
    _end(server)


def _warm_up(application: SoftwareLane, listener: socket.socket) -> None:
    asked = False

    def noting(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        nonlocal asked
        asked = environ["PATH_INFO"] == WARM
        return application(environ, start_response)

    with Server(listener, noting) as server:
        while not asked:
            server.handle_request()


def _serve(application: SoftwareLane, tally: Tally, listener: socket.socket, end_at: int | None) -> NoReturn:
    try:
        os.close(0)
        tally.reset()
        if end_at:
            tally.at(end_at, lambda: os.kill(os.getpid(), signal.SIGKILL))
        Server(listener, application).serve_forever()
    finally:
        os._exit(1)


def _end(server: int) -> None:
    if server:
        with suppress(ProcessLookupError):
            os.kill(server, signal.SIGKILL)
        os.waitpid(server, 0)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _adjusted(built: Services, held: list[Services]) -> Services:
    """Put an outside world in the place of the real one that keeps nothing, and codes that the person knows whichever server sent them."""
    sms = FakeSms()
    codes = OneTimeCodes(
        config=built.config,
        store=built.store,
        limits=built.rate_limits,
        sms=sms,
        audit=built.audit,
        clock=built.clock,
        generate=lambda: ONE_TIME_CODE,
    )
    captcha = SandboxCaptcha(built.store, built.config.picture_code.lifetime)
    held.append(replace(built, sms=sms, carrier=FakeCarrier(), one_time_codes=codes, captcha=captcha))
    return held[0]


def _forget_connections(services: Services) -> None:
    """Close what was opened while it was built: each server opens its own."""
    services.database.close()
    assert isinstance(services.short_lived, EmbeddedShortLived | RedisShortLived)
    services.short_lived.close()


if __name__ == "__main__":
    main()
