"""Tokens: minted for a redeemed code or a refresh, opaque to portals except for the signed ID token."""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection

from idp.clock import Clock
from idp.config import Config
from idp.errors import InvalidGrant, InvalidScope
from idp.identity import assurance
from idp.identity.accounts import Accounts, Standing
from idp.protocol import claims
from idp.protocol.authorization_codes import CodeRecord
from idp.protocol.clients import Client
from idp.protocol.grants import Grant, Grants
from idp.protocol.signing_keys import SigningKeys
from idp.safety.sealed_store import SealedStore
from idp.values import from_json, new_secret

KIND = "access_token"
LONGEST_TOKEN = 128


@dataclass(frozen=True)
class AccessToken:
    """What an opaque access token stands for."""

    grant_id: str
    account_id: str
    client_id: str
    sub: str
    scopes: tuple[str, ...]
    claims_userinfo: tuple[str, ...]
    authentication_level: int


@dataclass(frozen=True)
class TokenResponse:
    """The body of a successful token response (RFC 6749 5.1, OpenID Connect Core 3.1.3.3)."""

    access_token: str
    expires_in: int
    id_token: str
    scope: str
    refresh_token: str | None

    def as_dict(self) -> dict[str, Any]:
        """Give the JSON object."""
        body = {key: value for key, value in asdict(self).items() if value is not None}
        return {"token_type": "Bearer", **body}

    def __repr__(self) -> str:
        """Hide the tokens."""
        return "TokenResponse(...)"


@dataclass(frozen=True)
class Minted:
    """What an answer is made of: the grant, today's level, and an access token that is stored and nobody knows yet."""

    grant: Grant
    acr: str
    access_token: str
    nonce: str | None = None

    def __repr__(self) -> str:
        """Hide the token."""
        return f"Minted({self.grant.id})"


class LevelFell(InvalidGrant):
    """The account behind a grant is locked, or no longer reaches what the client demands."""

    def __init__(self, grant_id: str, detail: str) -> None:
        """Name the grant, which ends."""
        super().__init__(detail=detail)
        self.grant_id = grant_id


class Tokens:
    """Mints tokens and reads access tokens back."""

    def __init__(
        self,
        *,
        config: Config,
        store: SealedStore,
        clock: Clock,
        accounts: Accounts,
        grants: Grants,
        signing_keys: SigningKeys,
    ) -> None:
        """Take the lifetimes and the level table from `config`."""
        self._store = store
        self._clock = clock
        self._issuer = config.issuer
        self._settings = config.tokens
        self._assurance = config.assurance
        self._accounts = accounts
        self._grants = grants
        self._signing_keys = signing_keys

    def mint(self, record: CodeRecord, client: Client) -> TokenResponse:
        """Open the grant of a redeemed code and give its tokens; raises `InvalidGrant` when it was revoked meanwhile."""
        acr = self._acr_today(record.grant, client, self._accounts.standing(record.grant.account_id))
        refresh_token = self._grants.open(record.grant, with_refresh_token="refresh_token" in client.grant_types)
        minted = Minted(record.grant, acr, self._store_access_token(record.grant), record.nonce)
        return self._respond(minted, client, refresh_token)

    def refresh(self, refresh_token: str, client: Client, scope: str | None) -> TokenResponse:
        """Give new tokens for a refresh token (RFC 6749 6). The level is computed anew; below the client's minimum the family ends."""

        def prepare(tx: Connection, grant: Grant) -> Minted:
            acr = self._acr_today(grant, client, self._accounts.standing(grant.account_id, tx=tx))
            narrowed = _narrowed(grant, scope)
            return Minted(narrowed, acr, self._store_access_token(narrowed))

        try:
            minted, successor = self._grants.refresh(refresh_token, client, prepare=prepare)
        except LevelFell as error:
            self._grants.revoke(error.grant_id, reason="level_fell", client_id=client.client_id)
            raise
        return self._respond(minted, client, successor)

    def find_access_token(self, token: str) -> AccessToken | None:
        """Give what a live access token stands for, or None. Its grant may be revoked: `userinfo_claims` asks."""
        value = self._store.get(KIND, token) if len(token) <= LONGEST_TOKEN else None
        return AccessToken(**from_json(value)) if value is not None else None

    def userinfo_claims(self, token: AccessToken) -> dict[str, Any] | None:
        """Give the UserInfo claims (OpenID Connect Core 5.3.2), or None when the grant or the account has ended."""
        grant = self._grants.find_live(token.grant_id)
        account = self._accounts.find(token.account_id)
        standing = self._accounts.standing(token.account_id)
        if grant is None or account is None or standing is None or not standing.admits(_instant(grant.auth_time)):
            return None
        proofing = assurance.proofing_level(standing.evidence, self._assurance.proofing_levels, self._clock.now())
        levels = (proofing, token.authentication_level)
        return {"sub": token.sub, **claims.for_client(account, scopes=token.scopes, named=token.claims_userinfo, levels=levels)}

    def _acr_today(self, grant: Grant, client: Client, standing: Standing | None) -> str:
        """Compute the level from today's evidence; raises `LevelFell` for an account that is locked, or below the client's minimum."""
        if standing is None or not standing.admits(_instant(grant.auth_time)):
            raise LevelFell(grant.id, "account locked or gone, or its sessions were ended")
        proofing = assurance.proofing_level(standing.evidence, self._assurance.proofing_levels, self._clock.now())
        if min(proofing, grant.authentication_level) < client.minimum_level or proofing < client.minimum_proofing:
            raise LevelFell(grant.id, "level below the client's minimum")
        return assurance.acr(self._assurance.acr_prefix, proofing, grant.authentication_level)

    def _store_access_token(self, grant: Grant) -> str:
        access_token = new_secret()
        stands_for = AccessToken(
            grant_id=grant.id,
            account_id=grant.account_id,
            client_id=grant.client_id,
            sub=grant.sub,
            scopes=grant.scopes,
            claims_userinfo=grant.claims_userinfo,
            authentication_level=grant.authentication_level,
        )
        self._store.put(KIND, access_token, asdict(stands_for), self._settings.access_token_lifetime)
        return access_token

    def _respond(self, minted: Minted, client: Client, refresh_token: str | None) -> TokenResponse:
        return TokenResponse(
            access_token=minted.access_token,
            expires_in=int(self._settings.access_token_lifetime.total_seconds()),
            id_token=self._id_token(minted, client),
            scope=" ".join(minted.grant.scopes),
            refresh_token=refresh_token,
        )

    def _id_token(self, minted: Minted, client: Client) -> str:
        """Sign the ID token (OpenID Connect Core 2), kept minimal: personal claims go by UserInfo unless asked for here by name."""
        grant, now = minted.grant, self._clock.now()
        token: dict[str, Any] = {
            "iss": self._issuer,
            "sub": grant.sub,
            "aud": client.client_id,
            "exp": _seconds(now + self._settings.id_token_lifetime),
            "iat": _seconds(now),
            "auth_time": grant.auth_time,
            "acr": minted.acr,
            "amr": list(grant.amr),
            "sid": grant.sid,
            "at_hash": _at_hash(minted.access_token),
            **self._named_claims(grant),
        }
        if minted.nonce is not None:
            token["nonce"] = minted.nonce
        return self._signing_keys.sign(token, algorithm=client.id_token_algorithm)

    def _named_claims(self, grant: Grant) -> Mapping[str, Any]:
        if not grant.claims_id_token:
            return {}
        account = self._accounts.find(grant.account_id)
        levels = (0, grant.authentication_level)
        named = set(grant.claims_id_token) - {"proofing_level"}
        return claims.for_client(account, scopes=(), named=named, levels=levels) if account else {}


def _narrowed(grant: Grant, scope: str | None) -> Grant:
    """Give the grant with the scope that a refresh asks for: never more than was granted (RFC 6749 6)."""
    if scope is None:
        return grant
    wanted = tuple(dict.fromkeys(scope.split(" ")))
    if not set(wanted) <= set(grant.scopes) or "openid" not in wanted:
        raise InvalidScope("the scope exceeds what was granted")
    return replace(grant, scopes=wanted)


def _at_hash(access_token: str) -> str:
    """Give the left half of the token's SHA-256, as both served algorithms end in 256 (OpenID Connect Core 3.1.3.6)."""
    digest = hashlib.sha256(access_token.encode("ascii")).digest()
    return base64.urlsafe_b64encode(digest[:16]).rstrip(b"=").decode()


def _instant(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _seconds(instant: datetime) -> int:
    return int(instant.timestamp())
