"""The keys that sign tokens: made at first start, wrapped at rest, held parsed in the process.

The whole life cycle (publication before use, rotation, revocation) stands on this seam: `jwks`, `sign`, `verify`.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey
from sqlalchemy import Row, insert, select
from sqlalchemy.exc import IntegrityError

from idp.clock import Clock
from idp.errors import ConfigError
from idp.safety.audit import Audit
from idp.safety.encryption import Encryption, SealBroken
from idp.storage.db import Database
from idp.storage.tables import signing_keys as table

ALGORITHMS = ("ES256", "RS256")
RSA_BITS = 2048
CACHE_SECONDS = 60.0


@dataclass(frozen=True)
class SigningKey:
    """A parsed key with the header that every token signed by it carries."""

    kid: str
    algorithm: str
    key: ECKey | RSAKey
    public_jwk: Mapping[str, Any]


class SigningKeys:
    """Signs and verifies tokens, and publishes the public keys."""

    def __init__(self, *, database: Database, encryption: Encryption, clock: Clock, audit: Audit) -> None:
        """Keep nothing yet: the keys are read at first use."""
        self._database = database
        self._encryption = encryption
        self._clock = clock
        self._audit = audit
        self._keys: dict[str, SigningKey] = {}
        self._active: dict[str, SigningKey] = {}
        self._jwks = b""
        self._loaded_at = -CACHE_SECONDS

    def ensure(self) -> None:
        """Make the missing keys. Of several nodes that start at once, one wins and the others read its keys."""
        self._load()
        for algorithm in ALGORITHMS:
            if algorithm not in self._active:
                self._make(algorithm)
        self._load()

    def jwks(self) -> bytes:
        """Give the JWK set (RFC 7517 5) as it goes over the wire."""
        self._refresh()
        return self._jwks

    def sign(self, claims: Mapping[str, Any], *, algorithm: str, typ: str | None = None) -> str:
        """Give `claims` as a compact JWS by the active key of `algorithm`."""
        self._refresh()
        signer = self._active[algorithm]
        header = {"alg": algorithm, "kid": signer.kid, **({"typ": typ} if typ else {})}
        return jwt.encode(header, dict(claims), signer.key, algorithms=[algorithm])

    def verify(self, token: str) -> Mapping[str, Any] | None:
        """Give the claims of a token that we signed, whatever its age, or None. Never follows a header to another key or algorithm."""
        self._refresh()
        try:
            header = jws.extract_compact(token.encode("ascii")).headers()
            signer = self._keys.get(str(header.get("kid")))
            if signer is None or header.get("alg") != signer.algorithm:
                return None
            claims = json.loads(jws.deserialize_compact(token, signer.key, algorithms=[signer.algorithm]).payload)
        except (JoseError, ValueError, TypeError, RecursionError):
            return None
        return claims if isinstance(claims, dict) else None

    def _refresh(self) -> None:
        if time.monotonic() - self._loaded_at > CACHE_SECONDS:
            self._load()

    def _make(self, algorithm: str) -> None:
        key = ECKey.generate_key("P-256") if algorithm == "ES256" else RSAKey.generate_key(RSA_BITS)
        kid = key.thumbprint()  # RFC 7638: a name that only this key can have
        public = {**key.as_dict(private=False), "kid": kid, "use": "sig", "alg": algorithm}
        private = json.dumps(key.as_dict(private=True))
        now = self._clock.now()
        try:
            with self._database.transaction() as tx:
                tx.execute(
                    insert(table).values(
                        kid=kid,
                        algorithm=algorithm,
                        state="active",
                        public_jwk=public,
                        private_sealed=self._encryption.seal(private, f"signing_keys.private:{kid}"),
                        created_at=now,
                        activated_at=now,
                    )
                )
                self._audit.signing_key_made(kid, algorithm=algorithm, tx=tx)
        except IntegrityError:
            return  # another node was first

    def _load(self) -> None:
        with self._database.reading() as connection:
            rows = connection.execute(select(table).where(table.c.state == "active").order_by(table.c.algorithm)).all()
        keys = {row.kid: self._keys.get(row.kid) or self._parse(row) for row in rows}
        self._active = {key.algorithm: key for key in keys.values()}
        self._keys = keys
        self._jwks = json.dumps({"keys": [key.public_jwk for key in keys.values()]}, separators=(",", ":")).encode()
        self._loaded_at = time.monotonic()

    def _parse(self, row: Row[Any]) -> SigningKey:
        """Parse once a process: importing an RSA key costs fifty milliseconds. Raises `ConfigError` with the keys of another deployment."""
        try:
            private = json.loads(self._encryption.unseal(row.private_sealed, f"signing_keys.private:{row.kid}"))
        except SealBroken:
            problem = f"keys.folder: its keys do not open signing key {row.kid} of this database; restore them from the backup"
            raise ConfigError([problem]) from None
        key = ECKey.import_key(private) if row.algorithm == "ES256" else RSAKey.import_key(private)
        return SigningKey(row.kid, row.algorithm, key, row.public_jwk)
