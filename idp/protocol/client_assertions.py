"""Client authentication by a signed assertion: `private_key_jwt` (OpenID Connect Core 9, RFC 7523 3)."""

import json
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from idp.clock import Clock
from idp.errors import InvalidClient
from idp.promises import ClientKeys
from idp.protocol.clients import Client
from idp.safety.sealed_store import SealedStore

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ALGORITHMS = ["ES256", "RS256", "PS256", "EdDSA", "Ed25519"]
LONGEST_LIFE = timedelta(hours=1)  # what common client libraries sign for
SKEW = timedelta(seconds=30)  # FAPI 2.0 Security Profile 5.3.2.1: at least 10, at most 60
LONGEST_ASSERTION = 8192
LONGEST_JTI = 256
LATEST = 10**12  # seconds since 1970: beyond every honest date, below what a float cannot hold
KEYS_LIFETIME = timedelta(minutes=5)
REFETCH_WAIT = timedelta(seconds=30)


class ClientAssertions:
    """Checks assertions, each once."""

    def __init__(self, *, store: SealedStore, clock: Clock, client_keys: ClientKeys, audiences: tuple[str, ...]) -> None:
        """Accept the `audiences`: the issuer, and the token endpoint for older clients."""
        self._store = store
        self._clock = clock
        self._client_keys = client_keys
        self._audiences = audiences

    def check(self, client: Client, assertion: str) -> bool:
        """Tell whether the assertion was signed by the client, for us, now, and is seen for the first time."""
        if len(assertion) > LONGEST_ASSERTION or not assertion.isascii():
            return False
        claims = self._verified_claims(client, assertion)
        return claims is not None and self._is_for_us(client, claims) and self._is_first_use(client, claims)

    def _verified_claims(self, client: Client, assertion: str) -> Mapping[str, Any] | None:
        for key_set in self._key_sets(client):
            try:
                claims = _verify(assertion, key_set)
            except (JoseError, ValueError, TypeError, KeyError, OverflowError, RecursionError):
                continue
            if claims is not None:
                return claims
        return None

    def _key_sets(self, client: Client) -> Iterator[Mapping[str, Any]]:
        """Give the key set as known, then once more as fetched anew: the client may have rotated its keys."""
        if client.jwks is not None:
            yield client.jwks
            return
        if client.jwks_uri is None:
            return
        known = self._store.get("client_keys", client.client_id)
        if known is not None:
            yield known
        if known is None or self._store.put("client_keys_fetch", client.client_id, {}, REFETCH_WAIT, only_if_new=True):
            fetched = self._client_keys.fetch(client.jwks_uri)
            if fetched is not None:
                self._store.put("client_keys", client.client_id, fetched, KEYS_LIFETIME)
                yield fetched

    def _is_for_us(self, client: Client, claims: Mapping[str, Any]) -> bool:
        """Hold RFC 7523 3: `iss` and `sub` are the client, `aud` is us alone, and the times are near."""
        audience = claims.get("aud")
        if isinstance(audience, list) and len(audience) == 1:
            audience = audience[0]
        if claims.get("iss") != client.client_id or claims.get("sub") != client.client_id or audience not in self._audiences:
            return False
        now = self._clock.now().timestamp()
        skew = SKEW.total_seconds()
        expires, begins, issued = (
            _numeric_date(claims.get(name, default)) for name, default in (("exp", None), ("nbf", now), ("iat", now))
        )
        if expires is None or begins is None or issued is None:
            return False
        return now - skew < expires <= now + LONGEST_LIFE.total_seconds() + skew and begins <= now + skew and issued <= now + skew

    def _is_first_use(self, client: Client, claims: Mapping[str, Any]) -> bool:
        jti = claims.get("jti")
        if not isinstance(jti, str) or not jti or len(jti) > LONGEST_JTI:
            return False
        return self._store.put("client_assertion", f"{client.client_id}:{jti}", {}, LONGEST_LIFE + 2 * SKEW, only_if_new=True)


def asserted_client_id(assertion: str) -> str:
    """Give the `sub` of an assertion that nothing has verified yet; raises `InvalidClient` when there is none."""
    if len(assertion) > LONGEST_ASSERTION:
        raise InvalidClient(detail="assertion too long")
    try:
        unverified_claims = _claims_of(jws.extract_compact(assertion.encode("ascii")).payload)
    except (JoseError, ValueError, TypeError, RecursionError):
        raise InvalidClient(detail="assertion cannot be read") from None
    subject = unverified_claims.get("sub")
    if not isinstance(subject, str):
        raise InvalidClient(detail="assertion has no sub")
    return subject


def _verify(assertion: str, jwks: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Try the key that `kid` names, or each of the fitting kind when there is none."""
    kid = jws.extract_compact(assertion.encode()).headers().get("kid")
    for key in KeySet.import_key_set({"keys": list(jwks["keys"])}).keys:
        if kid is not None and key.kid != kid:
            continue
        try:
            return _claims_of(jws.deserialize_compact(assertion, key, algorithms=ALGORITHMS).payload)
        except JoseError:
            continue
    return None


def _numeric_date(value: object) -> float | None:
    """Give a NumericDate (RFC 7519 2), or None for what is none."""
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not -LATEST < value < LATEST:
        return None
    return float(value)


def _claims_of(payload: bytes) -> Mapping[str, Any]:
    claims = json.loads(payload)
    if not isinstance(claims, dict):
        raise TypeError("claims are not an object")
    return claims
