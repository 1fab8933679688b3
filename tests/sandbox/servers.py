"""The sandbox's programs as a test runs them: in this process, on a free port."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from flask import Flask

from sandbox.web_server import server_for


@contextmanager
def running(application: Flask) -> Iterator[str]:
    """Serve `application` for the time of the block; gives its address."""
    server = server_for(application, 0)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
