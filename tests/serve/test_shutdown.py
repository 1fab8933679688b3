import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from idp.cli.serve import LAST_ANSWERS_SECONDS
from tests.certificate import Certificate
from tests.serve.installed import Installed
from tests.serve.server import Deployment, OwnRedis, deploy, stop

pytestmark = pytest.mark.timeout(300)
SECONDS = 20


@contextmanager
def clients_locked(url: str) -> Iterator["psycopg.Connection[tuple[object, ...]]"]:
    """Hold up whoever reads the table of portals, until the end of the block."""
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        connection.execute("LOCK TABLE clients IN ACCESS EXCLUSIVE MODE")
        yield connection
        connection.rollback()


def wait_for_a_waiting_query(connection: "psycopg.Connection[tuple[object, ...]]") -> None:
    give_up_at = time.monotonic() + SECONDS
    question = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    while connection.execute(question).fetchone() == (0,):
        assert time.monotonic() < give_up_at, "no request came to wait"
        time.sleep(0.02)


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]


def test_a_request_that_is_under_way_is_answered_before_the_server_ends(
    installed: Installed, certificate: Certificate, another_database: str, own_redis: OwnRedis, place: Path
) -> None:
    deployment = deploy(installed, place, certificate, database=another_database, short_lived=own_redis.url, workers=2)
    process = deployment.start()
    workers = children(process.pid)
    assert len(workers) >= 2
    answers: list[tuple[int, str]] = []
    with deployment.client() as idle, deployment.client() as software:
        idle.get("/healthz")  # a connection that stays open and says nothing

        def ask() -> None:
            answer = software.get("/authorize?client_id=nobody")
            answers.append((answer.status_code, answer.text))

        request = threading.Thread(target=ask)
        with clients_locked(another_database) as connection:
            request.start()
            wait_for_a_waiting_query(connection)
            process.send_signal(signal.SIGTERM)
            time.sleep(0.5)
            assert process.poll() is None
            assert answers == []
        request.join(SECONDS)
        process.wait(SECONDS)
    [(status, page)] = answers
    assert status == 400
    assert 'data-error="unknown_client"' in page
    assert process.returncode == 0
    assert [pid for pid in workers if Path(f"/proc/{pid}").exists()] == []


def test_a_server_on_embedded_stores_ends_in_seconds_and_starts_again(installed: Installed, certificate: Certificate, place: Path) -> None:
    deployment = deploy(installed, place, certificate, database="sqlite:///senid.db", short_lived="sqlite:///short-lived.db", workers=1)
    first = deployment.start()
    with deployment.client() as software:
        keys = software.get("/jwks").text
    first.send_signal(signal.SIGINT)
    assert first.wait(SECONDS) == 0

    second = deployment.start()
    with deployment.client() as software:
        assert software.get("/jwks").text == keys
    with half_a_request(deployment):
        assert stop(second) < LAST_ANSWERS_SECONDS + SECONDS


@contextmanager
def half_a_request(deployment: Deployment) -> Iterator[None]:
    """Keep a request waiting for the rest of itself."""
    plain = socket.create_connection(("localhost", deployment.port))
    with deployment.certificate.trusting().wrap_socket(plain, server_hostname="localhost") as connection:
        connection.sendall(b"POST /token HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n")
        connection.sendall(b"Content-Length: 100\r\n\r\nhalf")
        time.sleep(0.5)
        yield


def test_a_server_that_cannot_start_says_why_in_words(installed: Installed, certificate: Certificate, place: Path) -> None:
    database = "postgresql+psycopg://senid:s3cret@127.0.0.1:1/senid"
    deployment = deploy(installed, place, certificate, database=database, short_lived="sqlite:///short-lived.db", workers=1)
    done = deployment.idp("serve", "--tls-cert", str(certificate.cert), "--tls-key", str(certificate.key))
    assert done.returncode == 1
    assert "error: the database or the short-lived store cannot be reached" in done.stderr
    assert "Traceback" not in done.stderr
    assert "s3cret" not in done.stderr
