"""The documents that tell a portal's software how to talk to us: discovery and the public keys."""

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from idp.config import Config
from idp.edge.messages import Request, Response
from idp.protocol.authorization_requests import PROMPTS, RESPONSE_MODES
from idp.protocol.claims import CLAIMS_OF_SCOPE
from idp.protocol.client_assertions import ALGORITHMS as ASSERTION_ALGORITHMS
from idp.protocol.clients import AUTH_METHODS
from idp.protocol.signing_keys import ALGORITHMS, SigningKeys
from idp.protocol.steps import REACHABLE_AUTHENTICATION

DISCOVERY_CACHE = ("Cache-Control", "public, max-age=3600")
JWKS_CACHE = ("Cache-Control", "public, max-age=900, stale-while-revalidate=900, stale-if-error=86400")
# Nothing fills these yet, and what is advertised has to be there (OpenID Connect Discovery 3).
_EMPTY_SCOPES = frozenset({"address", "organisation"})


@dataclass(frozen=True)
class Discovery:
    """The handlers of `/.well-known/openid-configuration` and `/jwks`. The document is made once, as bytes."""

    document: bytes
    signing_keys: SigningKeys

    @classmethod
    def of(cls, config: Config, signing_keys: SigningKeys) -> "Discovery":
        """Build the document from the configuration."""
        return cls(json.dumps(metadata(config), separators=(",", ":")).encode(), signing_keys)

    def show(self, request: Request) -> Response:
        """Give the discovery document (OpenID Connect Discovery 4)."""
        return _cached(request, self.document, "application/json", DISCOVERY_CACHE)

    def jwks(self, request: Request) -> Response:
        """Give the public keys (RFC 7517 5)."""
        return _cached(request, self.signing_keys.jwks(), "application/jwk-set+json", JWKS_CACHE)


def metadata(config: Config) -> dict[str, Any]:
    """Give the metadata of OpenID Connect Discovery 3, RFC 8414 2 and RFC 9207 3; only what is really served."""
    issuer = config.issuer
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/authorize",
        "token_endpoint": f"{issuer}/token",
        "userinfo_endpoint": f"{issuer}/userinfo",
        "introspection_endpoint": f"{issuer}/introspect",
        "jwks_uri": f"{issuer}/jwks",
        "end_session_endpoint": f"{issuer}/end_session",
        "scopes_supported": [*(scope for scope in CLAIMS_OF_SCOPE if scope not in _EMPTY_SCOPES), "offline_access"],
        "response_types_supported": ["code"],
        "response_modes_supported": list(RESPONSE_MODES),
        "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
        "acr_values_supported": [f"{config.assurance.acr_prefix}{level}" for level in range(1, REACHABLE_AUTHENTICATION + 1)],
        "subject_types_supported": ["pairwise", "public"],
        "id_token_signing_alg_values_supported": list(ALGORITHMS),
        "token_endpoint_auth_methods_supported": list(AUTH_METHODS),
        "token_endpoint_auth_signing_alg_values_supported": ASSERTION_ALGORITHMS,
        "introspection_endpoint_auth_methods_supported": [method for method in AUTH_METHODS if method != "none"],
        "introspection_endpoint_auth_signing_alg_values_supported": ASSERTION_ALGORITHMS,
        "code_challenge_methods_supported": ["S256"],
        "claim_types_supported": ["normal"],
        "claims_supported": _claims(),
        "claims_parameter_supported": True,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
        # Present without "none", so that unsigned request objects are known to be refused.
        "request_object_signing_alg_values_supported": ["RS256", "ES256"],
        "prompt_values_supported": list(PROMPTS),
        "ui_locales_supported": ["vi", "en"],
        "authorization_response_iss_parameter_supported": True,
    }


def _claims() -> list[str]:
    of_scopes = [claim for scope, claims in CLAIMS_OF_SCOPE.items() if scope not in _EMPTY_SCOPES for claim in claims]
    return [*of_scopes, "iss", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "sid", "at_hash"]


def _cached(request: Request, body: bytes, content_type: str, cache: tuple[str, str]) -> Response:
    """Answer 304 to whoever has these very bytes (RFC 9110 13.1.2)."""
    etag = _etag(body)
    if request.headers.get("if-none-match") == etag:
        return Response(304, (("ETag", etag), cache))
    return Response(200, (("Content-Type", content_type), ("ETag", etag), cache), body)


@lru_cache(maxsize=8)
def _etag(body: bytes) -> str:
    return f'"{hashlib.sha256(body).hexdigest()[:16]}"'
