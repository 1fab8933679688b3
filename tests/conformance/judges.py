"""What the suite looks at in every module: metadata, keys, the way back, token responses, ID tokens, claims of a person, errors."""

import base64
import hashlib
import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx2
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from tests.conformance.findings import Findings, must, should

LONGEST_EXPIRY = 31_536_000
SKEW = 300
YEAR = 366 * 24 * 3600
OLDEST_UPDATE = 631_152_000  # the first second of 1990
LEAST_CODE_BITS, LEAST_CODE_LENGTH = 96, 16
PRIVATE_MEMBERS = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}
KEY_MEMBERS = {"RSA": {"n", "e"}, "EC": {"crv", "x", "y"}, "OKP": {"crv", "x"}}
KNOWN_CURVES = {"P-256", "P-384", "P-521", "secp256k1", "Ed25519", "X25519"}
KNOWN_ALGORITHMS = {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "ES256K", "EdDSA", "Ed25519"}
AUTHORIZATION_ANSWER = {"code", "state", "iss", "session_state"}
ERROR_ANSWER = {"error", "error_description", "error_uri", "state", "session_state", "iss"}
ID_TOKEN_CLAIMS = frozenset(
    {
        *("iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "azp"),
        *("at_hash", "c_hash", "s_hash", "nbf", "jti", "sid", "txn", "openbanking_intent_id"),
    }
)
CLAIMS_OF_SCOPE = {
    "openid": frozenset({"sub"}),
    "profile": frozenset(
        {
            *("name", "given_name", "family_name", "middle_name", "nickname", "profile", "picture", "website", "gender"),
            *("birthdate", "zoneinfo", "locale", "updated_at", "preferred_username"),
        }
    ),
    "email": frozenset({"email", "email_verified"}),
    "phone": frozenset({"phone_number", "phone_number_verified"}),
    "address": frozenset({"address"}),
    "offline_access": frozenset[str](),
}
STRINGS = (CLAIMS_OF_SCOPE["profile"] | {"sub", "email", "phone_number"}) - {"updated_at"}
DESCRIPTION = re.compile(r"[\x20-\x21\x23-\x5B\x5D-\x7E]*")  # RFC 6749 A.7, A.8
TOKEN = re.compile(r"[\x20-\x7E]+")  # RFC 6749 A.12, A.17
BIRTH_DATE = re.compile(r"(\d{4})(-\d{2}-\d{2})?")


# --- What the provider says of itself -----------------------------------------------------------------------------------------------


def discovery(response: httpx2.Response) -> Findings:
    """Judge the discovery document as far as every module needs it."""
    yield from must("discovery is answered with 200", holds=response.status_code == httpx2.codes.OK)
    yield from must("discovery is JSON", holds=is_json(response))
    document = response.json()
    for name in ("issuer", "authorization_endpoint", "token_endpoint"):
        yield from must(f"{name} is a URL", holds=is_url(document.get(name)))


def client_authentication(metadata: Mapping[str, Any], method: str) -> Findings:
    """Judge whether the way in which the client authenticates is told (absent means `client_secret_basic` alone)."""
    supported = metadata.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
    yield from must(f"token_endpoint_auth_methods_supported holds {method}", holds=method in supported)


def jwks(response: httpx2.Response) -> Findings:
    """Judge the public keys (RFC 7517): nothing secret, every key named, all names distinct."""
    yield from must("jwks is answered with 200", holds=response.status_code == httpx2.codes.OK)
    keys = response.json().get("keys")
    yield from must("jwks holds a list of keys", holds=isinstance(keys, list) and len(keys) > 0)
    names = [key.get("kid") for key in keys]
    yield from must("every key has a kid", holds=all(isinstance(name, str) and name for name in names))
    yield from must("the kids are distinct", holds=len(set(names)) == len(names))
    for key in keys:
        yield from must("no key is private or symmetric", holds=not PRIVATE_MEMBERS & set(key) and key.get("kty") != "oct")
        yield from should("the type of every key is known", holds=key.get("kty") in KEY_MEMBERS)
        yield from must("every key is complete", holds=KEY_MEMBERS.get(key.get("kty"), set()) <= set(key))
        yield from must(
            "the numbers of every key are base64url", holds=all(is_base64url(key[name]) for name in ("n", "x", "y") if name in key)
        )
        yield from should("the curve of every key is known", holds=key.get("crv", "P-256") in KNOWN_CURVES)
        yield from should("the algorithm of every key is known", holds=key.get("alg", "RS256") in KNOWN_ALGORITHMS)


# --- The way back to the client -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sent:
    """What a client sent with an authorization request, and by which issuer it expects to be answered."""

    issuer: str
    parameters: Mapping[str, str]

    @property
    def redirect_uri(self) -> str:
        """Give the address that the answer comes to."""
        return self.parameters["redirect_uri"]


def callback(sent: Sent, url: str, form: Mapping[str, str] | None) -> Findings:
    """Judge how the browser comes back, with a code or an error: to the exact address, with what stood in it."""
    wanted, came = urlsplit(sent.redirect_uri), urlsplit(url)
    same_place = (came.scheme, came.netloc, came.path) == (wanted.scheme, wanted.netloc, wanted.path)
    yield from must("the answer comes to the registered redirect_uri", holds=same_place)
    query = dict(parse_qsl(came.query, keep_blank_values=True))
    registered = dict(parse_qsl(wanted.query, keep_blank_values=True))
    yield from must("the query of the redirect_uri is kept", holds=registered.items() <= query.items())
    yield from must("nothing travels in the fragment", holds=came.fragment == "")
    is_posted = sent.parameters.get("response_mode") == "form_post"
    yield from must("the answer travels as response_mode says", holds=is_posted is (form is not None))
    if is_posted:
        yield from must("no code and no error stand in the URL", holds=not {"code", "error"} & set(query))


def authorization_response(sent: Sent, answer: Mapping[str, str]) -> Findings:
    """Judge a positive answer (OpenID Connect Core 3.1.2.5, RFC 9207)."""
    yield from must("the answer is no error", holds="error" not in answer)
    yield from must("there is a code", holds=bool(answer.get("code")))
    yield from must("state is what was sent", holds=answer.get("state") == sent.parameters.get("state"))
    yield from must("iss is the issuer", holds=answer.get("iss", sent.issuer) == sent.issuer)
    yield from must("tokens do not travel with a code", holds=not {"access_token", "id_token"} & set(answer))
    yield from must("the code cannot be guessed", holds=is_unguessable(answer.get("code", "")))


def error_response(sent: Sent, answer: Mapping[str, str]) -> Findings:
    """Judge an error that comes back to the client (OpenID Connect Core 3.1.2.6)."""
    yield from must("there is an error", holds=bool(answer.get("error")))
    yield from must("state is what was sent", holds=answer.get("state") == sent.parameters.get("state"))
    yield from must("iss is the issuer", holds=answer.get("iss", sent.issuer) == sent.issuer)
    yield from must("an error brings no code", holds="code" not in answer)
    yield from should("an error brings known parameters alone", holds=set(answer) <= ERROR_ANSWER)
    yield from error_texts(answer)


def error_texts(answer: Mapping[str, Any]) -> Findings:
    """Judge the texts of an error: the characters of RFC 6749 A.7 to A.9, which have neither diacritics nor quotes."""
    for name in ("error", "error_description", "error_uri"):
        text = str(answer.get(name, ""))
        yield from must(f"{name} holds allowed characters alone", holds=DESCRIPTION.fullmatch(text) is not None)
        yield from should(f"{name} holds no line break or tab", holds=not set("\r\n\t") & set(text))


# --- The token endpoint -------------------------------------------------------------------------------------------------------------


def token_response(response: httpx2.Response) -> Findings:
    """Judge a successful token response (RFC 6749 5.1, OpenID Connect Core 3.1.3.3)."""
    yield from must("tokens are given with 200", holds=response.status_code == httpx2.codes.OK)
    yield from must("tokens are JSON", holds=is_json(response))
    yield from must("tokens are not cached", holds="no-store" in response.headers.get("Cache-Control", ""))
    body = response.json()
    yield from must("token_type is Bearer", holds=str(body.get("token_type")).lower() == "bearer")
    for name in ("access_token", "id_token"):
        yield from must(f"there is an {name}", holds=isinstance(body.get(name), str) and body[name] != "")
    expires_in = body.get("expires_in")
    yield from should("there is expires_in", holds=expires_in is not None)
    is_number = isinstance(expires_in, int) and not isinstance(expires_in, bool)
    yield from must("expires_in is a number", holds=expires_in is None or is_number)
    yield from must("expires_in is positive and not beyond a year", holds=not is_number or 0 < body["expires_in"] <= LONGEST_EXPIRY)
    for name in ("access_token", "refresh_token"):
        yield from must(f"{name} holds allowed characters alone", holds=TOKEN.fullmatch(body.get(name, "x")) is not None)
    yield from must("the access token cannot be guessed", holds=is_unguessable(body["access_token"]))


def token_error(response: httpx2.Response, error: str) -> Findings:
    """Judge a refusal of the token endpoint (RFC 6749 5.2)."""
    yield from must("a refusal of the token endpoint is 400", holds=response.status_code == httpx2.codes.BAD_REQUEST)
    yield from must("a refusal of the token endpoint is JSON", holds=is_json(response))
    yield from must(f"the refusal is {error}", holds=response.json().get("error") == error)
    yield from error_texts(response.json())


@dataclass(frozen=True)
class Expected:
    """What an ID token has to fit: the request, the keys, the access token beside it and the time."""

    issuer: str
    client_id: str
    algorithm: str
    keys: KeySet
    access_token: str
    now: float
    nonce: str | None = None
    has_nonce: bool = True
    max_age: int | None = None


def id_token(token: str, expected: Expected) -> Findings:
    """Judge an ID token (OpenID Connect Core 2 and 3.1.3.7)."""
    claims = read_jwt(token, expected.keys, expected.algorithm)
    yield from must("the ID token is signed by a key of the JWKS, with the algorithm of the client", holds=claims is not None)
    if claims is None:
        return
    header = jws.extract_compact(token.encode()).headers()
    yield from must("the ID token names its key", holds=header.get("kid") in {key.kid for key in expected.keys.keys})
    yield from must("iss is the issuer, letter by letter", holds=claims.get("iss") == expected.issuer)
    audience = claims.get("aud")
    yield from must("aud holds the client", holds=expected.client_id in (audience if isinstance(audience, list) else [audience]))
    yield from must("azp is the client", holds=claims.get("azp", expected.client_id) == expected.client_id)
    yield from must("sub is a short string", holds=isinstance(claims.get("sub"), str) and 0 < len(claims["sub"]) <= 255)
    yield from must("the ID token has not expired", holds=is_number(claims.get("exp")) and claims["exp"] > expected.now - SKEW)
    yield from must("iat is now", holds=is_number(claims.get("iat")) and abs(claims["iat"] - expected.now) <= SKEW)
    yield from authentication(claims, expected)
    if expected.has_nonce:
        yield from must("nonce is what was sent", holds=claims.get("nonce") == expected.nonce)
    at_hash = claims.get("at_hash", _half_hash(expected.access_token))
    yield from must("at_hash fits the access token", holds=at_hash == _half_hash(expected.access_token))
    yield from must("there is no c_hash to check", holds="c_hash" not in claims)
    yield from standard_claims(claims, now=expected.now)


def authentication(claims: Mapping[str, Any], expected: Expected) -> Findings:
    """Judge what an ID token says of how and when the person signed in."""
    auth_time = claims.get("auth_time")
    is_recent = auth_time is None or (is_number(auth_time) and expected.now - YEAR < auth_time <= expected.now + SKEW)
    yield from must("auth_time is a number of this year", holds=is_recent)
    yield from must("acr is a string", holds=isinstance(claims.get("acr", "x"), str) and claims.get("acr", "x") != "")
    amr = claims.get("amr", ["x"])
    yield from must("amr is a list of strings", holds=isinstance(amr, list) and all(isinstance(one, str) for one in amr))
    if expected.max_age is not None:
        yield from must("max_age brings auth_time", holds=auth_time is not None)
        is_fresh = is_number(auth_time) and expected.now - float(auth_time or 0) <= expected.max_age + SKEW
        yield from must("auth_time is within max_age", holds=is_fresh)


def minimal_id_token(claims: Mapping[str, Any]) -> Findings:
    """Judge whether an ID token says no more than who signed in, when and how: personal claims go by userinfo."""
    for name in sorted(set(claims) - ID_TOKEN_CLAIMS):
        yield from should(f"the ID token does not hold {name}, which nobody asked for", holds=False)


# --- What is known of a person ------------------------------------------------------------------------------------------------------


def userinfo(response: httpx2.Response, *, sub: str, now: float) -> Findings:
    """Judge an answer of the UserInfo endpoint (OpenID Connect Core 5.3.2)."""
    yield from must("userinfo is answered with 200", holds=response.status_code == httpx2.codes.OK)
    yield from must("userinfo is JSON", holds=is_json(response))
    claims = response.json()
    yield from must("sub of userinfo is that of the ID token", holds=claims.get("sub") == sub)
    yield from standard_claims(claims, now=now)


def claims_of(scopes: Iterable[str], claims: Mapping[str, Any]) -> Findings:
    """Judge whether a scope that is told in `scopes_supported` brings all of its claims (OpenID Connect Core 5.4)."""
    for name in sorted({name for scope in scopes for name in CLAIMS_OF_SCOPE[scope]} - set(claims)):
        yield from should(f"userinfo lacks {name}", holds=False)


def standard_claims(claims: Mapping[str, Any], *, now: float) -> Findings:
    """Judge the form of every standard claim that is there (OpenID Connect Core 5.1)."""
    for name in sorted(STRINGS & set(claims)):
        value = claims[name]
        yield from must(f"{name} is text", holds=isinstance(value, str) and value.strip() not in {"", "null"})
    for name in ("email_verified", "phone_number_verified"):
        yield from must(f"{name} is true or false", holds=isinstance(claims.get(name, True), bool))
    birth_date = BIRTH_DATE.fullmatch(str(claims.get("birthdate", "1990")))
    is_date = birth_date is not None and (int(birth_date[1]) >= 1850 or birth_date[1] == "0000")
    yield from must("birthdate is YYYY-MM-DD or YYYY", holds=is_date)
    if "updated_at" in claims:
        value = claims["updated_at"]
        yield from must("updated_at is in seconds", holds=is_number(value) and OLDEST_UPDATE < value <= now + SKEW)
    if "address" in claims:
        address = claims["address"]
        parts = address.values() if isinstance(address, dict) else ()
        yield from must(
            "address is an object of texts", holds=bool(parts) and all(isinstance(part, str) and part.strip() for part in parts)
        )


# --- Small readings -----------------------------------------------------------------------------------------------------------------


def read_jwt(token: str, keys: KeySet, algorithm: str) -> dict[str, Any] | None:
    """Give the claims of a token that one of the keys signed with this algorithm, else None."""
    try:
        claims = jws.deserialize_compact(token, keys, algorithms=[algorithm]).payload
    except (JoseError, ValueError):
        return None
    return dict(json.loads(claims))


def is_json(response: httpx2.Response) -> bool:
    """Tell whether an answer says that it is JSON."""
    return response.headers.get("Content-Type", "").partition(";")[0].strip() == "application/json"


def is_url(value: object) -> bool:
    """Tell whether a value is an absolute URL."""
    return isinstance(value, str) and urlsplit(value).scheme in {"http", "https"} and urlsplit(value).netloc != ""


def is_number(value: object) -> bool:
    """Tell whether a value of JSON is a number."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_base64url(value: object) -> bool:
    """Tell whether a value is base64url without padding."""
    return isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9_-]+", value) is not None


def is_unguessable(secret: str) -> bool:
    """Tell whether a secret is long and mixed enough: Shannon's measure over its own characters."""
    counts = Counter(secret).values()
    bits = -sum(count * math.log2(count / len(secret)) for count in counts)
    return len(secret) >= LEAST_CODE_LENGTH and bits > LEAST_CODE_BITS


def _half_hash(text: str) -> str:
    return base64url(hashlib.sha256(text.encode("ascii")).digest()[:16])


def base64url(value: bytes) -> str:
    """Give base64url without padding (RFC 7515 2)."""
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
