"""The migrations make what the tables say, once, whoever comes first, and the audit trail only grows."""

import multiprocessing
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, Delete, Update, delete, insert, inspect, select, text, update
from sqlalchemy.exc import IntegrityError

from idp.errors import StoreUnavailable
from idp.storage import migrations
from idp.storage.db import Database, open_database
from idp.storage.tables import accounts, audit_events, metadata, passwords

NOW = datetime(2026, 11, 22, 8, 30, tzinfo=UTC)
EVENT: dict[str, Any] = {"id": "e1", "at": NOW, "event": "session_started", "actor": "system", "facts": {"a": 1}}


def record_event(tx: Connection) -> None:
    tx.execute(insert(audit_events).values(EVENT))


def stored_events(database: Database) -> list[tuple[str, Any]]:
    with database.reading() as connection:
        return [(row.event, row.facts) for row in connection.execute(select(audit_events))]


def test_the_migrated_schema_equals_the_tables(database: Database) -> None:
    with database.reading() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []


def test_the_comparison_would_see_a_difference(database: Database) -> None:
    with database.transaction() as tx:
        tx.execute(text("ALTER TABLE accounts ADD COLUMN forgotten INTEGER"))
        tx.execute(text("DROP INDEX uq_signing_keys_active"))
    with database.reading() as connection:
        found = compare_metadata(MigrationContext.configure(connection), metadata)
    assert sorted(difference[0] for difference in found) == ["add_index", "remove_column"]


def test_the_schema_is_at_the_newest_revision(database: Database) -> None:
    assert migrations.current_revision(database) == migrations.head_revision()


def test_an_upgrade_of_an_upgraded_schema_changes_nothing(database: Database) -> None:
    with database.transaction() as tx:
        record_event(tx)
    migrations.upgrade(database)
    assert stored_events(database) == [("session_started", {"a": 1})]


def test_a_schema_of_a_newer_version_is_left_alone(database: Database) -> None:
    with database.transaction() as tx:
        tx.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    migrations.upgrade(database)
    assert migrations.current_revision(database) == "9999"


def test_an_empty_database_has_no_revision(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path}/new.db")
    assert migrations.current_revision(database) is None
    database.close()


def test_foreign_keys_are_followed_after_an_upgrade_over_the_same_connection(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path}/new.db", pool_size=1)
    migrations.upgrade(database)
    with pytest.raises(IntegrityError), database.transaction() as tx:
        tx.execute(insert(passwords).values(account_id="nobody", hash="", changed_at=NOW))
    database.close()


def test_an_upgrade_names_a_database_that_is_away(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file where the folder should be")
    with pytest.raises(StoreUnavailable):
        migrations.upgrade(open_database(f"sqlite:///{tmp_path}/taken/senid.db"))


def upgrade_and_report(url: str, start: Any, reports: Any) -> None:
    database = open_database(url)
    start.wait(20)
    try:
        migrations.upgrade(database)
        reports.put(migrations.current_revision(database))
    except Exception as error:  # noqa: BLE001 - the report is the test's only view into the process
        reports.put(repr(error))
    database.close()


def upgraded_by_two_processes(url: str) -> list[str]:
    processes = multiprocessing.get_context("spawn")
    start, reports = processes.Barrier(2), processes.Queue()
    started = [processes.Process(target=upgrade_and_report, args=(url, start, reports)) for _ in range(2)]
    for process in started:
        process.start()
    results = [reports.get(timeout=40) for _ in started]
    for process in started:
        process.join(20)
    return results


@pytest.mark.race
def test_two_processes_that_start_at_once_upgrade_sqlite_once(tmp_path: Path) -> None:
    assert upgraded_by_two_processes(f"sqlite:///{tmp_path}/var/new.db") == [migrations.head_revision()] * 2


@pytest.mark.race
def test_two_processes_that_start_at_once_upgrade_postgresql_once(postgresql_database: Database) -> None:
    with postgresql_database.transaction() as tx:
        tx.execute(text("DROP SCHEMA public CASCADE"))
        tx.execute(text("CREATE SCHEMA public"))
    url = postgresql_database.engine.url.render_as_string(hide_password=False)
    assert upgraded_by_two_processes(url) == [migrations.head_revision()] * 2


@pytest.mark.race
def test_threads_that_start_at_once_upgrade_once(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path}/new.db")
    threads = [threading.Thread(target=migrations.upgrade, args=(database,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    with database.reading() as connection:
        assert set(metadata.tables) | {"alembic_version"} == set(inspect(connection).get_table_names())
    database.close()


@pytest.mark.parametrize("change", [update(audit_events).values(event="rewritten"), delete(audit_events)], ids=["update", "delete"])
def test_the_audit_trail_refuses_change(database: Database, change: Update | Delete) -> None:
    with database.transaction() as tx:
        record_event(tx)
    with pytest.raises(IntegrityError), database.transaction() as tx:
        tx.execute(change)
    assert stored_events(database) == [("session_started", {"a": 1})]


def test_the_audit_trail_refuses_replacement_on_sqlite(sqlite_database: Database) -> None:
    with sqlite_database.transaction() as tx:
        record_event(tx)
    with pytest.raises(IntegrityError), sqlite_database.transaction() as tx:
        tx.execute(insert(audit_events).prefix_with("OR REPLACE").values(EVENT | {"event": "rewritten"}))
    assert stored_events(sqlite_database) == [("session_started", {"a": 1})]


def test_the_audit_trail_refuses_truncation_on_postgresql(postgresql_database: Database) -> None:
    with postgresql_database.transaction() as tx:
        record_event(tx)
    with pytest.raises(IntegrityError), postgresql_database.transaction() as tx:
        tx.execute(text("TRUNCATE audit_events"))
    assert stored_events(postgresql_database) == [("session_started", {"a": 1})]


def test_other_tables_can_change(database: Database) -> None:
    row = {"id": "a1", "status": "active", "full_name_sealed": "", "birth_date_sealed": "", "language": "vi"}
    with database.transaction() as tx:
        tx.execute(insert(accounts).values(**row, created_at=NOW, updated_at=NOW))
        tx.execute(update(accounts).values(status="locked"))
        tx.execute(delete(accounts))
        assert tx.execute(select(accounts)).first() is None
