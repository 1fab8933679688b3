"""What a browser does next, as a table: the dispatcher's decision in every situation that matters."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from idp.errors import ConsentRequired, LoginRequired, UnmetAuthenticationRequirements
from idp.identity.assurance import Factor
from idp.identity.sessions import Session
from idp.protocol.interactions import AuthorizationRequest, Interaction
from idp.protocol.steps import Situation, Step, StepKind, next_step

NOW = datetime(2026, 6, 1, 12, 0, 0, 900_000, tzinfo=UTC)
FACTOR = Factor("pwd", NOW)
SESSION = Session("s", "account", NOW - timedelta(seconds=60), (FACTOR,), NOW - timedelta(seconds=60), "vi")
REQUEST = AuthorizationRequest("portal", "https://portal.example/callback", ("openid",))
INTERACTION = Interaction("i", "browser", NOW, "vi", REQUEST)
SIGNED_IN = Situation(NOW, SESSION, proofing=2, authentication=2)


def step(request: dict[str, Any], interaction: dict[str, Any], situation: dict[str, Any] | None) -> Step:
    asked = replace(INTERACTION, request=replace(REQUEST, **request), **interaction)
    return next_step(asked, Situation(NOW) if situation is None else replace(SIGNED_IN, **situation))


@pytest.mark.parametrize(
    ("request_", "interaction", "situation", "expected"),
    [
        # nobody is signed in
        ({}, {}, None, StepKind.SIGN_IN),
        ({}, {"account_id": "a", "factors": (FACTOR,)}, None, StepKind.SECOND_FACTOR),
        ({"prompt": ("none",)}, {}, None, LoginRequired),
        # somebody is
        ({}, {}, {}, StepKind.ISSUE),
        ({}, {"account_id": "a", "factors": (FACTOR,)}, {}, StepKind.SECOND_FACTOR),
        ({"prompt": ("login",)}, {}, {}, StepKind.SIGN_IN),
        ({"prompt": ("login",)}, {"signed_in": True}, {}, StepKind.ISSUE),
        ({"prompt": ("select_account",)}, {}, {}, StepKind.SIGN_IN),
        ({"hinted_account_id": "account"}, {}, {}, StepKind.ISSUE),
        ({"hinted_account_id": "else"}, {}, {}, StepKind.SIGN_IN),
        ({"hinted_account_id": "else", "prompt": ("none",)}, {}, {}, LoginRequired),
        ({"hinted_account_id": "else"}, {"signed_in": True}, {}, LoginRequired),
        # max_age, in whole seconds
        ({"max_age": 60}, {}, {}, StepKind.ISSUE),
        ({"max_age": 59}, {}, {}, StepKind.SIGN_IN),
        ({"max_age": 0}, {}, {}, StepKind.SIGN_IN),
        ({"max_age": 0}, {"signed_in": True}, {}, StepKind.ISSUE),
        ({"max_age": 59, "prompt": ("none",)}, {}, {}, LoginRequired),
        # consent
        ({}, {}, {"consent_is_due": True}, StepKind.CONSENT),
        ({}, {"consent_of": "account"}, {"consent_is_due": True}, StepKind.ISSUE),
        ({}, {"consent_of": "else"}, {"consent_is_due": True}, StepKind.CONSENT),
        ({"prompt": ("consent",)}, {}, {}, StepKind.CONSENT),
        ({"prompt": ("consent",)}, {"consent_of": "account"}, {}, StepKind.ISSUE),
        ({"prompt": ("none",)}, {}, {"consent_is_due": True}, ConsentRequired),
        # a level that is demanded
        ({}, {}, {"required_level": 2}, StepKind.ISSUE),
        ({}, {}, {"required_level": 2, "authentication": 1}, StepKind.STEP_UP),
        ({}, {"step_up_offered": True}, {"required_level": 2, "authentication": 1}, UnmetAuthenticationRequirements),
        ({}, {}, {"required_level": 3}, UnmetAuthenticationRequirements),
        ({}, {}, {"required_level": 2, "proofing": 1}, UnmetAuthenticationRequirements),
        ({}, {}, {"required_proofing": 3}, UnmetAuthenticationRequirements),
        ({"prompt": ("none",)}, {}, {"required_level": 2, "authentication": 1}, UnmetAuthenticationRequirements),
        # a level that is wished for
        ({}, {}, {"wanted_level": 2, "authentication": 1}, StepKind.STEP_UP),
        ({}, {"step_up_offered": True}, {"wanted_level": 2, "authentication": 1}, StepKind.ISSUE),
        ({}, {}, {"wanted_level": 4}, StepKind.ISSUE),
        ({"prompt": ("none",)}, {}, {"wanted_level": 2, "authentication": 1}, StepKind.ISSUE),
        # the level comes before consent: nobody is asked for data of a portal that will refuse them
        ({}, {}, {"required_level": 3, "consent_is_due": True}, UnmetAuthenticationRequirements),
    ],
)
def test_next_step(
    request_: dict[str, Any], interaction: dict[str, Any], situation: dict[str, Any] | None, expected: StepKind | type[Exception]
) -> None:
    found = step(request_, interaction, situation)
    if isinstance(expected, StepKind):
        assert found == Step(expected)
    else:
        assert found.kind is StepKind.REFUSE
        assert isinstance(found.error, expected)


def test_without_a_portal_the_way_ends_at_home() -> None:
    own = replace(INTERACTION, request=None)
    assert next_step(own, Situation(NOW)).kind is StepKind.SIGN_IN
    assert next_step(own, SIGNED_IN).kind is StepKind.HOME
