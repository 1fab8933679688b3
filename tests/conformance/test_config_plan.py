"""The one module of `oidcc-config-certification-test-plan`."""

import re
from urllib.parse import urlsplit

import pytest

from tests.conformance import judges
from tests.conformance.findings import Findings, must, should
from tests.conformance.suite import DISCOVERY, Suite, module

OIDC_RESPONSE_TYPES = {"code", "id_token", "id_token token", "code id_token", "code token", "code id_token token"}
LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|\d{3}))?")  # BCP 47, in its canonical casing
SCOPE = re.compile(r"[\x21\x23-\x5B\x5D-\x7E]+")
# OpenID Connect Discovery 3 and RP-Initiated Logout 2.1, RFC 8414 2, RFC 9207 3 and the registry of RFC 8414 7.1 for `prompt`.
REGISTERED_NAMES = {
    *(
        "issuer",
        "authorization_endpoint",
        "token_endpoint",
        "userinfo_endpoint",
        "jwks_uri",
        "registration_endpoint",
        "end_session_endpoint",
    ),
    *("revocation_endpoint", "introspection_endpoint", "device_authorization_endpoint", "pushed_authorization_request_endpoint"),
    *("scopes_supported", "response_types_supported", "response_modes_supported", "grant_types_supported", "acr_values_supported"),
    *("subject_types_supported", "id_token_signing_alg_values_supported", "userinfo_signing_alg_values_supported"),
    *("request_object_signing_alg_values_supported", "token_endpoint_auth_methods_supported"),
    *("token_endpoint_auth_signing_alg_values_supported", "display_values_supported", "claim_types_supported", "claims_supported"),
    *("service_documentation", "claims_locales_supported", "ui_locales_supported", "claims_parameter_supported"),
    *("request_parameter_supported", "request_uri_parameter_supported", "require_request_uri_registration", "op_policy_uri", "op_tos_uri"),
    *("code_challenge_methods_supported", "authorization_response_iss_parameter_supported", "prompt_values_supported"),
    *("introspection_endpoint_auth_methods_supported", "introspection_endpoint_auth_signing_alg_values_supported"),
    *("revocation_endpoint_auth_methods_supported", "revocation_endpoint_auth_signing_alg_values_supported"),
}
LISTS = tuple(name for name in sorted(REGISTERED_NAMES) if name.endswith("_supported") and "parameter" not in name)


@module("oidcc-discovery-endpoint-verification")
def test_oidcc_discovery_endpoint_verification(suite: Suite) -> None:
    url = suite.site.issuer + DISCOVERY
    suite.judge(verification(url, suite.metadata))


def verification(url: str, document: dict[str, object]) -> Findings:
    """Judge the whole discovery document."""
    issuer = str(document.get("issuer"))
    parts = urlsplit(issuer)
    yield from must("the document stands where the issuer says", holds=url == issuer.rstrip("/") + DISCOVERY)
    yield from must(
        "the issuer is an https URL without query and fragment", holds=(parts.scheme, parts.query, parts.fragment) == ("https", "", "")
    )
    yield from lists(document)
    yield from endpoints(document)
    yield from values(document)
    yield from should("every name is a registered one", holds=set(document) <= REGISTERED_NAMES)


def lists(document: dict[str, object]) -> Findings:
    """Judge that what may be a list is one, of texts, and not empty (OpenID Connect Discovery 3, RFC 8414 2)."""
    for name in LISTS:
        found = document.get(name, ["absent"])
        is_list = isinstance(found, list) and bool(found) and all(isinstance(one, str) for one in found)
        yield from must(f"{name} is a list of texts", holds=is_list)
    for name in ("request_parameter_supported", "request_uri_parameter_supported", "claims_parameter_supported"):
        yield from must(f"{name} is true or false", holds=isinstance(document.get(name, True), bool))


def endpoints(document: dict[str, object]) -> Findings:
    """Judge the addresses: those that must be there, and every one https."""
    for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
        yield from must(f"there is {name}", holds=judges.is_url(document.get(name)))
    for name in ("userinfo_endpoint", "scopes_supported", "claims_supported"):
        yield from should(f"there is {name}", holds=name in document)
    for name, address in document.items():
        if name.endswith(("_endpoint", "_uri")):
            yield from must(f"{name} is https", holds=judges.is_url(address) and str(address).startswith("https://"))


def values(document: dict[str, object]) -> Findings:
    """Judge what the lists hold."""
    held = {name: set(value) for name, value in document.items() if isinstance(value, list)}
    yield from must("there is a response type of OpenID Connect", holds=bool(held["response_types_supported"] & OIDC_RESPONSE_TYPES))
    yield from must("there is a kind of subject", holds=bool(held["subject_types_supported"] & {"public", "pairwise"}))
    yield from must("RS256 signs ID tokens", holds="RS256" in held["id_token_signing_alg_values_supported"])
    scopes = held.get("scopes_supported", {"openid"})
    yield from must("openid is among the scopes", holds="openid" in scopes and all(SCOPE.fullmatch(scope) for scope in scopes))
    for name in ("ui_locales_supported", "claims_locales_supported"):
        for tag in held.get(name, ()):
            yield from should(f"{name} is in canonical form", holds=LANGUAGE.fullmatch(tag) is not None)
    algorithms = held.get("request_object_signing_alg_values_supported", {"RS256"})
    yield from should("request objects may be signed with RS256", holds="RS256" in algorithms)


@pytest.mark.parametrize(
    "bad",
    [
        {"issuer": "https://senid.example/other"},
        {"token_endpoint": "http://senid.example/token"},
        {"jwks_uri": None},
        {"end_session_endpoint": "http://senid.example/end_session"},
        {"id_token_signing_alg_values_supported": ["ES256"]},
        {"response_types_supported": ["token"]},
        {"subject_types_supported": ["ephemeral"]},
        {"grant_types_supported": []},
        {"scopes_supported": ["profile"]},
        {"code_challenge_methods_supported": "S256"},
        {"request_uri_parameter_supported": "false"},
        {"ui_locales_supported": ["vi-vn"]},
        {"vneid_levels_supported": ["1"]},
        {"request_object_signing_alg_values_supported": ["ES256"]},
    ],
    ids=lambda bad: next(iter(bad)),
)
def test_a_changed_document_is_found(suite: Suite, bad: dict[str, object]) -> None:
    assert list(verification(suite.site.issuer + DISCOVERY, suite.metadata)) == []
    assert list(verification(suite.site.issuer + DISCOVERY, suite.metadata | bad)) != []
