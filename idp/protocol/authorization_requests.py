"""The authorization request, checked: an ordered list of small checks, each with its specification."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast, get_args

from idp.errors import (
    LoginRequired,
    RegistrationNotSupported,
    RequestNotSupported,
    RequestUriNotSupported,
    ReturnedInvalidRequest,
    ReturnedInvalidScope,
    ReturnedUnsupportedResponseType,
)
from idp.protocol.claims import SCOPE_OF_CLAIM
from idp.protocol.clients import SCOPES, Client
from idp.protocol.interactions import AuthorizationRequest, ClaimsRequest, ResponseMode
from idp.protocol.signing_keys import SigningKeys
from idp.protocol.subjects import Subjects

PROMPTS = ("none", "login", "consent", "select_account")
RESPONSE_MODES: tuple[str, ...] = get_args(ResponseMode)
LONGEST_STATE = 2048
LONGEST_NONCE = 1024
MOST_ACR_VALUES = 20
_CHALLENGE = re.compile(r"[A-Za-z0-9\-._~]{43,128}")
_SCOPE_TOKEN = re.compile(r"[\x21\x23-\x5B\x5D-\x7E]+")
_VSCHARS = re.compile(r"[\x20-\x7E]+")


@dataclass(frozen=True)
class AuthorizationRequests:
    """Reads authorization requests of clients whose `redirect_uri` is proven; every problem is a `ReturnedError`."""

    signing_keys: SigningKeys
    subjects: Subjects
    issuer: str

    def read(self, parameters: Mapping[str, str], client: Client) -> AuthorizationRequest:
        """Give the request after every check, in order."""
        check_request_objects(parameters)
        check_response_type(parameters, client)
        check_pkce(parameters, client)
        check_text(parameters, "state", LONGEST_STATE)
        check_text(parameters, "nonce", LONGEST_NONCE)
        claims = read_claims(parameters, client)
        return AuthorizationRequest(
            client_id=client.client_id,
            redirect_uri=parameters["redirect_uri"],
            scopes=read_scopes(parameters, client),
            state=parameters.get("state"),
            nonce=parameters.get("nonce"),
            response_mode=read_response_mode(parameters),
            code_challenge=parameters.get("code_challenge"),
            prompt=read_prompt(parameters),
            max_age=read_max_age(parameters),
            acr_values=tuple(parameters.get("acr_values", "").split()[:MOST_ACR_VALUES]),
            login_hint=parameters.get("login_hint", "")[:64] or None,
            hinted_account_id=self._read_id_token_hint(parameters, client) or self._account_of(claims.sub, client),
            claims=claims,
        )

    def _read_id_token_hint(self, parameters: Mapping[str, str], client: Client) -> str | None:
        """Give the account that the hint names. Only a token that we signed, of any age, is a hint (OpenID Connect Core 3.1.2.1)."""
        hint = parameters.get("id_token_hint")
        if hint is None:
            return None
        claims = self.signing_keys.verify(hint)
        if claims is None or claims.get("iss") != self.issuer or claims.get("aud") != client.client_id:
            raise ReturnedInvalidRequest("id_token_hint is not an ID token of this issuer for this client")
        return self._account_of(str(claims.get("sub")), client)

    def _account_of(self, sub: str | None, client: Client) -> str | None:
        """Give the account that the portal wants, and nobody else (OpenID Connect Core 5.5.1)."""
        account_id = self.subjects.account_of(sub, client) if sub is not None else None
        if sub is not None and account_id is None:
            raise LoginRequired("the sub that is asked for is unknown")
        return account_id


def check_request_objects(parameters: Mapping[str, str]) -> None:
    """Refuse request objects, never ignore them (OpenID Connect Core 6.1, 6.2, 7.2.1)."""
    if "request" in parameters:
        raise RequestNotSupported
    if "request_uri" in parameters:
        raise RequestUriNotSupported
    if "registration" in parameters:
        raise RegistrationNotSupported


def check_response_type(parameters: Mapping[str, str], client: Client) -> None:
    """Serve the code flow alone (RFC 6749 4.1.1, RFC 9700 2.1.2)."""
    response_type = parameters.get("response_type")
    if response_type is None:
        raise ReturnedInvalidRequest("response_type is missing")
    if response_type != "code" or "authorization_code" not in client.grant_types:
        raise ReturnedUnsupportedResponseType


def check_pkce(parameters: Mapping[str, str], client: Client) -> None:
    """Demand S256 by the client's policy; `plain` is refused (RFC 7636 4.3, RFC 9700 2.1.1)."""
    challenge, method = parameters.get("code_challenge"), parameters.get("code_challenge_method")
    if challenge is None:
        if method is not None or client.pkce_required:
            raise ReturnedInvalidRequest("code_challenge is missing")
        return
    if method != "S256":
        raise ReturnedInvalidRequest("code_challenge_method must be S256")
    if not _CHALLENGE.fullmatch(challenge):
        raise ReturnedInvalidRequest("code_challenge is malformed")


def check_text(parameters: Mapping[str, str], name: str, longest: int) -> None:
    """Hold `state` and `nonce` to printable ASCII (RFC 6749 A.5) of a bounded length; refuse, never cut."""
    value = parameters.get(name)
    if value is not None and (len(value) > longest or not _VSCHARS.fullmatch(value)):
        raise ReturnedInvalidRequest(f"{name} is too long or holds characters beyond printable ASCII")


def read_scopes(parameters: Mapping[str, str], client: Client) -> tuple[str, ...]:
    """Give the scopes, of which `openid` is one; unknown ones are ignored (OpenID Connect Core 3.1.2.1).

    One that is known but was not given to the client is an error: leaving it out would look as if nobody had the data.
    """
    scopes = tuple(dict.fromkeys(parameters.get("scope", "").split(" ")))
    if "openid" not in scopes:
        raise ReturnedInvalidScope("the scope has to contain openid")
    if not all(_SCOPE_TOKEN.fullmatch(scope) for scope in scopes):
        raise ReturnedInvalidScope("the scope is malformed")
    if refused := sorted(set(scopes) & set(SCOPES) - set(client.scopes)):
        raise ReturnedInvalidScope(f"not allowed to this client: {' '.join(refused)}")
    return tuple(scope for scope in scopes if scope in client.scopes)


def read_response_mode(parameters: Mapping[str, str]) -> ResponseMode:
    """Give how the answer travels (OAuth 2.0 Multiple Response Types 2.1, Form Post 1.0)."""
    mode = parameters.get("response_mode", "query")
    if mode not in RESPONSE_MODES:
        raise ReturnedInvalidRequest("response_mode must be query or form_post")
    return cast("ResponseMode", mode)


def read_prompt(parameters: Mapping[str, str]) -> tuple[str, ...]:
    """Give the prompts; `none` stands alone (OpenID Connect Core 3.1.2.1)."""
    prompts = tuple(dict.fromkeys(parameters.get("prompt", "").split()))
    if not set(prompts) <= set(PROMPTS):
        raise ReturnedInvalidRequest("prompt holds an unknown value")
    if "none" in prompts and len(prompts) > 1:
        raise ReturnedInvalidRequest("prompt none stands alone")
    return prompts


def read_max_age(parameters: Mapping[str, str]) -> int | None:
    """Give the allowed age of the sign-in in seconds."""
    value = parameters.get("max_age")
    if value is None:
        return None
    if not re.fullmatch(r"[0-9]{1,9}", value):
        raise ReturnedInvalidRequest("max_age must be a whole number of seconds")
    return int(value)


def read_claims(parameters: Mapping[str, str], client: Client) -> ClaimsRequest:
    """Give the claims asked for by name that the client may have; unknown members are ignored (OpenID Connect Core 5.5)."""
    raw = parameters.get("claims")
    if raw is None:
        return ClaimsRequest()
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        raise ReturnedInvalidRequest("claims is not JSON") from None
    if not isinstance(value, dict):
        raise ReturnedInvalidRequest("claims is not a JSON object")
    userinfo, id_token = _members(value, "userinfo"), _members(value, "id_token")
    return ClaimsRequest(
        userinfo=_allowed(userinfo, client),
        id_token=_allowed(id_token, client),
        essential_acr=_essential_acr(id_token.get("acr")),
        sub=_wanted_sub(id_token.get("sub")) or _wanted_sub(userinfo.get("sub")),
    )


def _members(value: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    members = value.get(name)
    return members if isinstance(members, dict) else {}


def _allowed(members: Mapping[str, Any], client: Client) -> tuple[str, ...]:
    return tuple(name for name in members if name != "sub" and SCOPE_OF_CLAIM.get(name) in client.scopes)


def _wanted_sub(sub: object) -> str | None:
    value = sub.get("value") if isinstance(sub, dict) else None
    return value if isinstance(value, str) and value.isascii() else None


def _essential_acr(acr: object) -> tuple[str, ...]:
    """Give the levels of which one is demanded (OpenID Connect Core 5.5.1.1)."""
    if not isinstance(acr, dict) or acr.get("essential") is not True:
        return ()
    values = acr.get("values", [acr.get("value")])
    return tuple(value for value in values if isinstance(value, str) and value.isascii()) if isinstance(values, list) else ()
