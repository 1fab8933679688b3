"""The two axes of assurance."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from idp.config import Assurance
from idp.identity import assurance
from idp.identity.assurance import Factor, Method
from idp.identity.proofing import Evidence

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
TABLE = Assurance().proofing_levels


def evidence(method: str = "mobile_subscriber", **other: Any) -> Evidence:
    """Give evidence that counts, but for what `other` says."""
    facts: dict[str, Any] = {
        "method": method,
        "source": "carrier",
        "result": "match",
        "fields_matched": ("id_number",),
        "checked_at": NOW - timedelta(days=1),
    }
    return Evidence(**facts | other)


def factors(*methods: Method) -> list[Factor]:
    """Give factors, one second after the other."""
    return [Factor(method, NOW + timedelta(seconds=place)) for place, method in enumerate(methods)]


@pytest.mark.requirement("A5.58")
def test_a_matched_mobile_subscriber_is_level_2() -> None:
    assert assurance.proofing_level([evidence()], TABLE, NOW) == 2


@pytest.mark.parametrize(
    "method, level",
    [
        ("self_asserted", 1),
        ("social_insurance", 2),
        ("post_office", 3),
        ("sim_signature", 3),
        ("usb_signature", 3),
        ("vneid_1", 2),
        ("vneid_2", 4),
        ("counter_chip_card", 4),
        ("never_heard_of", 1),
    ],
)
def test_each_method_has_the_level_of_the_table(method: str, level: int) -> None:
    assert assurance.proofing_level([evidence(method)], TABLE, NOW) == level


def test_the_best_evidence_counts_and_none_is_level_1() -> None:
    assert assurance.proofing_level([], TABLE, NOW) == 1
    assert assurance.proofing_level([evidence(), evidence("vneid_2"), evidence("post_office")], TABLE, NOW) == 4


def test_a_deployment_may_set_another_table() -> None:
    assert assurance.proofing_level([evidence()], {"mobile_subscriber": 1}, NOW) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"expires_at": NOW},
        {"expires_at": NOW - timedelta(days=1)},
        {"withdrawn_at": NOW},
        {"withdrawn_at": NOW - timedelta(days=1)},
        {"result": "mismatch"},
        {"result": "unavailable"},
    ],
)
def test_evidence_that_is_over_or_against_the_person_does_not_count(other: dict[str, Any]) -> None:
    assert assurance.proofing_level([evidence(**other)], TABLE, NOW) == 1


def test_evidence_counts_until_it_is_over() -> None:
    later = NOW + timedelta(seconds=1)
    assert assurance.proofing_level([evidence(expires_at=later, withdrawn_at=later)], TABLE, NOW) == 2


@pytest.mark.parametrize(
    "methods, level",
    [
        ((), 0),
        (("pwd",), 1),
        (("sms",), 1),
        (("face",), 1),
        (("pwd", "pin"), 1),
        (("sms", "otp"), 1),
        (("pwd", "sms"), 2),
        (("pwd", "otp"), 2),
        (("pin", "swk"), 2),
        (("pwd", "hwk"), 2),  # a password typed to us says nothing of who held the key
        (("pin", "hwk"), 3),
        (("pwd", "face"), 3),
        (("fpt", "hwk"), 3),
        (("fpt", "swk"), 3),
        (("pwd", "sms", "face"), 4),
        (("pin", "hwk", "fpt"), 4),
    ],
)
def test_the_level_of_a_sign_in_comes_from_the_kinds_of_its_factors(methods: tuple[Method, ...], level: int) -> None:
    assert assurance.authentication_level(factors(*methods)) == level


@pytest.mark.parametrize("proofing, authentication, level", [(2, 2, 2), (4, 2, 2), (4, 3, 3), (1, 4, 1), (3, 3, 3)])
def test_acr_is_the_lower_of_both_levels(proofing: int, authentication: int, level: int) -> None:
    assert assurance.acr("urn:senid:loa:", proofing, authentication) == f"urn:senid:loa:{level}"


def test_no_acr_is_made_of_nothing() -> None:
    with pytest.raises(ValueError, match="no assurance level"):
        assurance.acr("urn:senid:loa:", 2, assurance.authentication_level([]))


@pytest.mark.parametrize(
    "acr, level",
    [
        ("urn:senid:loa:1", 1),
        ("urn:senid:loa:4", 4),
        ("urn:senid:loa:0", None),
        ("urn:senid:loa:5", None),
        ("urn:senid:loa:٢", None),
        ("urn:senid:loa:", None),
        ("urn:senid:loa:22", None),
        ("LoA2", None),
        ("", None),
    ],
)
def test_only_our_own_values_have_a_level(acr: str, level: int | None) -> None:
    assert assurance.level_of(acr, "urn:senid:loa:") == level


def test_the_prefix_is_the_deployments() -> None:
    assert assurance.acr("LoA", 1, 2) == "LoA1"
    assert assurance.level_of("LoA1", "LoA") == 1


@pytest.mark.parametrize(
    "methods, told",
    [
        (("pwd",), ["pwd"]),
        (("pwd", "sms"), ["pwd", "sms", "mfa"]),
        (("pwd", "pin"), ["pwd", "pin"]),
        (("pwd", "sms", "sms"), ["pwd", "sms", "mfa"]),
        ((), []),
    ],
)
def test_amr_names_each_method_once_and_mfa_for_two_kinds(methods: tuple[Method, ...], told: list[str]) -> None:
    assert assurance.amr(factors(*methods)) == told


def test_amr_is_in_the_order_of_use() -> None:
    assert assurance.amr(reversed(factors("pwd", "sms"))) == ["pwd", "sms", "mfa"]
