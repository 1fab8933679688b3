"""The modules of the two plans, and how each of them ends at this provider."""

from dataclasses import dataclass
from typing import Literal

Result = Literal["PASSED", "WARNING", "REVIEW", "SKIPPED"]


@dataclass(frozen=True)
class Outcome:
    """How a module ends: the suite's own word, and the warnings (or the reason to skip) that make it so."""

    result: Result
    notes: tuple[str, ...] = ()


PASSED = Outcome("PASSED")
# A page was shown that a person has to look at: the suite gives nothing better to these modules.
REVIEW = Outcome("REVIEW")
# The claims that we do not know of anybody: no outside system tells them, and an empty one would be a failure.
UNKNOWN_OF_A_PERSON = ("gender", "nickname", "picture", "preferred_username", "profile", "website")
# Nothing knows addresses yet, so `scopes_supported` does not tell the scope.
NO_ADDRESS = Outcome("SKIPPED", ("scopes_supported lacks address",))
# What we tell of request objects has no "none": an unsigned one is refused, which the suite does not even try then.
NO_UNSIGNED_REQUEST_OBJECTS = Outcome("SKIPPED", ("request_object_signing_alg_values_supported lacks none",))

BASIC_PLAN = {
    "oidcc-server": PASSED,
    "oidcc-response-type-missing": PASSED,
    "oidcc-userinfo-get": PASSED,
    "oidcc-userinfo-post-header": PASSED,
    "oidcc-userinfo-post-body": PASSED,
    "oidcc-ensure-request-without-nonce-succeeds-for-code-flow": PASSED,
    "oidcc-scope-profile": Outcome("WARNING", tuple(f"userinfo lacks {claim}" for claim in UNKNOWN_OF_A_PERSON)),
    "oidcc-scope-email": PASSED,
    "oidcc-scope-address": NO_ADDRESS,
    "oidcc-scope-phone": PASSED,
    "oidcc-scope-all": NO_ADDRESS,
    "oidcc-alternate-happy-flow": PASSED,
    "oidcc-display-page": PASSED,
    "oidcc-display-popup": PASSED,
    "oidcc-prompt-login": REVIEW,
    "oidcc-prompt-none-not-logged-in": PASSED,
    "oidcc-prompt-none-logged-in": PASSED,
    "oidcc-max-age-1": REVIEW,
    "oidcc-max-age-10000": PASSED,
    "oidcc-ensure-request-with-unknown-parameter-succeeds": PASSED,
    "oidcc-id-token-hint": PASSED,
    "oidcc-login-hint": PASSED,
    "oidcc-ui-locales": PASSED,
    "oidcc-claims-locales": PASSED,
    "oidcc-ensure-request-with-acr-values-succeeds": PASSED,
    "oidcc-codereuse": PASSED,
    "oidcc-codereuse-30seconds": PASSED,
    "oidcc-ensure-registered-redirect-uri": REVIEW,
    "oidcc-ensure-post-request-succeeds": PASSED,
    "oidcc-server-client-secret-post": PASSED,
    "oidcc-unsigned-request-object-supported-correctly-or-rejected-as-unsupported": NO_UNSIGNED_REQUEST_OBJECTS,
    "oidcc-claims-essential": PASSED,
    "oidcc-ensure-request-object-with-redirect-uri": NO_UNSIGNED_REQUEST_OBJECTS,
    "oidcc-refresh-token": PASSED,
    "oidcc-ensure-request-with-valid-pkce-succeeds": PASSED,
}
CONFIG_PLAN = {"oidcc-discovery-endpoint-verification": PASSED}
