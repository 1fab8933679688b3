"""Clients: the portals that may ask who a person is, their policies, and how they prove themselves."""

import hmac
import re
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from datetime import timedelta
from typing import Any, Literal
from urllib.parse import urlsplit

from sqlalchemy import Connection, Row, insert, select, update

from idp.clock import Clock
from idp.errors import ConfigError, InvalidClient, SenidError, StoreUnavailable, TooManyRequests, UnknownClient
from idp.safety.audit import Audit
from idp.safety.rate_limits import RateLimits
from idp.storage.db import Database
from idp.storage.tables import clients as table
from idp.values import LocalText, from_json, new_id, new_secret, secret_hash

AuthMethod = Literal["client_secret_basic", "client_secret_post", "private_key_jwt", "none"]
AUTH_METHODS: tuple[AuthMethod, ...] = ("client_secret_basic", "client_secret_post", "private_key_jwt", "none")
SIGNING_ALGORITHMS = ("ES256", "RS256")
SCOPES = ("openid", "profile", "email", "phone", "address", "offline_access", "assurance", "id_number", "organisation")
CACHE_SECONDS = 2.0
AUDITED_FAILURES = 20
_HOST = re.compile(r"([A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(:[0-9]{1,5})?")
_SCOPE = re.compile(r"[\x21\x23-\x5B\x5D-\x7E]+")
LONGEST_CLIENT_ID = 64
LONGEST_SCOPE = 64
MOST_UNKNOWN_CACHED = 10_000
NO_PURPOSE = LocalText("", "")
_COLUMNS = {"client_id", "name", "secret_hash", "auth_method", "version", "disabled"}


@dataclass(frozen=True)
class Client:
    """A registered portal. Names of policies follow OpenID Connect Dynamic Client Registration 2 where it has them.

    `machine_scopes` are what it may ask for itself, without a person (`client_credentials`); they mean something to the portals' own
    interfaces alone. `may_introspect` makes it a protected resource that may ask about every token (RFC 7662).
    """

    client_id: str
    name: LocalText
    auth_method: AuthMethod
    redirect_uris: tuple[str, ...]
    sector: str
    secret_hash: str | None = None
    post_logout_redirect_uris: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ("openid",)
    machine_scopes: tuple[str, ...] = ()
    may_introspect: bool = False
    grant_types: tuple[str, ...] = ("authorization_code", "refresh_token")
    pkce: Literal["required", "optional"] = "required"
    refresh_rotation: bool = True
    minimum_level: int = 1
    minimum_proofing: int = 1
    legal_basis: Literal["consent", "notice"] = "consent"
    purpose: LocalText = NO_PURPOSE
    subject_type: Literal["pairwise", "public"] = "pairwise"
    id_token_algorithm: str = "ES256"  # noqa: S105 - not a password
    jwks: Mapping[str, Any] | None = None
    jwks_uri: str | None = None
    home_uri: str | None = None
    backchannel_logout_uri: str | None = None
    disabled: bool = False
    version: int = 1

    @property
    def is_public(self) -> bool:
        """Tell whether the client has no credentials (RFC 6749 2.1)."""
        return self.auth_method == "none"

    @property
    def pkce_required(self) -> bool:
        """Tell whether a code challenge is demanded; public clients have no choice."""
        return self.is_public or self.pkce == "required"

    @property
    def purpose_version(self) -> str:
        """Name what a person agreed to: the purpose texts and the legal basis. A changed text asks again."""
        return secret_hash(f"{self.legal_basis}\n{self.purpose.vi}\n{self.purpose.en}")[:16]


@dataclass(frozen=True)
class ClientCredentials:
    """What a request to the token endpoint proves the client with."""

    method: AuthMethod
    client_id: str
    secret: str | None = None
    assertion: str | None = None

    def __repr__(self) -> str:
        """Hide the secret."""
        return f"ClientCredentials({self.method!r}, {self.client_id!r})"


AssertionCheck = Callable[[Client, str], bool]


class Clients:
    """Registers, finds and authenticates clients. Look-ups are cached in the process for two seconds."""

    def __init__(self, *, database: Database, clock: Clock, audit: Audit, limits: RateLimits, check_assertion: AssertionCheck) -> None:
        """Take `check_assertion` for `private_key_jwt`."""
        self._database = database
        self._clock = clock
        self._audit = audit
        self._limits = limits
        self._check_assertion = check_assertion
        self._cache: dict[str, tuple[float, Client | None]] = {}

    def find(self, client_id: str) -> Client | None:
        """Give the client, or None when it is unknown or disabled."""
        if not client_id.isprintable() or len(client_id) > LONGEST_CLIENT_ID:
            return None
        loaded_at, client = self._cache.get(client_id, (0.0, None))
        if time.monotonic() - loaded_at < CACHE_SECONDS and loaded_at:
            return client
        client = self._read(client_id)
        client = None if client is None or client.disabled else client
        if client is not None or len(self._cache) < MOST_UNKNOWN_CACHED:  # unknown names from outside must not fill the memory
            self._cache[client_id] = (time.monotonic(), client)
        return client

    def get(self, client_id: str) -> Client:
        """Give the client; raises `UnknownClient`."""
        client = self.find(client_id)
        if client is None:
            raise UnknownClient("unknown or disabled client")
        return client

    def way_back(self, error: SenidError) -> str | None:
        """Give the start page of the portal whose sign-in an error ended, where the error names it and it registered one."""
        client_id = error.values.get("client_id")
        with suppress(StoreUnavailable):
            client = self.find(client_id) if isinstance(client_id, str) else None
            return client.home_uri if client else None
        return None

    def authenticate(self, credentials: ClientCredentials) -> Client:
        """Give the client that the credentials prove (RFC 6749 2.3); raises `InvalidClient`, with one text for every cause."""
        client = self.find(credentials.client_id)
        if client is not None and client.auth_method == credentials.method and self._proves(client, credentials):
            return client
        if client is not None:
            self._note_failure(client, credentials.method)
        raise InvalidClient(detail=f"{credentials.method} failed")

    def _note_failure(self, client: Client, method: str) -> None:
        """Write a failure of a known client into the audit; not every one of a flood, which would fill the database."""
        with suppress(TooManyRequests, StoreUnavailable):
            self._limits.hit("client_failures_audited", client.client_id, most=AUDITED_FAILURES, window=timedelta(hours=1))
            self._audit.client_authentication_failed(client.client_id, reason=method)

    def _proves(self, client: Client, credentials: ClientCredentials) -> bool:
        if client.auth_method == "none":
            return True
        if client.auth_method == "private_key_jwt":
            return credentials.assertion is not None and self._check_assertion(client, credentials.assertion)
        presented = secret_hash(credentials.secret or "")
        return client.secret_hash is not None and hmac.compare_digest(client.secret_hash, presented)

    # --- for operators ---------------------------------------------------------------------------------------------------------------

    def add(self, client: Client) -> tuple[Client, str | None]:
        """Register a client; gives it with its secret, which is shown this once. Raises `ConfigError`, naming every problem."""
        problems = registration_problems(client)
        if problems:
            raise ConfigError(problems)
        secret = new_secret() if client.auth_method in {"client_secret_basic", "client_secret_post"} else None
        client = replace(client, secret_hash=secret_hash(secret) if secret else None)
        with self._database.transaction() as tx:
            now = self._clock.now()
            tx.execute(insert(table).values(**_to_row(client), created_at=now, updated_at=now))
            self._audit.client_added(client.client_id, pkce=client.pkce, auth_method=client.auth_method, tx=tx)
        self._cache.pop(client.client_id, None)
        return client, secret

    def all(self) -> list[Client]:
        """Give every client, disabled ones too, by name."""
        with self._database.reading() as connection:
            rows = connection.execute(select(table).order_by(table.c.name_vi)).all()
        return [_from_row(row) for row in rows]

    def get_any(self, client_id: str) -> Client:
        """Give the client even when disabled; raises `UnknownClient`."""
        client = self._read(client_id)
        if client is None:
            raise UnknownClient("unknown client")
        return client

    def rotate_secret(self, client_id: str) -> str:
        """Replace the secret; gives the new one, which is shown this once."""
        client = self.get_any(client_id)
        if client.secret_hash is None:
            raise ConfigError([f"{client_id}: a client with {client.auth_method} has no secret"])
        secret = new_secret()
        self._change(replace(client, secret_hash=secret_hash(secret)), "secret_rotated")
        return secret

    def disable(self, client_id: str) -> None:
        """Refuse the client from now on, on every node within `CACHE_SECONDS`."""
        client = self.get_any(client_id)
        with self._database.transaction() as tx:
            tx.execute(update(table).where(table.c.client_id == client.client_id).values(disabled_at=self._clock.now()))
            self._audit.client_disabled(client_id, tx=tx)
        self._cache.pop(client_id, None)

    def _change(self, client: Client, what: str) -> None:
        values = _to_row(replace(client, version=client.version + 1))
        with self._database.transaction() as tx:
            tx.execute(update(table).where(table.c.client_id == client.client_id).values(**values, updated_at=self._clock.now()))
            self._audit.client_changed(client.client_id, what=what, tx=tx)
        self._cache.pop(client.client_id, None)

    def _read(self, client_id: str) -> Client | None:
        with self._database.reading() as connection:
            return _find_row(connection, client_id)


def new_client_id() -> str:
    """Give a new `client_id`."""
    return new_id()


def sector_of(redirect_uris: tuple[str, ...]) -> str | None:
    """Give the sector of pairwise subjects: the one host of all redirect URIs, or None (OpenID Connect Core 8.1)."""
    hosts = {urlsplit(uri).hostname for uri in redirect_uris}
    return hosts.pop() if len(hosts) == 1 else None


def registration_problems(client: Client) -> list[str]:
    """Give what is wrong with a registration, one line a problem; an empty list means that it can stand."""
    problems = [f"redirect_uri {uri}: {why}" for uri in client.redirect_uris if (why := _uri_problem(uri))]
    problems += [f"post_logout_redirect_uri {uri}: {why}" for uri in client.post_logout_redirect_uris if (why := _uri_problem(uri))]
    others = {"home_uri": client.home_uri, "jwks_uri": client.jwks_uri, "backchannel_logout_uri": client.backchannel_logout_uri}
    problems += [f"{name} {uri}: {why}" for name, uri in others.items() if uri is not None and (why := _uri_problem(uri))]
    problems += [f"scope {scope}: unknown" for scope in client.scopes if scope not in SCOPES]
    if "authorization_code" in client.grant_types:
        problems += _sign_in_problems(client)
    problems += _machine_problems(client)
    if client.id_token_algorithm not in SIGNING_ALGORITHMS:
        problems.append(f"alg {client.id_token_algorithm}: one of {', '.join(SIGNING_ALGORITHMS)}")
    if client.is_public and client.pkce != "required":
        problems.append("pkce: a public client cannot go without")
    if client.auth_method == "private_key_jwt" and not (client.jwks or client.jwks_uri):
        problems.append("jwks: private_key_jwt needs the client's public keys")
    return problems


def _sign_in_problems(client: Client) -> list[str]:
    problems = [] if client.redirect_uris else ["redirect_uri: at least one is needed"]
    return problems if client.sector else [*problems, "sector: the redirect URIs have several hosts, so name the sector"]


def _machine_problems(client: Client) -> list[str]:
    """Keep the scopes of machines and those of people apart, and both from whoever has no credentials (RFC 6749 4.4)."""
    problems = [f"machine scope {scope}: is no scope of its own" for scope in client.machine_scopes if not _is_machine_scope(scope)]
    if client.is_public and (client.machine_scopes or client.may_introspect or "client_credentials" in client.grant_types):
        problems.append("a public client can neither ask for itself nor introspect: it has no credentials")
    if bool(client.machine_scopes) != ("client_credentials" in client.grant_types):
        problems.append("machine scope: goes with the grant client_credentials, and the grant with at least one")
    return problems


def _is_machine_scope(scope: str) -> bool:
    return scope not in SCOPES and len(scope) <= LONGEST_SCOPE and _SCOPE.fullmatch(scope) is not None


def _uri_problem(uri: str) -> str | None:
    """Refuse what RFC 6749 3.1.2 and RFC 9700 2.1 forbid: fragments, wildcards, schemes that run code, http beyond loopback."""
    try:
        parts = urlsplit(uri)
        _ = parts.port
    except ValueError:
        return "is not a URL"
    if not uri.isascii() or not uri.isprintable() or any(mark in uri for mark in ' *\\"<>'):
        return "holds a character that is not allowed"
    if parts.fragment or "#" in uri:
        return "has a fragment"
    if parts.scheme not in {"https", "http"}:
        return "is neither https nor http"
    if not parts.hostname or "@" in parts.netloc or not _HOST.fullmatch(parts.netloc):
        return "has no host of letters, digits, dots and dashes, or holds credentials"
    if parts.scheme == "http" and parts.hostname not in {"localhost", "127.0.0.1", "::1"}:
        return "is http beyond loopback"
    return None


def _find_row(connection: Connection, client_id: str) -> Client | None:
    row = connection.execute(select(table).where(table.c.client_id == client_id)).first()
    return _from_row(row) if row else None


def _to_row(client: Client) -> dict[str, Any]:
    settings = {key: value for key, value in asdict(client).items() if key not in _COLUMNS}
    return {
        "client_id": client.client_id,
        "name_vi": client.name.vi,
        "name_en": client.name.en,
        "secret_hash": client.secret_hash,
        "auth_method": client.auth_method,
        "version": client.version,
        "settings": settings,
    }


def _from_row(row: Row[Any]) -> Client:
    known = {field.name for field in fields(Client)}
    settings = {key: value for key, value in from_json(row.settings).items() if key in known}
    settings["purpose"] = LocalText(**row.settings["purpose"])
    return Client(
        client_id=row.client_id,
        name=LocalText(row.name_vi, row.name_en),
        secret_hash=row.secret_hash,
        auth_method=row.auth_method,
        version=row.version,
        disabled=row.disabled_at is not None,
        **settings,
    )
