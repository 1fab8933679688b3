"""Tokens: minted for a redeemed code, a refresh or a client of its own, and what a portal may learn by them."""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, select

from idp.config import Config
from idp.errors import InvalidGrant, InvalidScope
from idp.identity import assurance
from idp.identity.accounts import ACCOUNT_COLUMNS, STANDING_COLUMNS, WITH_DATA, Accounts, Standing, standing_of
from idp.protocol import claims
from idp.protocol.access_tokens import AccessToken, AccessTokens
from idp.protocol.authorization_codes import CodeRecord
from idp.protocol.clients import Client
from idp.protocol.grant_rows import GRANT_COLUMNS, Grant, LiveGrant, read_grant
from idp.protocol.grants import Grants
from idp.protocol.signing_keys import SigningKeys
from idp.safety.audit import Audit
from idp.storage.db import Database
from idp.storage.statements import Statement, database_now
from idp.storage.tables import accounts as accounts_table
from idp.storage.tables import grants as grants_table

_PERSON_BEHIND = Statement(
    select(*GRANT_COLUMNS, *ACCOUNT_COLUMNS, *STANDING_COLUMNS, database_now().label("now"))
    .select_from(WITH_DATA.join(grants_table, grants_table.c.account_id == accounts_table.c.id))
    .where(grants_table.c.id == bindparam("grant_id"), grants_table.c.revoked_at.is_(None))
)
_NOW = Statement(select(database_now().label("now")))


@dataclass(frozen=True)
class TokenResponse:
    """The body of a successful token response (RFC 6749 5.1, OpenID Connect Core 3.1.3.3)."""

    access_token: str
    expires_in: int
    scope: str
    id_token: str | None = None
    refresh_token: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Give the JSON object."""
        body = {key: value for key, value in vars(self).items() if value is not None}
        return {"token_type": "Bearer", **body}

    def __repr__(self) -> str:
        """Hide the tokens."""
        return "TokenResponse(...)"


class Tokens:
    """Mints tokens and reads access tokens back."""

    def __init__(
        self,
        *,
        config: Config,
        database: Database,
        accounts: Accounts,
        grants: Grants,
        access_tokens: AccessTokens,
        signing_keys: SigningKeys,
        audit: Audit,
    ) -> None:
        """Take the lifetimes and the level table from `config`."""
        self._issuer = config.issuer
        self._settings = config.tokens
        self._assurance = config.assurance
        self._database = database
        self._accounts = accounts
        self._grants = grants
        self._access_tokens = access_tokens
        self._signing_keys = signing_keys
        self._audit = audit

    def mint(self, record: CodeRecord, client: Client) -> TokenResponse:
        """Open the grant of a redeemed code and give its tokens; raises `InvalidGrant` when it was revoked meanwhile."""
        opened, refresh_token = self._grants.open(record.grant, with_refresh_token="refresh_token" in client.grant_types)
        return self._respond(opened, client, refresh_token, nonce=record.nonce)

    def refresh(self, refresh_token: str, client: Client, scope: str | None) -> TokenResponse:
        """Give new tokens for a refresh token (RFC 6749 6). The level is computed anew; below the client's minimum the family ends."""
        scopes = None
        if scope is not None:  # a wish for too much is refused before the token is spent
            scopes = _narrowed(self._grants.granted_scopes(refresh_token, client), scope)
        taken, successor = self._grants.refresh(refresh_token, client)
        return self._respond(taken, client, successor, scopes=scopes)

    def for_client(self, client: Client, scope: str | None) -> TokenResponse:
        """Give a client an access token of its own (RFC 6749 4.4): no person, no ID token, no refresh token. Raises `InvalidScope`."""
        scopes = client.machine_scopes if scope is None else _narrowed(client.machine_scopes, scope)
        now = self._audit.client_token_issued(client.client_id, scopes=scopes)
        token = self._access_tokens.make(self._said(now, client_id=client.client_id, scopes=scopes))
        return TokenResponse(token, self._lifetime, " ".join(scopes))

    def userinfo_claims(self, value: str) -> tuple[str, dict[str, Any]] | None:
        """Give the client of an access token and the UserInfo claims (OpenID Connect Core 5.3.2).

        None when the token is not ours, has expired, is of no person, or its grant or account has ended.
        """
        token = self._access_tokens.find(value)
        if token is None or token.grant_id is None:
            return None
        rows = self._database.run(_PERSON_BEHIND, grant_id=token.grant_id)
        standing = standing_of(rows)
        if standing is None or not token.is_live(now := self._database.instant(rows[0].now)):
            return None
        grant = _narrowed_by(read_grant(rows[0]), token)
        if not standing.admits(grant.generation) or "openid" not in grant.scopes:
            return None
        levels = (self._proofing(standing, now), grant.authentication_level)
        account = self._accounts.read(rows[0])
        known = claims.for_client(account, scopes=grant.scopes, named=grant.claims_userinfo, levels=levels)
        return grant.client_id, {"sub": grant.sub, **known}

    def find_live(self, value: str) -> tuple[AccessToken, LiveGrant | None] | None:
        """Give what a live access token says, with its grant where it has one; None when it, its grant or its account has ended."""
        token = self._access_tokens.find(value)
        if token is None:
            return None
        if token.grant_id is None:
            return (token, None) if token.is_live(self._database.instant(self._database.run(_NOW)[0].now)) else None
        live = self._grants.find_live(token.grant_id)
        if live is None or not token.is_live(live.now) or not live.standing.admits(live.grant.generation):
            return None
        return token, replace(live, grant=_narrowed_by(live.grant, token))

    def acr_today(self, live: LiveGrant) -> str:
        """Give the level that the grant's tokens have today."""
        return assurance.acr(self._assurance.acr_prefix, self._proofing(live.standing, live.now), live.grant.authentication_level)

    def _proofing(self, standing: Standing, now: datetime) -> int:
        return assurance.proofing_level(standing.evidence, self._assurance.proofing_levels, now)

    def _check_level(self, live: LiveGrant, client: Client) -> None:
        """Hold the grant to today's evidence: a locked account, or a level below the client's minimum, ends it. Raises `InvalidGrant`."""
        proofing = self._proofing(live.standing, live.now)
        if not live.standing.admits(live.grant.generation):
            detail = "account locked or gone, or its sessions were ended"
        elif min(proofing, live.grant.authentication_level) < client.minimum_level or proofing < client.minimum_proofing:
            detail = "level below the client's minimum"
        else:
            return
        self._grants.revoke(live.grant.id, reason="level_fell", client_id=client.client_id)
        raise InvalidGrant(detail=detail)

    def _respond(
        self,
        live: LiveGrant,
        client: Client,
        refresh_token: str | None,
        *,
        nonce: str | None = None,
        scopes: tuple[str, ...] | None = None,
    ) -> TokenResponse:
        """Make the tokens of a grant that stands; nothing is stored any more, so nothing can be half given."""
        self._check_level(live, client)
        access_token = self._access_tokens.make(self._said(live.now, grant_id=live.grant.id, scopes=scopes))
        granted = scopes or live.grant.scopes
        return TokenResponse(
            access_token=access_token,
            expires_in=self._lifetime,
            scope=" ".join(granted),
            id_token=self._id_token(live, client, access_token, nonce) if "openid" in granted else None,
            refresh_token=refresh_token,
        )

    @property
    def _lifetime(self) -> int:
        return int(self._settings.access_token_lifetime.total_seconds())

    def _said(
        self, now: datetime, *, grant_id: str | None = None, client_id: str | None = None, scopes: tuple[str, ...] | None
    ) -> AccessToken:
        issued_at = _seconds(now)
        return AccessToken(grant_id, client_id, scopes, issued_at, issued_at + self._lifetime)

    def _id_token(self, live: LiveGrant, client: Client, access_token: str, nonce: str | None) -> str:
        """Sign the ID token (OpenID Connect Core 2), kept minimal: personal claims go by UserInfo unless asked for here by name."""
        grant = live.grant
        token: dict[str, Any] = {
            "iss": self._issuer,
            "sub": grant.sub,
            "aud": client.client_id,
            "exp": _seconds(live.now + self._settings.id_token_lifetime),
            "iat": _seconds(live.now),
            "auth_time": grant.auth_time,
            "acr": self.acr_today(live),
            "amr": list(grant.amr),
            "sid": grant.sid,
            "at_hash": _at_hash(access_token),
            **self._named_claims(grant),
        }
        if nonce is not None:
            token["nonce"] = nonce
        return self._signing_keys.sign(token, algorithm=client.id_token_algorithm)

    def _named_claims(self, grant: Grant) -> Mapping[str, Any]:
        if not grant.claims_id_token:
            return {}
        account = self._accounts.find(grant.account_id)
        levels = (0, grant.authentication_level)
        named = set(grant.claims_id_token) - {"proofing_level"}
        return claims.for_client(account, scopes=(), named=named, levels=levels) if account else {}


def _narrowed(granted: tuple[str, ...], scope: str) -> tuple[str, ...]:
    """Give the scopes that a request names, in its order: never more than `granted` (RFC 6749 6)."""
    wanted = tuple(dict.fromkeys(scope.split(" ")))
    if not set(wanted) <= set(granted):
        raise InvalidScope("the scope exceeds what was granted")
    return wanted


def _narrowed_by(grant: Grant, token: AccessToken) -> Grant:
    """Give the grant as far as the token may use it; with fewer scopes, claims asked for by name are kept to those of them."""
    if token.scopes is None:
        return grant
    named = tuple(name for name in grant.claims_userinfo if claims.SCOPE_OF_CLAIM.get(name) in token.scopes)
    return replace(grant, scopes=token.scopes, claims_userinfo=named)


def _at_hash(access_token: str) -> str:
    """Give the left half of the token's SHA-256, as both served algorithms end in 256 (OpenID Connect Core 3.1.3.6)."""
    digest = hashlib.sha256(access_token.encode("ascii")).digest()
    return base64.urlsafe_b64encode(digest[:16]).rstrip(b"=").decode()


def _seconds(instant: datetime) -> int:
    return int(instant.timestamp())
