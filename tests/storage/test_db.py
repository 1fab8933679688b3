"""Transactions commit, roll back and take the right locks; trouble with the connection is named, our own mistakes are not hidden."""

import sqlite3
import stat
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine, delete, insert, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from idp.errors import ConfigError, StoreUnavailable
from idp.storage.db import Database, engine_options, open_database, prepare_engine
from idp.storage.tables import accounts, documents, known_devices

NOW = datetime(2026, 11, 22, 8, 30, 15, 123456, tzinfo=UTC)


def account(**changes: Any) -> dict[str, Any]:
    made = {"id": "a1", "status": "active", "full_name_sealed": "v1.x", "birth_date_sealed": "v1.y", "language": "vi"}
    return made | {"created_at": NOW, "updated_at": NOW} | changes


def device(token_hash: str, account_id: str = "a1") -> dict[str, Any]:
    return {"token_hash": token_hash, "account_id": account_id, "created_at": NOW, "last_seen_at": NOW, "expires_at": NOW}


def stored_ids(database: Database) -> list[str]:
    with database.reading() as connection:
        return list(connection.scalars(select(accounts.c.id).order_by(accounts.c.id)))


# --- Transactions -------------------------------------------------------------------------------------------------------------------


def test_a_transaction_commits(database: Database) -> None:
    with database.transaction() as tx:
        tx.execute(insert(accounts).values(account()))
    assert stored_ids(database) == ["a1"]


def test_an_error_rolls_everything_back_and_passes_through(database: Database) -> None:
    def write_and_fail(tx: Connection) -> None:
        tx.execute(insert(accounts).values(account()))
        raise LookupError("on the way")

    with pytest.raises(LookupError), database.transaction() as tx:
        write_and_fail(tx)
    assert stored_ids(database) == []


def test_what_is_not_committed_is_not_read(database: Database) -> None:
    with database.transaction() as tx:
        tx.execute(insert(accounts).values(account()))
        assert stored_ids(database) == []
    assert stored_ids(database) == ["a1"]


def test_reading_goes_on_beside_a_transaction_that_writes(database: Database) -> None:
    with database.transaction() as tx:
        tx.execute(insert(accounts).values(account()))
    with database.transaction() as tx:
        tx.execute(update(accounts).values(status="locked"))
        began = time.monotonic()
        with database.reading() as connection:
            assert connection.scalar(select(accounts.c.status)) == "active"
        assert time.monotonic() - began < 2


def test_a_transaction_goes_on_beside_one_that_reads(database: Database) -> None:
    with database.reading() as connection:
        connection.execute(select(accounts)).all()
        with database.transaction() as tx:
            tx.execute(insert(accounts).values(account()))
    assert stored_ids(database) == ["a1"]


@pytest.mark.parametrize(
    "statement",
    [insert(accounts).values(account()), update(accounts).values(status="locked"), delete(accounts)],
    ids=["insert", "update", "delete"],
)
def test_reading_refuses_to_write(database: Database, statement: Any) -> None:
    with database.reading() as connection, pytest.raises(RuntimeError):
        connection.execute(statement)


@pytest.mark.race
def test_reading_and_then_writing_loses_no_update(database: Database) -> None:
    with database.transaction() as tx:
        tx.execute(insert(accounts).values(account(status_reason="0")))
    row = select(accounts.c.status_reason).where(accounts.c.id == "a1").with_for_update()

    def add_ten(_: int) -> None:
        for _round in range(10):
            with database.transaction() as tx:
                count = int(tx.scalar(row) or 0)
                tx.execute(update(accounts).values(status_reason=str(count + 1)))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add_ten, range(8)))
    with database.reading() as connection:
        assert connection.scalar(select(accounts.c.status_reason)) == "80"


def test_the_writer_on_sqlite_has_the_lock_from_the_beginning(sqlite_database: Database) -> None:
    other = sqlite3.connect(sqlite_database.engine.url.database or "", timeout=0)
    with sqlite_database.transaction(), pytest.raises(sqlite3.OperationalError, match="locked"):
        other.execute("BEGIN IMMEDIATE")
    other.execute("BEGIN IMMEDIATE")
    other.rollback()
    with sqlite_database.reading() as connection:
        connection.execute(select(accounts)).all()
        other.execute("BEGIN IMMEDIATE")
    other.close()


# --- Rows ---------------------------------------------------------------------------------------------------------------------------


def test_instants_come_back_aware_and_whole(database: Database) -> None:
    hanoi = NOW.astimezone(timezone(timedelta(hours=7)))
    with database.transaction() as tx:
        tx.execute(insert(accounts).values(account(created_at=hanoi)))
        found = tx.execute(select(accounts.c.created_at, accounts.c.updated_at).where(accounts.c.created_at == NOW)).one()
    assert (found.created_at, found.updated_at) == (NOW, NOW)
    assert found.created_at.utcoffset() == timedelta(0)


def test_a_foreign_key_has_to_point_somewhere(database: Database) -> None:
    with pytest.raises(IntegrityError), database.transaction() as tx:
        tx.execute(insert(known_devices).values(device("h1", account_id="nobody")))


def test_a_row_that_stands_already_is_refused_as_such(database: Database) -> None:
    with database.transaction() as tx:
        tx.execute(insert(accounts).values(account()))
    with pytest.raises(IntegrityError) as caught, database.transaction() as tx:
        tx.execute(insert(accounts).values(account(full_name_sealed="v1.geheim")))
    assert "geheim" not in str(caught.value)


def test_one_identity_number_has_one_account(database: Database) -> None:
    number = {"type": "cccd", "number_sealed": "", "number_index": "i" * 64, "index_version": 1, "created_at": NOW}
    with database.transaction() as tx:
        tx.execute(insert(accounts), [account(), account(id="a2")])
        tx.execute(insert(documents).values(id="d1", account_id="a1", **number))
    with pytest.raises(IntegrityError), database.transaction() as tx:
        tx.execute(insert(documents).values(id="d2", account_id="a2", **number))


# --- The database's time ------------------------------------------------------------------------------------------------------------


def test_the_database_tells_the_time_in_utc(database: Database) -> None:
    database.offset = timedelta(0)
    with database.transaction() as tx:
        told = database.now(tx)
    assert told.utcoffset() == timedelta(0)
    assert abs(told - datetime.now(UTC)) < timedelta(seconds=10)


def test_the_databases_time_goes_on_within_a_transaction(database: Database) -> None:
    with database.transaction() as tx:
        first = database.now(tx)
        time.sleep(0.02)
        assert timedelta(milliseconds=10) < database.now(tx) - first < timedelta(seconds=10)


def test_the_databases_time_can_be_offset(database: Database) -> None:
    with database.reading() as connection:
        before = database.now(connection)
        database.offset += timedelta(days=3)
        assert timedelta(days=3) <= database.now(connection) - before < timedelta(days=3, seconds=10)


# --- Trouble ------------------------------------------------------------------------------------------------------------------------


def refused_postgresql(_: Path) -> str:
    return "postgresql://someone:geheim@127.0.0.1:1/nothing"


def unusable_folder(tmp_path: Path) -> str:
    (tmp_path / "taken").write_text("a file where the folder should be")
    return f"sqlite:///{tmp_path}/taken/senid.db"


def not_a_database(tmp_path: Path) -> str:
    (tmp_path / "text.db").write_text("this is no database at all, but it is long enough to be looked at" * 50)
    return f"sqlite:///{tmp_path}/text.db"


@pytest.mark.parametrize("make_url", [refused_postgresql, unusable_folder, not_a_database])
@pytest.mark.parametrize("use", ["transaction", "reading"])
def test_a_database_that_is_away_says_so(make_url: Callable[[Path], str], use: str, tmp_path: Path) -> None:
    database = open_database(make_url(tmp_path))
    with pytest.raises(StoreUnavailable) as caught, getattr(database, use)() as connection:
        connection.execute(select(accounts))
    assert "geheim" not in repr(caught.value) + str(caught.value)
    assert not database.is_up()


def test_a_database_that_answers_is_up(database: Database) -> None:
    assert database.is_up()


def test_a_connection_that_the_server_closed_is_replaced(postgresql_database: Database) -> None:
    with postgresql_database.reading() as connection:
        mine = connection.scalar(text("SELECT pg_backend_pid()"))
    killer = create_engine(postgresql_database.engine.url)
    with killer.connect() as connection:
        connection.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": mine})
    killer.dispose()
    with postgresql_database.transaction() as tx:
        assert tx.scalar(text("SELECT pg_backend_pid()")) != mine


def test_a_connection_that_breaks_in_the_middle_is_trouble_with_the_store(postgresql_database: Database) -> None:
    with pytest.raises(StoreUnavailable), postgresql_database.transaction() as tx:
        tx.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
    assert postgresql_database.is_up()


def test_a_statement_that_hangs_ends(postgresql_database: Database) -> None:
    url = postgresql_database.engine.url.update_query_dict({"options": "-c statement_timeout=50ms"})
    database = open_database(url.render_as_string(hide_password=False))
    with pytest.raises(StoreUnavailable, match="57014"), database.transaction() as tx:
        tx.execute(text("SELECT pg_sleep(20)"))
    database.close()


def test_statements_and_locks_have_a_limit_on_postgresql(postgresql_database: Database) -> None:
    with postgresql_database.reading() as connection:
        shown = [connection.scalar(text(f"SHOW {name}")) for name in ("statement_timeout", "lock_timeout", "timezone")]
    assert shown == ["10s", "5s", "UTC"]


def test_a_server_that_only_reads_is_trouble_with_the_store(postgresql_database: Database) -> None:
    with postgresql_database.transaction() as tx:
        tx.execute(text(f"ALTER DATABASE {postgresql_database.engine.url.database} SET default_transaction_read_only = on"))
    postgresql_database.close()
    with pytest.raises(StoreUnavailable), postgresql_database.transaction() as tx:
        tx.execute(insert(accounts).values(account()))


def test_a_lock_on_sqlite_that_stays_is_trouble_with_the_store(sqlite_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("idp.storage.db.SQLITE_BUSY_WAIT", timedelta(milliseconds=50))
    database = open_database(str(sqlite_database.engine.url))
    with sqlite_database.transaction(), pytest.raises(StoreUnavailable, match="SQLITE_BUSY"), database.transaction():
        pytest.fail("two writers at once")
    database.close()


def test_an_empty_pool_is_trouble_with_the_store(sqlite_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("idp.storage.db.POOL_WAIT_SECONDS", 0.05)
    database = open_database(str(sqlite_database.engine.url), pool_size=1)
    with database.reading(), pytest.raises(StoreUnavailable, match="pool"), database.reading():
        pytest.fail("two connections from a pool of one")
    database.close()


def test_a_mistake_in_a_statement_is_not_taken_for_an_absence(database: Database) -> None:
    with pytest.raises(DBAPIError), database.transaction() as tx:
        tx.execute(text("SELECT nothing FROM nowhere"))


# --- Opening ------------------------------------------------------------------------------------------------------------------------


def test_the_sqlite_file_and_its_folder_are_made_for_their_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "var" / "senid.db"
    database = open_database(f"sqlite:///{path}")
    assert not path.exists()
    with database.transaction() as tx:
        tx.execute(text("CREATE TABLE t (a)"))
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()} == {0o600}
    database.close()


def test_sqlite_connections_are_tuned(sqlite_database: Database) -> None:
    names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
    with sqlite_database.reading() as connection:
        settings = {name: connection.scalar(text(f"PRAGMA {name}")) for name in names}
    assert settings == {"journal_mode": "wal", "synchronous": 1, "foreign_keys": 1, "busy_timeout": 5000}


def test_many_threads_open_a_new_file_at_once(tmp_path: Path) -> None:
    databases = [open_database(f"sqlite:///{tmp_path}/new.db") for _ in range(8)]
    barrier = threading.Barrier(8)

    def open_and_write(database: Database) -> None:
        barrier.wait(20)
        with database.transaction() as tx:
            tx.execute(text("CREATE TABLE IF NOT EXISTS t (a)"))
            tx.execute(text("INSERT INTO t VALUES (1)"))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(open_and_write, databases))
    with databases[0].reading() as connection:
        assert connection.scalar(text("SELECT count(*) FROM t")) == 8
    for database in databases:
        database.close()


@pytest.mark.parametrize("url", ["mysql://u:geheim@h/d", "postgresql+psycopg2://u:geheim@h/d"])
def test_another_kind_of_database_is_a_mistake_in_the_configuration(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        open_database(url)
    assert "geheim" not in str(caught.value)


def test_an_engine_made_elsewhere_serves_as_well(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/elsewhere.db"
    engine = create_engine(url, **engine_options(url, pool_size=2))
    prepare_engine(engine)
    database = Database(engine)
    with database.transaction() as tx:
        tx.execute(text("CREATE TABLE t (a)"))
        tx.execute(text("INSERT INTO t VALUES (1)"))
    with database.reading() as connection:
        assert connection.scalar(text("SELECT a FROM t")) == 1
    database.close()
