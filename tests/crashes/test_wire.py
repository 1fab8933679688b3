"""The proxy and the counted files, with the real servers: they count what is said, stop where they are told, and break what they shall."""

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from redis import Redis
from sqlalchemy import Engine, text

from idp.errors import StoreUnavailable
from idp.storage.db import Database, open_database
from idp.storage.short_lived import EmbeddedShortLived, RedisShortLived
from tests.instances import Run
from tests.wire import Proxy, Tally, count_sqlite, postgresql_proxy, redis_proxy

MINUTE = timedelta(minutes=1)


@pytest.fixture
def database(postgresql_database: Database) -> Iterator[Proxy]:
    with postgresql_proxy(postgresql_database.engine.url.render_as_string(hide_password=False)) as proxy:
        yield proxy


@pytest.fixture
def redis(redis_url: str) -> Iterator[Proxy]:
    with Redis.from_url(redis_url) as connection:
        connection.flushdb()
    with redis_proxy(redis_url) as proxy:
        yield proxy


def psycopg_url(proxy: Proxy) -> str:
    return proxy.url.replace("+psycopg", "")


def test_each_command_of_redis_is_a_trip_and_logging_in_is_none(redis: Proxy) -> None:
    store = RedisShortLived(redis.url)

    store.put("key", b"value", MINUTE)
    assert store.get("key") == b"value"
    assert store.take("key") == b"value"

    assert redis.tally.calls() == ["redis: SET", "redis: GET", "redis: GETDEL"]
    redis.reset()
    assert redis.trips() == 0
    store.close()


def test_a_pipeline_is_one_trip_and_a_large_value_too(redis: Proxy) -> None:
    with Redis.from_url(redis.url, protocol=2) as connection:
        pipeline = connection.pipeline(transaction=False)
        for number in range(20):
            pipeline.set(f"key-{number}", b"x" * 50)
        pipeline.execute()
        assert redis.trips() == 1
        connection.set("large", b"\r\n" * 2_000_000)
        assert len(connection.get("large") or b"") == 4_000_000
    assert redis.trips() == 3


def test_connections_are_summed(redis: Proxy) -> None:
    stores = [RedisShortLived(redis.url) for _ in range(4)]

    def ask(store: RedisShortLived) -> None:
        for _ in range(25):
            store.count("key", MINUTE)

    stores[0].count("key", MINUTE)  # the script is in the server now
    redis.reset()
    threads = [threading.Thread(target=ask, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert redis.trips() == 100
    for store in stores:
        store.close()


def test_each_statement_of_postgresql_is_a_trip_and_so_are_begin_and_commit(database: Proxy) -> None:
    with psycopg.connect(psycopg_url(database)) as connection:
        assert database.trips() == 0
        connection.execute("SELECT 1")
        connection.execute("SELECT %s::text, repeat('x', 1000000)", ["not in a label"])
        connection.commit()
        assert database.trips() == 4
    assert database.tally.calls() == [
        "postgresql: BEGIN",
        "postgresql: SELECT 1",
        "postgresql: SELECT $1::text, repeat('x', 1000000)",
        "postgresql: COMMIT",
    ]


def test_statements_that_are_prepared_are_counted_and_named(database: Proxy) -> None:
    with psycopg.connect(psycopg_url(database), autocommit=True, prepare_threshold=0) as connection:
        connection.execute("SELECT 1")
        database.reset()
        for _ in range(5):
            connection.execute("SELECT 1")
    assert database.tally.calls() == ["postgresql: SELECT 1"] * 5


def test_a_pipeline_of_postgresql_is_one_trip(database: Proxy) -> None:
    with psycopg.connect(psycopg_url(database), autocommit=True) as connection:
        with connection.pipeline():
            cursors = [connection.execute("SELECT %s::int", [number]) for number in range(20)]
        assert [cursor.fetchone() for cursor in cursors] == [(number,) for number in range(20)]
    assert database.trips() == 1


def test_an_error_ends_its_trip_and_a_copy_goes_through(database: Proxy) -> None:
    with psycopg.connect(psycopg_url(database), autocommit=True) as connection:
        with pytest.raises(psycopg.errors.DivisionByZero):
            connection.execute("SELECT 1/0")
        connection.execute("CREATE TEMPORARY TABLE numbers (number int)")
        with connection.cursor() as cursor, cursor.copy("COPY numbers FROM STDIN") as copy:
            copy.write("1\n2\n")
        with connection.cursor() as cursor, cursor.copy("COPY numbers TO STDOUT") as copy:
            assert b"".join(bytes(part) for part in copy) == b"1\n2\n"
    assert database.trips() == 4


def test_a_question_and_its_answer_may_come_byte_by_byte(database: Proxy) -> None:
    words = b"user\0senid\0database\0postgres\0\0"
    start = (len(words) + 8).to_bytes(4) + (196_608).to_bytes(4) + words
    query = b"Q" + (4 + len(b"SELECT 1\0")).to_bytes(4) + b"SELECT 1\0"
    with socket.create_connection(("127.0.0.1", database.port)) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for message in (start, query):
            for byte in message:
                client.sendall(bytes([byte]))
            answer = b""
            while not answer.endswith(b"Z\0\0\0\x05I"):
                answer += client.recv(1)
    assert database.tally.calls() == ["postgresql: SELECT 1"]


def test_a_client_that_asks_for_encryption_is_refused_and_goes_on(database: Proxy) -> None:
    with psycopg.connect(psycopg_url(database).replace("sslmode=disable", "sslmode=prefer"), autocommit=True) as connection:
        connection.execute("SELECT 1")
    assert database.trips() == 1


# --- Stopped at a call ----------------------------------------------------------------------------------------------------------------


def test_the_chosen_trip_has_taken_effect_and_its_asker_does_not_know(redis: Proxy, redis_url: str) -> None:
    store, direct = RedisShortLived(redis.url), RedisShortLived(redis_url)
    seen: list[bytes | None] = []
    answered = threading.Event()
    redis.tally.at(2, lambda: seen.extend([direct.get("key"), b"answered" if answered.is_set() else b"waiting"]))
    store.put("key", b"first", MINUTE)
    store.put("key", b"second", MINUTE)
    answered.set()
    assert seen == [b"second", b"waiting"]
    store.close()
    direct.close()


def test_a_commit_that_nobody_heard_of_stands_and_the_statement_before_it_does_not(database: Proxy, postgresql_database: Database) -> None:
    with postgresql_database.transaction() as tx:
        tx.execute(text("CREATE TABLE marks (mark int)"))

    program = "import sys, psycopg\nwith psycopg.connect(sys.argv[1]) as c: c.execute('INSERT INTO marks VALUES (1)')"
    for trip, stands in ((2, 0), (3, 1)):
        child = subprocess.Popen([sys.executable, "-c", program, psycopg_url(database)])
        database.reset()
        database.tally.at(trip, child.kill)  # BEGIN, INSERT, COMMIT
        assert child.wait(30) == -signal.SIGKILL
        with postgresql_database.reading() as connection:
            assert connection.execute(text("SELECT count(*) FROM marks")).scalar_one() == stands


# --- Cut and restored -----------------------------------------------------------------------------------------------------------------


def test_a_cut_breaks_what_is_open_and_refuses_what_is_new_until_it_is_restored(redis: Proxy, database: Proxy) -> None:
    store, rows = RedisShortLived(redis.url), open_database(database.url)
    assert store.is_up()
    assert rows.is_up()
    for _ in range(3):
        redis.cut()
        database.cut()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", redis.port))
        with pytest.raises(StoreUnavailable):
            store.get("key")
        assert not rows.is_up()
        redis.restore()
        database.restore()
        assert store.get("key") is None
        assert rows.is_up()
    store.close()
    rows.close()


def test_a_cut_reaches_connections_that_a_forked_process_has_inherited(redis: Proxy) -> None:
    with socket.create_connection(("127.0.0.1", redis.port)) as client:
        client.sendall(b"*1\r\n$4\r\nPING\r\n")
        assert client.recv(7) == b"+PONG\r\n"
        child = os.fork()
        if not child:
            time.sleep(60)  # holding what this process holds
            os._exit(0)
        try:
            redis.cut()
            assert client.recv(1) == b""
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", redis.port))
            redis.restore()
            socket.create_connection(("127.0.0.1", redis.port)).close()
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


def test_one_tally_counts_two_stores_in_their_order(postgresql_server: Engine, redis_url: str) -> None:
    tally = Tally()
    with postgresql_proxy(Run.current().postgresql(), tally) as database, redis_proxy(redis_url, tally) as redis:
        store = RedisShortLived(redis.url)
        with psycopg.connect(psycopg_url(database), autocommit=True) as connection:
            store.get("key")
            connection.execute("SELECT 1")
            store.get("key")
        store.close()
        assert tally.calls() == ["redis: GET", "postgresql: SELECT 1", "redis: GET"]
        assert database.trips() == redis.trips() == 3


# --- Files ----------------------------------------------------------------------------------------------------------------------------


def test_each_command_of_the_embedded_store_is_a_trip_with_its_effect(tmp_path: Path) -> None:
    tally, seen = Tally(), []
    path = tmp_path / "short-lived.db"
    direct = EmbeddedShortLived(path)
    assert direct.get("key") is None
    with count_sqlite(tally):
        store = EmbeddedShortLived(path)
        assert store.get("key") is None
        tally.reset()
        tally.at(2, lambda: seen.append(direct.get("key")))
        store.put("key", b"first", MINUTE)
        store.put("key", b"second", MINUTE)
        store.take("key")
        store.take("key")
        store.get("key")
        store.drop("key")
        store.count("count", MINUTE)
        store.close()
    direct.close()
    assert tally.trips() == 7, tally.calls()
    assert seen == [b"second"]


def test_statements_and_commits_of_a_file_are_trips_and_opening_it_is_none(sqlite_file: Path) -> None:
    tally = Tally()
    with count_sqlite(tally):
        rows = open_database(f"sqlite:///{sqlite_file}")
        with rows.transaction() as tx:
            tx.execute(text("CREATE TABLE marks (mark int)"))
        tally.reset()
        with rows.transaction() as tx:
            tx.execute(text("INSERT INTO marks VALUES (1)"))
            tx.execute(text("UPDATE marks SET mark = 2 RETURNING mark")).one()
        with rows.reading() as connection:
            assert connection.execute(text("SELECT mark FROM marks")).scalar_one() == 2
        rows.close()
    assert {call.partition(":")[0] for call in tally.calls()} == {"sqlite senid.db"}
    assert [call.split()[2] for call in tally.calls()] == ["BEGIN", "INSERT", "UPDATE", "COMMIT", "BEGIN", "SELECT"]


def test_a_process_that_ends_at_a_commit_leaves_it_and_one_that_ends_before_does_not(tmp_path: Path) -> None:
    path = tmp_path / "marks.db"
    with sqlite3.connect(path) as made:
        made.execute("CREATE TABLE marks (mark int)")
    for trip, stands in ((2, 0), (3, 1)):
        child = os.fork()
        if not child:
            _insert_and_end(path, trip)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
        assert made.execute("SELECT count(*) FROM marks").fetchone() == (stands,)
    made.close()


def _insert_and_end(path: Path, trip: int) -> None:
    tally = Tally()
    tally.at(trip, lambda: os.kill(os.getpid(), signal.SIGKILL))
    with count_sqlite(tally):
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO marks VALUES (1)")
        connection.commit()
        time.sleep(60)  # not reached
