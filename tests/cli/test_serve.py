import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from idp import app, errors
from idp import config as configuration
from idp.cli import serve
from idp.safety.captcha import Captcha
from idp.services import Services
from sandbox import provider
from tests.certificate import Certificate, make_certificate
from tests.cli.command import run_idp


class StartedServer(Exception):
    """The server would listen now."""


@pytest.fixture(autouse=True)
def no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(**settings: Any) -> None:
        raise StartedServer(settings)

    monkeypatch.setattr(serve, "Granian", start)


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    return make_certificate(tmp_path)


@pytest.fixture
def listen(config_file: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Give a port that somebody else listens on, and name it in the configuration."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        monkeypatch.setenv("SENID_SERVER__LISTEN", f"127.0.0.1:{port}")
        yield port


def test_production_is_what_is_served(config_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENID_SERVER__LISTEN", "127.0.0.1:0")
    with pytest.raises(StartedServer):
        run_idp("serve", "--config", config_file)


def test_the_sandbox_is_refused(config_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENID_MODE", "sandbox")
    [problem] = run_idp("serve").problems
    assert problem.startswith("mode: `idp serve` runs production mode only")


def test_http_gateways_and_issuers_are_refused(config_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENID_ISSUER", "http://localhost:8400")
    assert "issuer has to be https" in run_idp("serve").problems[0]
    monkeypatch.delenv("SENID_ISSUER")
    monkeypatch.setenv("SENID_OUTSIDE__CARRIER__URL", "http://127.0.0.1:8420/carrier")
    assert "'carrier' has to be https" in run_idp("serve").problems[0]


def test_certificate_and_key_come_together_and_belong_together(config_file: Path, certificate: Certificate, tmp_path: Path) -> None:
    assert run_idp("serve", "--tls-cert", certificate.cert).problems == ["--tls-cert and --tls-key come together"]
    assert run_idp("serve", "--tls-key", certificate.key).problems == ["--tls-cert and --tls-key come together"]
    (tmp_path / "other").mkdir()
    other = make_certificate(tmp_path / "other")
    for cert, key in ((certificate.cert, other.key), (certificate.key, certificate.cert), (config_file, config_file)):
        [problem] = run_idp("serve", "--tls-cert", cert, "--tls-key", key).problems
        assert problem.endswith("not a certificate (PEM) with its own unencrypted key")
    assert run_idp("serve", "--tls-cert", "/nowhere", "--tls-key", certificate.key).code == 2


def test_a_taken_port_is_told_in_words(listen: int) -> None:
    assert run_idp("serve").problems == [f"server.listen: 127.0.0.1:{listen} cannot be used: Address already in use"]


@pytest.mark.parametrize("listen", ["nowhere.invalid:8400", "203.0.113.1:8400"])
def test_an_address_that_is_not_ours_is_told_in_words(config_file: Path, monkeypatch: pytest.MonkeyPatch, listen: str) -> None:
    monkeypatch.setenv("SENID_SERVER__LISTEN", listen)
    [problem] = run_idp("serve").problems
    assert f"{listen} " in problem


@pytest.mark.parametrize("part", ["captcha", "one_time_codes"])
def test_production_refuses_parts_of_the_sandbox(config_file: Path, monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    monkeypatch.setenv("FIXED_OTP", "000000")
    config = configuration.load(config_file)

    def adjust(built: Services) -> Services:
        return replace(built, **{part: getattr(provider.adjust(built), part)})

    with pytest.raises(errors.ConfigError) as refused:
        app.create_app(config, adjust=adjust, with_jobs=False)
    assert refused.value.problems == [f"{part}: a sandbox part is refused in production mode"]


def test_any_part_that_calls_itself_a_sandbox_part_is_refused(config_file: Path) -> None:
    class SandboxSomething(Captcha):
        is_sandbox = True

    config = configuration.load(config_file)
    part = object.__new__(SandboxSomething)
    for name in ("carrier", "sms", "clock", "passwords", "tokens"):
        with pytest.raises(errors.ConfigError, match=f"{name}: a sandbox part"):
            app.create_app(config, adjust=putting(name, part), with_jobs=False)


def putting(name: str, part: object) -> app.Adjust:
    def adjust(built: Services) -> Services:
        return replace(built, **{name: part})  # type: ignore[arg-type]

    return adjust


def test_production_takes_its_own_parts_and_leaves_no_word_that_always_works(config_file: Path) -> None:
    held: list[Services] = []

    def hold(built: Services) -> Services:
        held.append(built)
        return built

    app.create_app(configuration.load(config_file), adjust=hold, with_jobs=False)
    [services] = held
    assert services.sandbox_parts() == []
    with pytest.raises(errors.CaptchaWrong):
        services.captcha.check(services.captcha.issue(), provider.PICTURE_CODE_WORD)
