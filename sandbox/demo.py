"""The demo: sets up a provider with its sandbox in one folder, starts them, says where they are, and stops them all together."""

import argparse
import fcntl
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import click

from sandbox.addresses import DEFAULT_PORT_BASE, OUTSIDE_DISTANCE, Addresses
from sandbox.people import everybody
from sandbox.programs import Child, DemoTrouble, Program, await_all, check_port, start, stop, watch

CONFIG_VARIABLE = "SENID_CONFIG"
CONFIG_PREFIX = "SENID_"
LARGEST_PORT_BASE = 65_535 - OUTSIDE_DISTANCE
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
SHOWN_PEOPLE = 3

CONFIG = """\
# Written by `make demo` at each start; config.example.toml explains every key.
mode = "sandbox"
issuer = "{provider}"

[server]
listen = "127.0.0.1:{port_base}"
threads = 4

[database]
url = "sqlite:///senid.db"

[short_lived]
url = "sqlite:///short-lived.db"

[keys]
folder = "keys"

# All the demo's people come from one address.
[sign_in]
tries_per_address_and_minute = 1000

[registration]
starts_per_address_and_hour = 5000
carrier_retry_every = "5s"

[outside.carrier]
name = "carrier-register"
url = "{outside}/carrier"
token = "sandbox"
timeout = "3s"

[[outside.sms]]
name = "sms-a"
url = "{outside}/sms/a"
token = "sandbox"
timeout = "3s"

[[outside.sms]]
name = "sms-b"
url = "{outside}/sms/b"
token = "sandbox"
timeout = "3s"
"""


@dataclass(frozen=True)
class Settings:
    """What one copy of the demo is told."""

    addresses: Addresses
    folder: Path
    tls_cert: Path | None
    tls_key: Path | None
    ready_file: Path | None

    @property
    def tls_arguments(self) -> list[str]:
        """Give what tells a program that the provider is reached over TLS."""
        return ["--tls"] if self.addresses.is_tls else []


def main() -> None:
    """Run the demo until SIGTERM, SIGINT or SIGHUP, or until one of its programs ends."""
    for number in STOP_SIGNALS:
        signal.signal(number, _interrupt)
    try:
        settings = _settings()
        with _own_folder(settings.folder):
            _run(settings)
    except DemoTrouble as trouble:
        click.echo(f"demo: {trouble}", err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        click.echo("demo: stopped")


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _settings() -> Settings:
    parser = argparse.ArgumentParser(prog="scripts/demo", description=__doc__)
    parser.add_argument("--ready-file", type=Path, help="write the addresses there, as JSON, when everything answers")
    parser.add_argument("--tls-cert", type=Path, help="certificate of localhost (PEM): the provider is served over TLS")
    parser.add_argument("--tls-key", type=Path, help="its private key (PEM)")
    arguments = parser.parse_args()
    if (arguments.tls_cert is None) != (arguments.tls_key is None):
        raise DemoTrouble("--tls-cert and --tls-key come together")
    code = os.environ.get("FIXED_OTP", "")
    if code and not (len(code) == 6 and code.isascii() and code.isdigit()):  # noqa: PLR2004 - the length of a one-time code
        raise DemoTrouble("FIXED_OTP has to be six digits")
    return Settings(
        addresses=Addresses(_port_base(), is_tls=arguments.tls_cert is not None),
        folder=Path(os.environ.get("DEMO_FOLDER") or ".demo").absolute(),
        tls_cert=arguments.tls_cert and arguments.tls_cert.absolute(),
        tls_key=arguments.tls_key and arguments.tls_key.absolute(),
        ready_file=arguments.ready_file,
    )


def _port_base() -> int:
    text = os.environ.get("PORT_BASE") or str(DEFAULT_PORT_BASE)
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= LARGEST_PORT_BASE):
        raise DemoTrouble(f"PORT_BASE has to be a port number up to {LARGEST_PORT_BASE}")
    return int(text)


@contextmanager
def _own_folder(folder: Path) -> Iterator[None]:
    """Keep a second copy of the demo out of the folder."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise DemoTrouble(f"another demo is running in {folder}; give this one a DEMO_FOLDER and a PORT_BASE of its own") from None
        yield


def _run(settings: Settings) -> None:
    programs = _programs(settings)
    for program in programs:
        check_port(program)
    config = CONFIG.format(provider=settings.addresses.provider, outside=settings.addresses.outside, port_base=settings.addresses.port_base)
    (settings.folder / "config.toml").write_text(config, encoding="utf-8")
    environment = _environment(settings)
    children: list[Child] = []
    try:
        _register(settings, environment)
        children.extend(start(program, settings.folder, environment) for program in programs)
        await_all(children)
        _announce(settings)
        watch(children)
    finally:
        _ignore_signals()
        stop(children)
        if settings.ready_file:
            settings.ready_file.unlink(missing_ok=True)


def _ignore_signals() -> None:
    """Let nothing interrupt the stopping: a second Ctrl-C must not leave a program behind."""
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _programs(settings: Settings) -> list[Program]:
    base, folder = settings.addresses.port_base, settings.folder
    common = ("--port-base", str(base), "--end-with-starter", *settings.tls_arguments)
    tls = ("--tls-cert", str(settings.tls_cert), "--tls-key", str(settings.tls_key)) if settings.tls_cert else ()
    outside = ("sandbox.outside", "--accounts", str(folder / "accounts.json"), *common)
    return [
        Program("phone", outside, base + OUTSIDE_DISTANCE),
        Program("provider", ("sandbox.provider", "--end-with-starter", *tls), base, "/readyz", settings.tls_cert),
        *(
            Program(
                f"portal {number}", ("sandbox.portals", str(number), "--credentials", str(folder / "portals.json"), *common), base + number
            )
            for number in (1, 2)
        ),
    ]


def _environment(settings: Settings) -> dict[str, str]:
    """Give the programs our configuration alone, and keep their calls to each other away from any proxy."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(CONFIG_PREFIX)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # else each program would compile all of its modules at each start
    environment[CONFIG_VARIABLE] = str(settings.folder / "config.toml")
    for name in ("NO_PROXY", "no_proxy"):
        environment[name] = ",".join(filter(None, (environment.get(name), "localhost", "127.0.0.1")))
    if settings.tls_cert:
        environment["REQUESTS_CA_BUNDLE"] = str(settings.tls_cert)
    return environment


def _register(settings: Settings, environment: dict[str, str]) -> None:
    """Make keys, databases, clients and accounts, in the first run of a folder, and again when the addresses change."""
    if _is_registered(settings):
        return
    click.echo("demo: setting up keys, databases, portals and accounts")
    arguments = [str(settings.folder), "--port-base", str(settings.addresses.port_base), *settings.tls_arguments]
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-m", "sandbox.registration", *arguments], env=environment, stdin=subprocess.DEVNULL, check=False
    )
    if done.returncode != 0:
        raise DemoTrouble(f"the set-up failed; remove {settings.folder} and try again")


def _is_registered(settings: Settings) -> bool:
    try:
        known = json.loads((settings.folder / "portals.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    is_same = (known.get("port_base"), known.get("is_tls")) == (settings.addresses.port_base, settings.addresses.is_tls)
    return is_same and all((settings.folder / name).exists() for name in ("senid.db", "accounts.json", "keys"))


def _announce(settings: Settings) -> None:
    addresses = settings.addresses
    passwords = json.loads((settings.folder / "accounts.json").read_text(encoding="utf-8"))
    lines = (
        "",
        f"  Portal Hưng Yên   {addresses.portal(1)}",
        f"  Portal Thanh Hóa  {addresses.portal(2)}",
        f"  Phone             {addresses.outside}/phone   (one-time codes; people and controls at {addresses.outside})",
        f"  Provider          {addresses.provider}",
        "",
        *_people_lines(passwords),
        "",
        "  The picture code may always be typed as: sandbox",
        *([f"  Every one-time code is {os.environ['FIXED_OTP']}"] if os.environ.get("FIXED_OTP") else []),
        f"  Configuration and logs: {settings.folder}",
        "  Ctrl-C stops everything.",
        "",
    )
    click.echo("\n".join(lines))
    if settings.ready_file:
        _write_ready_file(settings, settings.ready_file)


def _people_lines(passwords: dict[str, str]) -> Iterator[str]:
    people = everybody()
    yield "  People to register (ID number, name, birth date, phone):"
    for person in people[:SHOWN_PEOPLE]:
        yield f"    {person.id_number}  {person.full_name}  {person.birth_date}  {person.phone}"
    yield "  People with an account (ID number, password, phone):"
    for person in people:
        if person.id_number in passwords:
            yield f"    {person.id_number}  {passwords[person.id_number]}  {person.phone}  {person.full_name}"


def _write_ready_file(settings: Settings, path: Path) -> None:
    """Write the addresses, whole or not at all, since others wait for the file."""
    addresses = settings.addresses
    content = {
        "provider": addresses.provider,
        "portals": [addresses.portal(1), addresses.portal(2)],
        "phone": addresses.outside,
        "config": str(settings.folder / "config.toml"),
    }
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps(content), encoding="utf-8")
    draft.replace(path)


if __name__ == "__main__":
    main()
