"""The interaction: what a browser is in the middle of, from an authorization request to the answer to the portal.

    open -> record_factor* -> signed_in -> (step-up offered) -> (consent confirmed) -> finish

An interaction lives in the short-lived store, belongs to one browser, and ends once: whoever finishes it may issue, nobody after.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal

from idp.clock import Clock
from idp.errors import InteractionElsewhere, InteractionMissing, StepOutOfOrder
from idp.identity.assurance import Factor
from idp.safety.sealed_store import SealedStore
from idp.values import Language, from_json, new_secret

KIND = "interaction"
_TRIES = 5

ResponseMode = Literal["query", "form_post"]


@dataclass(frozen=True)
class ClaimsRequest:
    """The `claims` parameter (OpenID Connect Core 5.5), reduced to what is served."""

    userinfo: tuple[str, ...] = ()
    id_token: tuple[str, ...] = ()
    essential_acr: tuple[str, ...] = ()
    sub: str | None = None


@dataclass(frozen=True)
class AuthorizationRequest:
    """An authorization request that passed every check; parameters keep their names in the specifications."""

    client_id: str
    redirect_uri: str
    scopes: tuple[str, ...]
    state: str | None = None
    nonce: str | None = None
    response_mode: ResponseMode = "query"
    code_challenge: str | None = None
    prompt: tuple[str, ...] = ()
    max_age: int | None = None
    acr_values: tuple[str, ...] = ()
    login_hint: str | None = None
    hinted_account_id: str | None = None
    claims: ClaimsRequest = ClaimsRequest()


@dataclass(frozen=True)
class Interaction:
    """One browser's way through sign-in and consent; without `request` it ends at our own home page.

    `account_id` and `factors` are what was proven here and is not a session yet; `signed_in` tells that it has become one. `due` is the
    page that the dispatcher sent the browser to: what may weaken the next decision acts only where it is due. `consent_of` is the account
    that has answered the consent page here.
    """

    id: str
    browser_hash: str
    opened_at: datetime
    language: Language
    request: AuthorizationRequest | None = None
    account_id: str | None = None
    factors: tuple[Factor, ...] = ()
    challenge_id: str | None = None
    signed_in: bool = False
    due: str | None = None
    step_up_offered: bool = False
    consent_of: str | None = None

    @property
    def prompt(self) -> tuple[str, ...]:
        """Give the `prompt` values of the request, none without one."""
        return self.request.prompt if self.request else ()


class Interactions:
    """Opens, changes and ends interactions."""

    def __init__(self, *, store: SealedStore, clock: Clock, lifetime: timedelta) -> None:
        """Keep interactions for `lifetime`."""
        self._store = store
        self._clock = clock
        self._lifetime = lifetime

    def open(self, request: AuthorizationRequest | None, *, browser_hash: str, language: Language) -> Interaction:
        """Start an interaction of one browser."""
        return self.save(self.draft(request, language=language), browser_hash=browser_hash)

    def draft(self, request: AuthorizationRequest | None, *, language: Language) -> Interaction:
        """Give an interaction that nothing has stored: enough to decide whether a page is needed at all."""
        return Interaction(id=new_secret(), browser_hash="", opened_at=self._clock.now(), language=language, request=request)

    def save(self, draft: Interaction, *, browser_hash: str) -> Interaction:
        """Store a draft as the interaction of one browser."""
        interaction = replace(draft, browser_hash=browser_hash)
        self._store.put(KIND, interaction.id, _to_dict(interaction), self._lifetime)
        return interaction

    def get(self, interaction_id: str, *, browser_hash: str | None) -> Interaction:
        """Give the interaction; raises `InteractionMissing` or, for another browser, `InteractionElsewhere`."""
        interaction = _from_dict(self._store.get(KIND, interaction_id))
        _check_browser(interaction, browser_hash)
        return interaction

    def change(self, interaction: Interaction, change: Callable[[Interaction], Interaction]) -> Interaction:
        """Apply `change` to the stored interaction by compare-and-set; raises `StepOutOfOrder` when others keep winning."""
        for _ in range(_TRIES):
            loaded = self._store.load(KIND, interaction.id)
            changed = change(_from_dict(loaded.value if loaded else None))
            if loaded and self._store.swap(KIND, interaction.id, loaded, _to_dict(changed), self._lifetime):
                return changed
        raise StepOutOfOrder("interaction changed by others at the same time")

    def record_factor(self, interaction: Interaction, account_id: str, factor: Factor) -> Interaction:
        """Note a proven factor. A factor of another account starts over: two people's factors never add up."""

        def noted(current: Interaction) -> Interaction:
            kept = tuple(one for one in current.factors if one.method != factor.method) if current.account_id == account_id else ()
            return replace(current, account_id=account_id, factors=(*kept, factor), challenge_id=None, signed_in=False)

        return self.change(interaction, noted)

    def record_challenge(self, interaction: Interaction, challenge_id: str | None) -> Interaction:
        """Note which one-time code this browser was sent."""
        return self.change(interaction, lambda current: replace(current, challenge_id=challenge_id))

    def record_sign_in(self, interaction: Interaction) -> Interaction:
        """Note that the factors have become a session."""
        return self.change(interaction, lambda current: replace(current, signed_in=True, account_id=None, factors=(), challenge_id=None))

    def begin_step_up(self, interaction: Interaction, account_id: str, factors: tuple[Factor, ...]) -> Interaction:
        """Start from what the session has proven, so that one more factor is asked for."""
        return self.change(interaction, lambda current: replace(current, account_id=account_id, factors=factors, step_up_offered=True))

    def record_step_up_skipped(self, interaction: Interaction) -> Interaction:
        """Note that the voluntary step-up was offered and skipped."""
        return self.change(interaction, lambda current: replace(current, step_up_offered=True))

    def record_due(self, interaction: Interaction, page: str) -> Interaction:
        """Note which page the dispatcher sends the browser to."""
        return self.change(interaction, lambda current: replace(current, due=page))

    def record_consent(self, interaction: Interaction, account_id: str) -> Interaction:
        """Note that this account has answered the consent or notice page here."""
        return self.change(interaction, lambda current: replace(current, consent_of=account_id))

    def start_over(self, interaction: Interaction) -> Interaction:
        """Forget what was proven here, so that the person can sign in as somebody else."""
        return self.change(interaction, lambda current: replace(current, account_id=None, factors=(), challenge_id=None))

    def move_to_browser(self, interaction_id: str, *, from_hash: str, to_hash: str) -> Interaction:
        """Hand an interaction, opened by a cross-site POST under its own cookie, to the browser's lasting cookie."""
        interaction = self.get(interaction_id, browser_hash=from_hash)
        return self.change(interaction, lambda current: replace(current, browser_hash=to_hash))

    def finish(self, interaction: Interaction) -> None:
        """End the interaction; raises `InteractionMissing` for whoever comes second."""
        done = {"done": interaction.request.client_id if interaction.request else ""}
        ended = self._store.exchange(KIND, interaction.id, done, self._lifetime)
        if ended is None or "done" in ended:
            raise InteractionMissing("finished already", client_id=done["done"])


def _check_browser(interaction: Interaction, browser_hash: str | None) -> None:
    if interaction.browser_hash != browser_hash:
        raise InteractionElsewhere("another browser")


def _to_dict(interaction: Interaction) -> dict[str, Any]:
    value = asdict(interaction)
    value["opened_at"] = interaction.opened_at.isoformat()
    value["factors"] = [[factor.method, factor.at.isoformat()] for factor in interaction.factors]
    return value


def _from_dict(value: Mapping[str, Any] | None) -> Interaction:
    if value is None:
        raise InteractionMissing("unknown or expired")
    if "done" in value:
        raise InteractionMissing("finished", client_id=value["done"])
    fields = dict(value)
    fields["opened_at"] = datetime.fromisoformat(value["opened_at"])
    fields["factors"] = tuple(Factor(method, datetime.fromisoformat(at)) for method, at in value["factors"])
    fields["request"] = _request_from_dict(value["request"]) if value["request"] else None
    return Interaction(**fields)


def _request_from_dict(value: Mapping[str, Any]) -> AuthorizationRequest:
    lists = {key: tuple(value[key]) for key in ("scopes", "prompt", "acr_values")}
    return AuthorizationRequest(**{**value, **lists, "claims": ClaimsRequest(**from_json(value["claims"]))})
