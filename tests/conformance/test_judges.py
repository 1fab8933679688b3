"""The judges themselves: each finding is provoked once, so that a green module means something."""

import json
from collections.abc import Mapping
from typing import Any

import httpx2
import pytest
from joserfc import jws
from joserfc.jwk import ECKey, KeySet, RSAKey

from tests.conformance import judges
from tests.conformance.findings import Findings
from tests.conformance.judges import Expected, Sent

NOW = 1_800_000_000.0
ISSUER = "https://op.example"
SENT = Sent(ISSUER, {"redirect_uri": "https://rp.example/callback?a=b", "state": "the-state"})
POSTED = Sent(ISSUER, {"redirect_uri": "https://rp.example/callback", "state": "the-state", "response_mode": "form_post"})
CODE = "Zk3vJ8sQw1xT5yB7nM2cR9dF4gH6jL0p"
RSA = RSAKey.generate_key(2048, {"kid": "rsa-1"})
KEYS = KeySet([RSA, ECKey.generate_key("P-256", {"kid": "ec-1"})])
PUBLIC = KEYS.as_dict(private=False)["keys"]
ACCESS_TOKEN = "a" + CODE
EXPECTED = Expected(ISSUER, "client", "RS256", KEYS, ACCESS_TOKEN, NOW, nonce="the-nonce", max_age=100)
CLAIMS = {
    "iss": ISSUER,
    "sub": "somebody",
    "aud": "client",
    "exp": NOW + 600,
    "iat": NOW,
    "auth_time": NOW - 10,
    "nonce": "the-nonce",
    "acr": "urn:senid:loa:2",
    "amr": ["pwd"],
    "at_hash": judges._half_hash(ACCESS_TOKEN),
}
PERSON = {
    "sub": "somebody",
    "name": "Nguyễn Thị Ánh",
    "birthdate": "1990-02-01",
    "email": "a@example.vn",
    "email_verified": False,
    "phone_number": "+84912345678",
    "phone_number_verified": True,
    "updated_at": int(NOW) - 5,
    "address": {"country": "VN"},
}
TOKENS = {"access_token": ACCESS_TOKEN, "token_type": "Bearer", "id_token": "x.y.z", "expires_in": 600}
DOCUMENT = dict.fromkeys(("issuer", "authorization_endpoint", "token_endpoint"), f"{ISSUER}/x")


def answer(body: object, status: int = 200, **headers: str) -> httpx2.Response:
    given = {
        "Content-Type": "application/json",
        "Cache-Control": "no-store",
        **{name.replace("_", "-"): text for name, text in headers.items()},
    }
    return httpx2.Response(status, text=json.dumps(body), headers=given)


def signed(claims: Mapping[str, Any], key: RSAKey = RSA, kid: str = "rsa-1") -> str:
    return jws.serialize_compact({"alg": "RS256", "kid": kid}, json.dumps(claims), key, algorithms=["RS256"])


def without(values: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key != name}


def test_what_is_good_is_found_good() -> None:
    found = [
        *judges.discovery(answer(DOCUMENT)),
        *judges.jwks(answer({"keys": PUBLIC})),
        *judges.callback(SENT, "https://rp.example/callback?a=b&code=1", None),
        *judges.callback(POSTED, "https://rp.example/callback", {"code": "1"}),
        *judges.authorization_response(SENT, {"code": CODE, "state": "the-state", "iss": ISSUER}),
        *judges.error_response(SENT, {"error": "login_required", "error_description": "sign in", "state": "the-state", "iss": ISSUER}),
        *judges.token_response(answer(TOKENS)),
        *judges.token_error(answer({"error": "invalid_grant"}, 400), "invalid_grant"),
        *judges.id_token(signed(CLAIMS), EXPECTED),
        *judges.minimal_id_token(CLAIMS),
        *judges.userinfo(answer(PERSON), sub="somebody", now=NOW),
        *judges.claims_of(["openid", "email", "phone", "address"], PERSON),
        *judges.client_authentication({}, "client_secret_basic"),
    ]
    assert found == []


@pytest.mark.parametrize(
    "response",
    [answer(DOCUMENT, 404), answer(DOCUMENT, Content_Type="text/html"), *(answer(without(DOCUMENT, name)) for name in DOCUMENT)],
)
def test_bad_discovery_is_a_failure(response: httpx2.Response) -> None:
    assert fails(judges.discovery(response))


def key(**changes: object) -> dict[str, object]:
    return {name: value for name, value in {**PUBLIC[1], **changes}.items() if value is not None}


@pytest.mark.parametrize(
    "keys",
    [
        [],
        [key(kid=None)],
        [key(), key()],
        [key(d="AAAA")],
        [{"kty": "oct", "kid": "1", "k": "AAAA"}],
        [key(y=None)],
        [key(x="not base64url!")],
    ],
)
def test_bad_keys_are_a_failure(keys: list[dict[str, object]]) -> None:
    assert fails(judges.jwks(answer({"keys": keys})))


@pytest.mark.parametrize("bad", [{"kty": "LATTICE"}, {"crv": "P-9"}, {"alg": "XX1"}])
def test_unknown_kinds_of_keys_are_a_warning(bad: dict[str, object]) -> None:
    assert warns(judges.jwks(answer({"keys": [key(**bad)]})))


@pytest.mark.parametrize(
    "url",
    [
        "https://rp.example/callback/x?a=b",
        "http://rp.example/callback?a=b",
        "https://rp.example/callback",
        "https://rp.example/callback?a=b#code=1",
    ],
)
def test_a_way_back_to_another_place_is_a_failure(url: str) -> None:
    assert fails(judges.callback(SENT, url, None))


def test_a_form_where_a_query_was_asked_for_is_a_failure_and_the_reverse() -> None:
    assert fails(judges.callback(SENT, "https://rp.example/callback?a=b", {"code": "1"}))
    assert fails(judges.callback(POSTED, "https://rp.example/callback?code=1", None))
    assert fails(judges.callback(POSTED, "https://rp.example/callback?error=x", {"error": "x"}))


@pytest.mark.parametrize(
    "changes",
    [
        {"code": ""},
        {"code": "aaaaaaaaaaaaaaaaaaaaaaaa"},
        {"code": "short"},
        {"state": "another"},
        {"iss": ISSUER + "/"},
        {"error": "x"},
        {"access_token": "x"},
    ],
    ids=str,
)
def test_a_bad_answer_is_a_failure(changes: dict[str, str]) -> None:
    assert fails(judges.authorization_response(SENT, {"code": CODE, "state": "the-state", "iss": ISSUER, **changes}))


@pytest.mark.parametrize(
    "changes",
    [
        {"error": ""},
        {"state": ""},
        {"iss": "https://evil.example"},
        {"code": CODE},
        *({"error_description": text} for text in ("lỗi", 'say "x"', "a\\b")),
    ],
    ids=str,
)
def test_a_bad_error_is_a_failure(changes: dict[str, str]) -> None:
    assert fails(judges.error_response(SENT, {"error": "x", "state": "the-state", "iss": ISSUER, **changes}))


def test_an_error_with_more_than_it_needs_is_a_warning() -> None:
    assert warns(judges.error_response(SENT, {"error": "x", "state": "the-state", "error_code": "42"}))


@pytest.mark.parametrize(
    "response",
    [
        answer(TOKENS, 201),
        answer(TOKENS, Content_Type="text/plain"),
        answer(TOKENS, Cache_Control="max-age=5"),
        answer(without(TOKENS, "id_token")),
        answer({**TOKENS, "token_type": "mac"}),
        answer({**TOKENS, "access_token": "tokentokentokentoken"}),
        answer({**TOKENS, "refresh_token": "mã"}),
        *(answer({**TOKENS, "expires_in": value}) for value in ("600", 0, -1, 31_536_001, True)),
    ],
)
def test_a_bad_token_response_is_a_failure(response: httpx2.Response) -> None:
    assert fails(judges.token_response(response))


def test_tokens_that_say_nothing_of_their_life_are_a_warning() -> None:
    assert warns(judges.token_response(answer(without(TOKENS, "expires_in"))))


@pytest.mark.parametrize(
    "response",
    [
        answer({"error": "invalid_grant"}, 401),
        answer({"error": "invalid_client"}, 400),
        answer({"error": "invalid_grant"}, 400, Content_Type="text/html"),
        answer({"error": "invalid_grant", "error_description": "mã đã dùng"}, 400),
    ],
)
def test_a_bad_refusal_is_a_failure(response: httpx2.Response) -> None:
    assert fails(judges.token_error(response, "invalid_grant"))


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": ISSUER + "/"},
        {"aud": "another"},
        {"azp": "another"},
        {"sub": ""},
        {"sub": "x" * 256},
        {"exp": NOW - 301},
        {"iat": NOW - 301},
        {"iat": "now"},
        {"auth_time": "then"},
        {"auth_time": NOW - 2 * judges.YEAR},
        {"auth_time": NOW - 401},
        {"auth_time": None},
        {"acr": 2},
        {"acr": ""},
        {"amr": "pwd"},
        {"nonce": "another"},
        {"at_hash": "another"},
        {"c_hash": "x"},
        {"email_verified": "true"},
    ],
    ids=str,
)
def test_a_bad_id_token_is_a_failure(changes: dict[str, object]) -> None:
    claims = {name: value for name, value in {**CLAIMS, **changes}.items() if value is not None}
    assert fails(judges.id_token(signed(claims), EXPECTED))


def test_a_signature_of_another_key_or_no_key_is_a_failure() -> None:
    unsigned = judges.base64url(b'{"alg":"none"}') + "." + judges.base64url(json.dumps(CLAIMS).encode()) + "."
    assert fails(judges.id_token(signed(CLAIMS, RSAKey.generate_key(2048)), EXPECTED))
    assert fails(judges.id_token(signed(CLAIMS, kid="unknown"), EXPECTED))
    assert fails(judges.id_token(unsigned, EXPECTED))


@pytest.mark.parametrize("name", ["name", "email", "level", "id_number"])
def test_an_id_token_that_says_more_is_a_warning(name: str) -> None:
    assert warns(judges.minimal_id_token({**CLAIMS, name: "x"}))


@pytest.mark.parametrize(
    "changes",
    [
        {"sub": "another"},
        {"name": ""},
        {"name": "null"},
        {"email": 7},
        {"email_verified": "false"},
        {"phone_number_verified": 1},
        {"birthdate": "01/02/1990"},
        {"birthdate": "1849-01-01"},
        {"updated_at": NOW * 1000},
        {"updated_at": "2026-01-01"},
        {"updated_at": 100},
        {"address": "Hà Nội"},
        {"address": {}},
        {"address": {"country": " "}},
    ],
    ids=str,
)
def test_a_bad_claim_is_a_failure(changes: dict[str, object]) -> None:
    assert fails(judges.userinfo(answer({**PERSON, **changes}), sub="somebody", now=NOW))


def test_a_claim_that_a_scope_promises_and_that_is_missing_is_a_warning() -> None:
    assert warns(judges.claims_of(["email"], without(PERSON, "email_verified")))


def test_a_way_of_authentication_that_is_not_told_is_a_failure() -> None:
    assert fails(judges.client_authentication({}, "client_secret_post"))
    assert fails(judges.client_authentication({"token_endpoint_auth_methods_supported": ["none"]}, "client_secret_basic"))


def fails(findings: Findings) -> bool:
    return any(finding.is_failure for finding in findings)


def warns(findings: Findings) -> bool:
    found = list(findings)
    return bool(found) and not any(finding.is_failure for finding in found)
