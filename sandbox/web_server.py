"""How the small programs of the sandbox are served: on loopback, quietly, until a signal or until whoever started them is gone."""

import os
import signal
import sys
import threading
import time
from contextlib import suppress
from types import FrameType

from flask import Flask
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server


class QuietRequestHandler(WSGIRequestHandler):
    """Keeps connections open between requests, and logs none: paths hold phone numbers."""

    protocol_version = "HTTP/1.1"

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing."""


def server_for(application: Flask, port: int) -> BaseWSGIServer:
    """Give a server of `application` on `port` of loopback, or on a free port for 0; the caller runs and closes it."""
    return make_server("127.0.0.1", port, application, threaded=True, request_handler=QuietRequestHandler)


def serve(application: Flask, port: int) -> None:
    """Serve until SIGTERM or SIGINT."""
    server = server_for(application, port)

    def stop(_signal: int, _frame: FrameType | None) -> None:
        threading.Thread(target=server.shutdown, daemon=True).start()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    server.serve_forever(poll_interval=0.1)


def end_with_starter() -> None:
    """End this program when the other end of its standard input is closed: whoever started it is gone, however that came."""

    def wait() -> None:
        with suppress(OSError):
            while os.read(sys.stdin.fileno(), 1):
                pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, daemon=True).start()


def end_with_parent_process() -> None:
    """End this process when its parent process is gone: for a server's worker, which has no standard input of its own."""
    parent = os.getppid()

    def wait() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, daemon=True).start()
