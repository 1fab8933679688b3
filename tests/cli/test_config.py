from pathlib import Path

import pytest

from idp.config import CONFIG_VARIABLE
from tests.cli.command import run_idp


def test_a_good_configuration_is_told_in_one_line(config_file: Path) -> None:
    for arguments in (["config", "check"], ["config", "check", "--config", config_file]):
        outcome = run_idp(*arguments)
        assert outcome.code == 0
        assert outcome.out == "ok: production mode, issuer https://id.example.gov.vn, listening on 127.0.0.1:8400\n"
        assert outcome.err == ""


def test_it_leaves_nothing_behind(config_file: Path) -> None:
    run_idp("config", "check")
    assert [path.name for path in config_file.parent.iterdir()] == ["config.toml"]


def test_every_problem_is_named_at_once(config_file: Path) -> None:
    change(config_file, 'issuer = "https://id.example.gov.vn"\n', "colour = 1\n")
    change(config_file, "memory_kib = 19456", 'memory_kib = "many"\nsalt = "x"')
    change(config_file, 'url = "https://carrier.example.internal/v1"\n', 'ca_file = "/nowhere.pem"\n')
    append(config_file, "[tokens]\ncode_lifetime = 60\n[server]\nlisten = '127.0.0.1:99999'\n[log]\nlevel = 'LOUD'\n")
    problems = run_idp("config", "check").problems
    assert {problem.removeprefix(f"{config_file}: ") for problem in problems} == {
        "issuer: missing",
        "colour: unknown key",
        "passwords.memory_kib: Input should be a valid integer, unable to parse string as an integer",
        "passwords.salt: unknown key",
        "outside.carrier.url: missing",
        'tokens.code_lifetime: a duration looks like "90s", "10m", "24h" or "30d"',
        "server: listen is HOST:PORT",
        "outside.carrier.ca_file: /nowhere.pem cannot be read or holds no certificate (PEM)",
        "log.level: Input should be 'DEBUG', 'INFO', 'WARNING' or 'ERROR'",
    }


def test_what_production_refuses_is_named_at_once(config_file: Path) -> None:
    change(config_file, "https://id.example.gov.vn", "http://id.example.gov.vn")
    change(config_file, "memory_kib = 19456", "memory_kib = 8")
    change(config_file, "https://carrier.example", "http://carrier.example")
    change(config_file, "https://sms.example", "http://sms.example")
    problems = "\n".join(run_idp("config", "check").problems)
    assert "issuer has to be https in production mode" in problems
    assert "'carrier' has to be https" in problems
    assert "'sms' has to be https" in problems


def test_no_value_is_repeated_where_it_may_be_a_secret(config_file: Path) -> None:
    append(config_file, "[keys]\nfolder = ['s3cret-1']\n")
    change(config_file, 'name = "carrier"', 'name = "carrier"\ntoken = ["s3cret-2"]')
    said = run_idp("config", "check").err
    assert "outside.carrier.token" in said
    assert "s3cret" not in said


@pytest.mark.parametrize(
    ("database", "reason"),
    [
        ("mysql://senid@localhost/senid", "neither sqlite nor postgresql"),
        ("nonsense", "database.url"),
        ("", "database.url"),
    ],
)
def test_a_database_of_no_known_kind_is_a_problem_of_the_configuration(config_file: Path, database: str, reason: str) -> None:
    change(config_file, "sqlite:///new.db", database)
    [problem] = run_idp("config", "check").problems
    assert reason in problem


def test_a_store_of_no_known_kind_is_a_problem_of_the_configuration(config_file: Path) -> None:
    change(config_file, "sqlite:///short-lived.db", "memcached://localhost")
    [problem] = run_idp("config", "check").problems
    assert problem.startswith("short_lived.url: ")


def test_a_missing_file_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CONFIG_VARIABLE, str(tmp_path / "nowhere.toml"))
    [problem] = run_idp("config", "check").problems
    assert problem == f"{tmp_path}/nowhere.toml: no such file; copy config.example.toml and set SENID_CONFIG"


@pytest.mark.parametrize("content", [b"mode = ", b"\xff\xfe", b"[database]\nurl = 1\n[database]\n"])
def test_a_file_that_is_no_toml_is_told(config_file: Path, content: bytes) -> None:
    config_file.write_bytes(content)
    [problem] = run_idp("config", "check").problems
    assert problem.startswith(f"{config_file}: ")


def test_the_environment_wins_and_its_problems_are_named_too(config_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENID_ISSUER", "https://elsewhere.example.gov.vn")
    monkeypatch.setenv("SENID_SERVER__LISTEN", "0.0.0.0:9000")
    assert "issuer https://elsewhere.example.gov.vn, listening on 0.0.0.0:9000" in run_idp("config", "check").out
    monkeypatch.setenv("SENID_SERVER__LISTN", "0.0.0.0:9000")
    monkeypatch.setenv("SENID_NONSENSE", "1")
    problems = {problem.removeprefix(f"{config_file}: ") for problem in run_idp("config", "check").problems}
    assert problems == {"server.listn: unknown key", "nonsense: unknown key"}


@pytest.mark.parametrize("name", ["SENID_OUTSIDE__SMS__TOKEN", "SENID_MODE__X", "SENID_ISSUER__A__B", "SENID___", "SENID_SERVER"])
def test_a_variable_that_fits_nowhere_is_named(config_file: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "x")
    monkeypatch.setenv("SENID_SERVER__LISTEN", "127.0.0.1:9000")
    assert run_idp("config", "check").problems


def test_each_gateways_token_may_come_from_the_environment(config_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENID_OUTSIDE__SMS__0__TOKEN", "s3cret")
    assert run_idp("config", "check").code == 0


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def append(path: Path, text: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(text)
