from pathlib import Path

import pytest

from idp.storage import migrations
from idp.storage.db import Database, open_database
from tests.cli.command import run_idp
from tests.cli.conftest import write_config
from tests.instances import Run


def test_the_first_upgrade_makes_the_schema_and_the_second_finds_it(config_file: Path) -> None:
    head = migrations.head_revision()
    assert run_idp("db", "upgrade").out == f"ok: empty -> {head}\n"
    assert (config_file.parent / "new.db").exists()
    assert run_idp("db", "upgrade").out == f"ok: already at {head}\n"


def test_on_postgresql_a_migrated_database_is_found(config_file: Path, postgresql_database: Database) -> None:
    write_config(config_file, postgresql_database.engine.url.render_as_string(hide_password=False))
    assert run_idp("db", "upgrade").out == f"ok: already at {migrations.head_revision()}\n"


def test_a_schema_of_a_newer_version_is_left_alone(config_file: Path) -> None:
    run_idp("db", "upgrade")
    database = open_database(f"sqlite:///{config_file.parent}/new.db")
    with database.transaction() as tx:
        tx.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    database.close()
    assert run_idp("db", "upgrade").out == "ok: already at 9999\n"
    assert run_idp("clients", "list").code == 0


@pytest.mark.parametrize("command", [["clients", "list"], ["clients", "show", "x"], ["accounts", "show", "x"]])
def test_a_command_on_an_empty_database_says_what_to_do_first(config_file: Path, command: list[str]) -> None:
    assert run_idp(*command).problems == ["the database is empty: run `idp db upgrade` first"]
    assert not (config_file.parent / "keys").exists()


AWAY = "the database or the short-lived store cannot be reached; see [database] and [short_lived]"


@pytest.mark.parametrize("command", [["db", "upgrade"], ["clients", "list"], ["accounts", "lock", "x", "--reason", "x"]])
@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://senid:s3cret@127.0.0.1:1/senid",
        "postgresql+psycopg://senid:s3cret@/senid?host={folder}",
        "sqlite:///{folder}/config.toml",
        "sqlite:///{folder}/config.toml/senid.db",
    ],
)
def test_a_database_that_is_away_is_told_in_words(config_file: Path, url: str, command: list[str]) -> None:
    write_config(config_file, url.format(folder=config_file.parent))
    assert run_idp(*command).problems == [AWAY]


def test_a_database_that_does_not_exist_is_told_in_words(config_file: Path) -> None:
    write_config(config_file, Run.current().postgresql("nobody_made_me"))
    assert run_idp("clients", "list").problems == [AWAY]
