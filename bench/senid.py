"""This server as an operator runs it: `idp serve` with one worker, in production mode, behind a proxy that ends TLS."""

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from bench.programs import Trouble, finish, start
from bench.providers import ALGORITHMS, REDIRECT_URI, Clients, PortalClient
from bench.stores import Stores
from bench.wire import Cookies
from tests.instances import ROOT
from tests.serve.child import Child

ISSUER = "https://id.bench.example"
SESSION_COOKIE = "__Host-senid_session"
# What `idp clients add` is told of a client that asks for itself.
MACHINE_OPTION, MACHINE_SCOPE = "--machine-scope", "dossiers:read"
SHOWN_PACKAGES = ("granian", "authlib", "joserfc", "cryptography", "sqlalchemy", "psycopg", "redis", "hiredis", "argon2-cffi")

CONFIG = """\
# Written by bench/senid.py. What is not here has its default: mode, hashes, limits, log and lifetimes.
issuer = "{issuer}"

[server]
listen = "127.0.0.1:{port}"
workers = 1
threads = {threads}
trusted_proxies = ["127.0.0.1/32"] # the driver writes X-Forwarded-For as the proxy would

[keys]
folder = "keys"

[outside.carrier]
name = "carrier"
url = "https://carrier.invalid/v1"

[[outside.sms]]
name = "sms"
url = "https://sms.invalid/v1"
"""


@dataclass(frozen=True)
class Senid:
    """One deployment of a checkout of the product, with its own database and keys."""

    name: str
    checkout: Path
    folder: Path
    port: int
    stores: Stores
    redis_number: int
    issuer = ISSUER

    @classmethod
    def deploy(cls, name: str, checkout: Path, folder: Path, *, port: int, stores: Stores, threads: int, redis_number: int) -> "Senid":
        """Write the configuration and bring the schema, into a database of its own."""
        folder.mkdir()
        (folder / "config.toml").write_text(CONFIG.format(issuer=ISSUER, port=port, threads=threads), encoding="utf-8")
        stores.make_database(_database_name(redis_number))
        deployed = cls(name, checkout, folder, port, stores, redis_number)
        deployed.idp("db", "upgrade")
        return deployed

    def start(self, *, core: int) -> Child:
        """Start the server by the documented command."""
        return start([*self._command, "serve"], core=core, log=self.folder / "server.log", cwd=self.folder, env=self._environment)

    def prepare(self, users: int) -> tuple[Clients, list[Cookies]]:
        """Register portals and people, let these agree to every portal, and sign each in, by the verbs of the product."""
        with_refresh = {algorithm: self._add_portal(algorithm) for algorithm in ALGORITHMS}
        machine = self._add_machine()
        made = json.loads(finish([sys.executable, "-m", "bench.people", str(users), REDIRECT_URI], cwd=self.folder, env=self._environment))
        with_code = {algorithm: _client_of(told) for algorithm, told in made["portals"].items()}
        return Clients(with_code, with_refresh, machine), [Cookies({SESSION_COOKIE: secret}) for secret in made["sessions"]]

    def described(self) -> str:
        """Name the versions of what answers requests."""
        packages = ", ".join(f"{name} {metadata.version(name)}" for name in SHOWN_PACKAGES)
        return f"{_revision(self.checkout)}, Python {platform.python_version()}, {packages}"

    @property
    def _command(self) -> list[str | Path]:
        return [Path(sys.executable).with_name("idp")]

    @property
    def _environment(self) -> Mapping[str, str]:
        """Give the variables to run it with; the checkout comes before whatever is installed."""
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        return {
            **kept,
            "PYTHONPATH": os.pathsep.join((str(self.checkout), str(ROOT))),
            "SENID_CONFIG": str(self.folder / "config.toml"),
            "SENID_DATABASE__URL": self.stores.postgresql(_database_name(self.redis_number)),
            "SENID_SHORT_LIVED__URL": self.stores.redis(self.redis_number),
        }

    def idp(self, *arguments: str) -> str:
        """Run another command of the same deployment; gives what it printed."""
        return finish([*self._command, *arguments], cwd=self.folder, env=self._environment)

    def _add_portal(self, algorithm: str) -> PortalClient:
        scopes = ("--scope", "profile", "--scope", "email")
        purpose = ("--purpose", "Nộp hồ sơ trực tuyến")
        return self._add_client("--name", f"Refresh {algorithm}", "--redirect-uri", REDIRECT_URI, "--alg", algorithm, *scopes, *purpose)

    def _add_machine(self) -> PortalClient | None:
        """Register it, unless this checkout is older than the option."""
        try:
            return self._add_client("--name", "Machine", MACHINE_OPTION, MACHINE_SCOPE)
        except Trouble as trouble:
            if "No such option" in str(trouble):
                return None
            raise

    def _add_client(self, *options: str) -> PortalClient:
        return _client_of(json.loads(self.idp("clients", "add", *options, "--json")))


def _database_name(number: int) -> str:
    return f"senid_{number}"


def _client_of(told: Mapping[str, str]) -> PortalClient:
    return PortalClient(told["client_id"], told["client_secret"])


def _revision(checkout: Path) -> str:
    """Name the commit, and say whether something of the product is changed in the checkout."""
    git = shutil.which("git")
    if git is None:
        return "unknown commit"

    def said(*arguments: str) -> str:
        command: list[str | Path] = [git, "-C", checkout, *arguments]
        return subprocess.run(command, capture_output=True, encoding="utf-8", check=False).stdout.strip()  # noqa: S603 - git itself

    changed = " with changes" if said("status", "--porcelain", "--", "idp") else ""
    return f"commit {said('rev-parse', '--short=12', 'HEAD') or 'unknown'}{changed}"
