"""A provider that answers a portal as a test asks, honestly or not; it is no part of the product."""

import base64
import hashlib
import time
from dataclasses import dataclass, field
from typing import Any

from flask import Flask, redirect, request
from flask.typing import ResponseReturnValue
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet
from werkzeug.datastructures import MultiDict

CLIENT_ID, CLIENT_SECRET, SUBJECT, CODE = "portal-1", "portal-secret", "person-1", "code-1"


@dataclass
class FakeProvider:
    """What the provider is like, and what it was asked."""

    address: str = ""
    level: int = 2
    authorize_error: str = ""
    response_issuer: str = ""
    id_claims: dict[str, Any] = field(default_factory=dict)
    userinfo: dict[str, Any] = field(default_factory=dict)
    userinfo_status: int = 200
    asked: MultiDict[str, str] = field(default_factory=MultiDict)
    token_request: MultiDict[str, str] = field(default_factory=MultiDict)
    token_authorization: str = ""
    signing_key: ECKey = field(default_factory=lambda: ECKey.generate_key("P-256", {"kid": "k1", "alg": "ES256", "use": "sig"}))
    published_key: ECKey | None = None

    def app(self) -> Flask:
        """Give the program."""
        app = Flask("fake_provider")
        app.add_url_rule("/.well-known/openid-configuration", view_func=self.discovery)
        app.add_url_rule("/jwks", view_func=self.jwks)
        app.add_url_rule("/authorize", view_func=self.authorize)
        app.add_url_rule("/token", view_func=self.token, methods=["POST"])
        app.add_url_rule("/userinfo", view_func=self.tell_userinfo)
        return app

    def discovery(self) -> ResponseReturnValue:
        return {
            "issuer": self.address,
            "jwks_uri": f"{self.address}/jwks",
            "id_token_signing_alg_values_supported": ["ES256"],
            **{f"{name}_endpoint": f"{self.address}/{name}" for name in ("authorization", "token", "userinfo", "end_session")},
            "authorization_endpoint": f"{self.address}/authorize",
        }

    def jwks(self) -> ResponseReturnValue:
        return KeySet([self.published_key or self.signing_key]).as_dict(private=False)

    def authorize(self) -> ResponseReturnValue:
        self.asked = request.args
        answer = f"error={self.authorize_error}&error_description=no" if self.authorize_error else f"code={CODE}"
        issuer = self.response_issuer or self.address
        return redirect(f"{self.asked['redirect_uri']}?{answer}&state={self.asked['state']}&iss={issuer}", 303)

    def token(self) -> ResponseReturnValue:
        self.token_request, self.token_authorization = request.form, request.headers.get("Authorization", "")
        return {"access_token": "access-1", "token_type": "Bearer", "expires_in": 600, "id_token": self._id_token()}

    def tell_userinfo(self) -> ResponseReturnValue:
        claims = {"sub": SUBJECT, "name": "Đặng Thị Ứng", "phone_number": "+84912345678", "proofing_level": 2, **self.userinfo}
        return claims, self.userinfo_status

    def _id_token(self) -> str:
        now = int(time.time())
        claims = {
            "iss": self.address,
            "sub": SUBJECT,
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + 600,
            "nonce": self.asked["nonce"],
            "acr": f"urn:senid:loa:{self.level}",
            "amr": ["pwd", "sms", "mfa"],
            **self.id_claims,
        }
        return jwt.encode({"alg": "ES256", "kid": "k1"}, claims, self.signing_key)

    def code_verifier_fits(self) -> bool:
        """Tell whether the token request's verifier is that of the challenge (RFC 7636 4.6)."""
        digest = hashlib.sha256(self.token_request["code_verifier"].encode()).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == self.asked["code_challenge"]
