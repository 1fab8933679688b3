"""A portal that speaks by Authlib's client for `requests`, with the checks that Authlib leaves to a portal."""

from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from authlib.common.errors import AuthlibBaseError
from authlib.common.security import generate_token
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.jwk import KeySet

from tests.interop.person import Arrival
from tests.interop.portals import REDIRECT_URI, SCOPE, SIGNED_OUT_URI, Received, Refused, Registered

DISCOVERY = "/.well-known/openid-configuration"


class AuthlibPortal:
    """Uses `OAuth2Session` as its documentation shows."""

    def __init__(self, registered: Registered, certificate: Path) -> None:
        kind = registered.kind
        self._registered = registered
        self._session = OAuth2Session(
            client_id=registered.client_id,
            client_secret=registered.key or registered.client_secret,
            token_endpoint_auth_method=kind.auth_method,
            scope=SCOPE,
            redirect_uri=REDIRECT_URI,
            code_challenge_method="S256",
        )
        self._session.verify = str(certificate)
        self._session.trust_env = False
        self.metadata: dict[str, Any] = self._session.get(registered.issuer + DISCOVERY, withhold_token=True).json()
        self._keys = KeySet.import_key_set(self._session.get(self.metadata["jwks_uri"], withhold_token=True).json())
        if kind.auth_method == "private_key_jwt":
            self._session.register_client_auth_method(PrivateKeyJWT(self.metadata["token_endpoint"], alg=kind.assertion_alg))
        self._state = self._nonce = self._verifier = ""
        self._last: Received | None = None

    def begin(self, **parameters: str) -> str:
        """Give the address to send a person to."""
        mode = {} if self._registered.kind.response_mode == "query" else {"response_mode": self._registered.kind.response_mode}
        self._nonce, self._verifier = generate_token(30), generate_token(48)
        url, self._state = self._session.create_authorization_url(
            self.metadata["authorization_endpoint"], code_verifier=self._verifier, nonce=self._nonce, **mode, **parameters
        )
        return str(url)

    def finish(self, arrival: Arrival) -> Received:
        """Take the person's return: Authlib checks `state`; to look at `iss` (RFC 9207 2.4) and for an error is left to the portal."""
        if arrival.parameters.get("iss") != self._registered.issuer:
            raise Refused("iss")
        if "error" in arrival.parameters:
            assert arrival.parameters["state"] == self._state
            raise Refused("the authorization was refused", arrival.parameters["error"])
        # Authlib reads an answer from an address; a posted form is the same parameters (Form Post Response Mode 2).
        answer = arrival.url if arrival.form is None else f"{arrival.url}?{urlencode(arrival.form)}"
        try:
            tokens = self._session.fetch_token(
                self.metadata["token_endpoint"], authorization_response=answer, state=self._state, code_verifier=self._verifier
            )
        except AuthlibBaseError as error:
            raise Refused(str(error), error.error) from None
        return self._received(tokens, nonce=self._nonce)

    def userinfo(self) -> dict[str, Any]:
        """Give the UserInfo claims."""
        response = self._session.get(self.metadata["userinfo_endpoint"])
        if not response.ok:
            raise Refused(response.headers["WWW-Authenticate"])
        claims: dict[str, Any] = response.json()
        if self._last is None or claims["sub"] != self._last.claims["sub"]:
            raise Refused("sub")
        return claims

    def refresh(self, refresh_token: str) -> Received:
        """Give new tokens."""
        try:
            tokens = self._session.refresh_token(self.metadata["token_endpoint"], refresh_token=refresh_token)
        except AuthlibBaseError as error:
            raise Refused(str(error), error.error) from None
        return self._received(tokens, nonce=None)

    def sign_out(self, state: str) -> str:
        """Give the address that signs the person out and brings them back."""
        assert self._last
        parameters = {"id_token_hint": self._last.id_token, "post_logout_redirect_uri": SIGNED_OUT_URI, "state": state}
        return f"{self.metadata['end_session_endpoint']}?{urlencode(parameters)}"

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def _received(self, tokens: dict[str, Any], *, nonce: str | None) -> Received:
        """Check the ID token by the provider's keys and Authlib's own rules (OpenID Connect Core 3.1.3.7)."""
        token = jwt.decode(tokens["id_token"], self._keys, algorithms=[self._registered.kind.id_token_alg])
        options = {"iss": {"essential": True, "value": self.metadata["issuer"]}, "aud": {"value": self._registered.client_id}}
        params = {"client_id": self._registered.client_id, "nonce": nonce, "access_token": tokens["access_token"]}
        claims = CodeIDToken(token.claims, token.header, options, params)
        claims.validate()
        self._last = Received(dict(claims), tokens["access_token"], tokens["id_token"], tokens["refresh_token"], tokens["scope"])
        return self._last
