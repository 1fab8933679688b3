import subprocess
import sys
from pathlib import Path

from idp import __version__
from tests.cli.command import run_idp
from tests.instances import ROOT

NOUNS = {"accounts": {"show", "lock", "unlock"}, "clients": {"add", "list", "show", "rotate-secret", "disable"}}
PROGRAM = "from idp.cli.main import main; main()"


def test_help_lists_every_command() -> None:
    text = run_idp("--help").out
    assert [noun for noun in ("accounts", "clients", "config", "db", "serve") if f"  {noun} " not in text] == []
    for noun, verbs in NOUNS.items():
        listed = {line.split()[0] for line in run_idp(noun, "-h").out.partition("Commands:")[2].splitlines() if line.strip()}
        assert verbs <= listed


def test_the_version_is_told() -> None:
    assert run_idp("--version").out == f"idp, version {__version__}\n"


def test_a_real_process_ends_with_the_code_and_without_a_traceback(config_file: Path) -> None:
    with config_file.open("a", encoding="utf-8") as file:
        file.write("[nonsense]\nkey = 1\n")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "clients", "list"], cwd=ROOT, capture_output=True, text=True, encoding="utf-8", check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"error: {config_file}: nonsense: unknown key\n")


def test_keys_that_others_may_read_stop_a_command(config_file: Path) -> None:
    run_idp("db", "upgrade")
    run_idp("clients", "list")
    for file in (config_file.parent / "keys").iterdir():
        file.chmod(0o644)
    assert len(run_idp("clients", "list").problems) == 3
