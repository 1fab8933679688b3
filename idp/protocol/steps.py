"""What a browser does next: one pure function over the stored interaction and the facts of the moment."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from idp.errors import ConsentRequired, LoginRequired, ReturnedError, UnmetAuthenticationRequirements
from idp.identity.sessions import Session
from idp.protocol.interactions import AuthorizationRequest, Interaction

# What the ways of signing in that exist here can reach: two different factors.
REACHABLE_AUTHENTICATION = 2


class StepKind(Enum):
    """The pages that a browser can be sent to, and the two ends."""

    SIGN_IN = "sign_in"
    SECOND_FACTOR = "second_factor"
    STEP_UP = "step_up"
    CONSENT = "consent"
    ISSUE = "issue"
    HOME = "home"
    REFUSE = "refuse"


@dataclass(frozen=True)
class Step:
    """What comes next; `error` says why, where the step refuses."""

    kind: StepKind
    error: ReturnedError | None = None


@dataclass(frozen=True)
class Situation:
    """The facts of the moment: who is signed in, how well proven, what the client demands, what was agreed to.

    `sub` is the name under which the client knows the person, None before they have met.
    `required_*` is hard (the client's minimum, an essential `acr`); `wanted_level` is the lowest of the voluntary `acr_values`.
    """

    now: datetime
    session: Session | None = None
    sub: str | None = None
    proofing: int = 0
    authentication: int = 0
    required_level: int = 1
    required_proofing: int = 1
    wanted_level: int = 1
    consent_is_due: bool = False

    @property
    def level(self) -> int:
        """Give the level achieved: the lower of the two axes."""
        return min(self.proofing, self.authentication)

    @property
    def reachable_level(self) -> int:
        """Give the level that one more factor can reach."""
        return min(self.proofing, max(self.authentication, REACHABLE_AUTHENTICATION))


def next_step(interaction: Interaction, situation: Situation) -> Step:
    """Decide what the browser does next."""
    if interaction.account_id and interaction.factors:
        return Step(StepKind.SECOND_FACTOR)
    if _needs_sign_in(interaction, situation):
        return _unless_silent(interaction, StepKind.SIGN_IN, LoginRequired())
    if _is_somebody_else(interaction, situation):
        return Step(StepKind.REFUSE, LoginRequired("another person has signed in than id_token_hint names"))
    if interaction.request is None:
        return Step(StepKind.HOME)
    return _level_step(interaction, situation) or _consent_step(interaction, situation) or Step(StepKind.ISSUE)


def _needs_sign_in(interaction: Interaction, situation: Situation) -> bool:
    session = situation.session
    if session is None:
        return True
    if interaction.signed_in or interaction.request is None:
        return False
    if {"login", "select_account"} & set(interaction.prompt):
        return True
    if _is_somebody_else(interaction, situation):
        return True
    return _is_too_old(interaction.request, session, situation.now)


def _is_somebody_else(interaction: Interaction, situation: Situation) -> bool:
    """Tell whether the portal's `id_token_hint` names another person than is signed in (OpenID Connect Core 3.1.2.2)."""
    hinted = interaction.request.hinted_account_id if interaction.request else None
    return hinted is not None and situation.session is not None and hinted != situation.session.account_id


def _is_too_old(request: AuthorizationRequest, session: Session, now: datetime) -> bool:
    """Compare whole seconds, as `auth_time` is told; 0 asks for a sign-in as `prompt=login` does (OpenID Connect Core 3.1.2.1)."""
    if request.max_age is None:
        return False
    if request.max_age == 0:
        return True
    return int(now.timestamp()) - int(session.auth_time.timestamp()) > request.max_age


def _level_step(interaction: Interaction, situation: Situation) -> Step | None:
    lacks_hard = situation.level < situation.required_level or situation.proofing < situation.required_proofing
    lacks_wanted = situation.level < situation.wanted_level
    goal = situation.required_level if lacks_hard else situation.wanted_level
    in_reach = situation.reachable_level >= goal and situation.proofing >= situation.required_proofing
    if not (lacks_hard or lacks_wanted):
        return None
    if in_reach and not interaction.step_up_offered and "none" not in interaction.prompt:
        return Step(StepKind.STEP_UP)
    return Step(StepKind.REFUSE, UnmetAuthenticationRequirements()) if lacks_hard else None


def _consent_step(interaction: Interaction, situation: Situation) -> Step | None:
    asked_again = "consent" in interaction.prompt
    has_answered = situation.session is not None and interaction.consent_of == situation.session.account_id
    if has_answered or not (situation.consent_is_due or asked_again):
        return None
    return _unless_silent(interaction, StepKind.CONSENT, ConsentRequired())


def _unless_silent(interaction: Interaction, kind: StepKind, error: ReturnedError) -> Step:
    """Refuse instead of showing a page where the portal said `prompt=none`."""
    return Step(StepKind.REFUSE, error) if "none" in interaction.prompt else Step(kind)
