"""What a portal is about to learn of the person: asked where it rests on consent, told where it rests on law."""

from dataclasses import dataclass

import flask
from werkzeug.wrappers import Response

from idp.edge import browser
from idp.identity import assurance
from idp.identity.accounts import Account
from idp.identity.documents import IdNumber
from idp.identity.phone_numbers import PhoneNumber
from idp.identity.sessions import Session
from idp.protocol.claims import scopes_implied
from idp.protocol.clients import Client
from idp.protocol.interactions import AuthorizationRequest, Interaction
from idp.protocol.steps import StepKind

flow = flask.Blueprint("consent", __name__)
PATH = "/consent/<interaction_id>"

_TEMPLATES = {"consent": "portal/consent.html", "notice": "portal/notice.html"}


@dataclass(frozen=True)
class PassedOn:
    """One thing that the portal receives: the key of its words, and the person's own value: "" is unknown, None nothing to show."""

    key: str
    value: str | None = None
    is_masked: bool = False


@flow.get(PATH)
def show(interaction_id: str) -> Response:  # noqa: ARG001 - `Protection.INTERACTION` has read it
    """Say what is passed on, to whom and why."""
    current, session = browser.interaction(), browser.session()
    if session is None or current.request is None or current.due != StepKind.CONSENT.value:
        return browser.to_dispatcher(current)
    return _page(current, current.request, session)


@flow.post(PATH)
def agree(interaction_id: str) -> Response:  # noqa: ARG001 - as above
    """Remember that the person agreed, or was told; declining is the dispatcher's own path.

    Only what this very person was shown counts: a page of another account, another purpose or fewer scopes is shown anew.
    """
    current, session, services = browser.interaction(), browser.session(), browser.services()
    if session is None or current.request is None or current.due != StepKind.CONSENT.value:
        return browser.to_dispatcher(current)
    client = services.clients.get(current.request.client_id)
    shown = flask.request.form.get("shown", "")
    if not services.encryption.is_mac("consent", _what_is_shown(current, client, session), shown):
        return browser.to_dispatcher(current)
    services.consents.record(session.account_id, client, scopes_implied(current.request, client.scopes))
    return browser.to_dispatcher(services.interactions.record_consent(current, session.account_id))


def _page(current: Interaction, request: AuthorizationRequest, session: Session) -> Response:
    services = browser.services()
    client = services.clients.get(request.client_id)
    account = services.accounts.get(session.account_id)
    return browser.show(
        _TEMPLATES[client.legal_basis],
        interaction_id=current.id,
        client=client,
        person=account.full_name,
        items=_passed_on(account, session, request, client),
        shown=services.encryption.mac("consent", _what_is_shown(current, client, session)),
    )


def _what_is_shown(current: Interaction, client: Client, session: Session) -> str:
    scopes = scopes_implied(current.request, client.scopes) if current.request else ()
    return "\n".join((current.id, session.account_id, client.purpose_version, *scopes))


def _passed_on(account: Account, session: Session, request: AuthorizationRequest, client: Client) -> list[PassedOn]:
    """List what each scope gives the portal, in the order of the request."""
    by_scope = _by_scope(account, _levels(session), sub="sub" if client.subject_type == "pairwise" else "public_sub")
    return [item for scope in scopes_implied(request, client.scopes) for item in by_scope.get(scope, ())]


def _by_scope(account: Account, levels: tuple[int, int], *, sub: str) -> dict[str, tuple[PassedOn, ...]]:
    """Give the things of each scope; what the account lacks today is listed too, as consent covers it once it is there."""
    return {
        "openid": (PassedOn(sub), PassedOn("level", str(min(levels)))),
        "profile": (PassedOn("name", account.full_name), PassedOn("birth_date", account.birth_date.shown), PassedOn("language")),
        "email": (PassedOn("email", account.email or ""),),
        "phone": (_masked("phone", account.phone),),
        "address": (PassedOn("address", ""),),
        "id_number": (_masked("id_number", account.id_number),),
        "organisation": (PassedOn("organisation", ""),),
        "assurance": (PassedOn("proofing", str(levels[0])), PassedOn("authentication", str(levels[1]))),
        "offline_access": (PassedOn("offline"),),
    }


def _masked(key: str, number: PhoneNumber | IdNumber | None) -> PassedOn:
    return PassedOn(key, number.masked, is_masked=True) if number else PassedOn(key, "")


def _levels(session: Session) -> tuple[int, int]:
    """Give today's proofing level and the authentication level of the sign-in."""
    services = browser.services()
    standing = services.accounts.standing(session.account_id)
    evidence = standing.evidence if standing else ()
    proofing = assurance.proofing_level(evidence, services.config.assurance.proofing_levels, services.clock.now())
    return proofing, assurance.authentication_level(session.factors)
