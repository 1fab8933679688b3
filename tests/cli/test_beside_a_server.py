import subprocess
import sys
from pathlib import Path

import pytest

from idp.storage.db import open_database
from idp.storage.tables import clients
from tests.cli.conftest import write_config
from tests.instances import ROOT

PROGRAM = "from idp.cli.main import main; main()"
ADD = ("clients", "add", "--name", "Cổng tỉnh", "--redirect-uri", "https://dichvucong.example/callback")


@pytest.mark.timeout(180)  # three processes, one after the other
def test_a_command_leaves_the_embedded_database_of_a_running_server_whole(config_file: Path) -> None:
    """A process that gives up its locks on the file loses the log under its feet when a command ends, and then the database."""
    write_config(config_file, "sqlite:///senid.db")
    in_another_process("db", "upgrade")
    log = config_file.parent / "senid.db-wal"
    server = open_database(f"sqlite:///{config_file.parent}/senid.db")
    with server.transaction() as tx, server.reading() as reading:  # as two requests at once
        assert reading.execute(clients.select()).all() == []
        assert tx.execute(clients.select()).all() == []
    before = log.stat().st_ino
    for number in (1, 2):
        in_another_process(*ADD)
        with server.reading() as reading:
            assert len(reading.execute(clients.select()).all()) == number
        assert log.exists()
        assert log.stat().st_ino == before
    with server.reading() as reading:
        assert reading.exec_driver_sql("PRAGMA integrity_check").scalar_one() == "ok"
    server.close()


def in_another_process(*arguments: str) -> None:
    """Run `idp` in a process of its own: the locks of SQLite are between processes."""
    done = subprocess.run([sys.executable, "-c", PROGRAM, *arguments], cwd=ROOT, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
