"""Claims: what a portal learns of a person, by scope and by the `claims` parameter (OpenID Connect Core 5)."""

from collections.abc import Iterable
from typing import Any

from idp.identity.accounts import Account
from idp.protocol.interactions import AuthorizationRequest

LOCALES = {"vi": "vi-VN", "en": "en-US"}
CLAIMS_OF_SCOPE: dict[str, tuple[str, ...]] = {
    "openid": ("sub",),
    "profile": ("name", "family_name", "given_name", "middle_name", "birthdate", "locale", "zoneinfo", "updated_at"),
    "email": ("email", "email_verified"),
    "phone": ("phone_number", "phone_number_verified"),
    "address": ("address",),
    "assurance": ("proofing_level", "authentication_level"),
    "id_number": ("id_number", "id_number_type"),
    "organisation": ("organisation",),
}
SCOPE_OF_CLAIM = {claim: scope for scope, claims in CLAIMS_OF_SCOPE.items() for claim in claims}
ZONE = "Asia/Ho_Chi_Minh"


def scopes_implied(request: AuthorizationRequest, allowed: Iterable[str]) -> tuple[str, ...]:
    """Give the scopes that consent has to cover: the requested ones, and those whose claims are asked for one by one."""
    allowed = set(allowed)
    by_name = {SCOPE_OF_CLAIM[name] for name in (*request.claims.userinfo, *request.claims.id_token) if name in SCOPE_OF_CLAIM}
    return tuple(dict.fromkeys((*request.scopes, *sorted(by_name & allowed))))


def for_client(account: Account, *, scopes: Iterable[str], named: Iterable[str], levels: tuple[int, int]) -> dict[str, Any]:
    """Give the claims of `scopes` and those asked for by name. What is not known is left out, never blank (OpenID Connect Core 5.3.2).

    `levels` are today's proofing level and the authentication level of the sign-in. `named` holds only claims that consent covers.
    """
    wanted = {claim for scope in scopes for claim in CLAIMS_OF_SCOPE.get(scope, ())} | set(named)
    known = _known_claims(account, levels)
    return {name: value for name, value in known.items() if name in wanted and value is not None}


def _known_claims(account: Account, levels: tuple[int, int]) -> dict[str, Any]:
    family, middle, given = _name_parts(account.full_name)
    return {
        "name": account.full_name,
        "family_name": family,
        "middle_name": middle,
        "given_name": given,
        "birthdate": account.birth_date.iso,
        "locale": LOCALES[account.language],
        "zoneinfo": ZONE,
        "updated_at": int(account.updated_at.timestamp()),
        "email": account.email,
        "email_verified": False if account.email else None,  # nothing has proven it yet
        "phone_number": account.phone.e164 if account.phone else None,
        "phone_number_verified": True if account.phone else None,
        "proofing_level": levels[0],
        "authentication_level": levels[1],
        "id_number": account.id_number.digits if account.id_number else None,
        "id_number_type": account.id_number.type if account.id_number else None,
    }


def _name_parts(full_name: str) -> tuple[str | None, str | None, str | None]:
    """Split a Vietnamese name: family name first, given name last, the rest between."""
    words = full_name.split()
    if len(words) == 1:
        return None, None, words[0]
    return words[0], " ".join(words[1:-1]) or None, words[-1]
