"""Signing out: the verified request of a portal, and the one verb that ends a session with everything that stands on it."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta

from idp.errors import InvalidLogoutRequest
from idp.identity.sessions import Session, Sessions
from idp.protocol.clients import Client, Clients
from idp.protocol.grants import Grants
from idp.protocol.signing_keys import SigningKeys
from idp.safety.audit import Audit
from idp.safety.sealed_store import SealedStore
from idp.storage.db import Database
from idp.values import new_secret

KIND = "logout"
LIFETIME = timedelta(minutes=15)
LONGEST_STATE = 2048


@dataclass(frozen=True)
class LogoutRequest:
    """A portal's wish to sign its person out (OpenID Connect RP-Initiated Logout 1.0, 2).

    `post_logout_redirect_uri` is there only when a valid hint and an exact registration prove it. `sid` is the
    session that the hint names; when it is this browser's, nobody needs to be asked.
    """

    client_id: str | None = None
    post_logout_redirect_uri: str | None = None
    state: str | None = None
    sid: str | None = None
    sub: str | None = None


class Logout:
    """Reads logout requests, keeps them while the person is asked, and ends sessions."""

    def __init__(
        self,
        *,
        store: SealedStore,
        database: Database,
        sessions: Sessions,
        grants: Grants,
        clients: Clients,
        signing_keys: SigningKeys,
        audit: Audit,
        issuer: str,
    ) -> None:
        """Accept hints that `issuer` signed."""
        self._store = store
        self._database = database
        self._sessions = sessions
        self._grants = grants
        self._clients = clients
        self._signing_keys = signing_keys
        self._audit = audit
        self._issuer = issuer

    def read(self, parameters: Mapping[str, str]) -> LogoutRequest:
        """Check a logout request; raises `InvalidLogoutRequest`. A hint may be expired, never forged (RP-Initiated Logout 2, 4)."""
        hint = self._verified_hint(parameters.get("id_token_hint"))
        client = self._client_of(hint, parameters.get("client_id"))
        wanted = parameters.get("post_logout_redirect_uri")
        if wanted is not None and (client is None or wanted not in client.post_logout_redirect_uris):
            raise InvalidLogoutRequest("post_logout_redirect_uri is not registered")
        state = parameters.get("state")
        if state is not None and len(state) > LONGEST_STATE:
            raise InvalidLogoutRequest("state is too long")
        # Without a hint nothing proves that the portal asks, so nobody is sent anywhere.
        proven = wanted if hint else None
        return LogoutRequest(client.client_id if client else None, proven, state, _text(hint, "sid"), _text(hint, "sub"))

    def concerns(self, request: LogoutRequest, session: Session | None) -> bool:
        """Tell whether the hint names this very session, so that the portal has proven whom it signs out."""
        if session is None or request.client_id is None or request.sid is None:
            return False
        return request.sid == sid_of(session.id, request.client_id)

    def open(self, request: LogoutRequest) -> str:
        """Keep a request while the person is asked; gives its identifier."""
        logout_id = new_secret()
        self._store.put(KIND, logout_id, asdict(request), LIFETIME)
        return logout_id

    def get(self, logout_id: str) -> LogoutRequest | None:
        """Give a kept request, or None when it is unknown or expired."""
        value = self._store.get(KIND, logout_id)
        return LogoutRequest(**value) if value else None

    def close(self, logout_id: str) -> None:
        """Forget a kept request."""
        self._store.drop(KIND, logout_id)

    def end(self, session: Session, *, reason: str) -> None:
        """End a session: a code on its way gives nothing any more, what was granted is revoked, and the cookie is worthless.

        The cookie goes last: when the database is away the session lives on, and signing out can be tried again.
        """
        self._grants.forbid(session.id)
        with self._database.transaction() as tx:
            self._grants.revoke_session(tx, session.id, reason=reason)
            self._audit.session_ended(session.account_id, session_id=session.id, reason=reason, tx=tx)
        self._sessions.drop(session)

    def _verified_hint(self, hint: str | None) -> Mapping[str, object] | None:
        if hint is None:
            return None
        claims = self._signing_keys.verify(hint)
        if claims is None or claims.get("iss") != self._issuer:
            raise InvalidLogoutRequest("id_token_hint is not ours")
        return claims

    def _client_of(self, hint: Mapping[str, object] | None, client_id: str | None) -> Client | None:
        audience = hint.get("aud") if hint else None
        if client_id is not None and audience is not None and client_id != audience:
            raise InvalidLogoutRequest("client_id is not the audience of id_token_hint")
        name = audience or client_id
        return self._clients.find(name) if isinstance(name, str) else None


def sid_of(session_id: str, client_id: str) -> str:
    """Give the `sid` by which a client knows a session: stable, and different at every client (Back-Channel Logout 1.0, 2.1)."""
    return hashlib.sha256(f"sid {session_id} {client_id}".encode()).hexdigest()[:32]


def _text(claims: Mapping[str, object] | None, name: str) -> str | None:
    value = claims.get(name) if claims else None
    return value if isinstance(value, str) else None
