"""The authorization endpoint and the one dispatcher: decides what a browser does next, and answers the portal.

    GET|POST /authorize -> checks -> next_step -> a page of ours -> GET /authorize/<interaction> -> next_step -> ... -> 303 to the portal

`prompt=none` and a signed-in browser that needs no page are answered at once, and no interaction is stored.
"""

from dataclasses import dataclass, replace
from datetime import timedelta

from idp import errors
from idp.edge.cookies import Cookies
from idp.edge.error_responses import ReplyAddress, authorization_response, returned_error
from idp.edge.languages import choose
from idp.edge.messages import Parameters, Request, Response, redirect
from idp.edge.pages import Pages, View
from idp.identity import assurance
from idp.identity.sessions import Session
from idp.protocol.authorization_codes import CodeRecord, grant_id_of, new_code
from idp.protocol.claims import scopes_implied
from idp.protocol.clients import Client
from idp.protocol.grant_rows import Grant
from idp.protocol.interactions import AuthorizationRequest, Interaction
from idp.protocol.logout import sid_of
from idp.protocol.relations import Relation
from idp.protocol.steps import Situation, Step, StepKind, next_step
from idp.safety.rate_limits import place_of
from idp.services import Services
from idp.values import Language, new_secret, secret_hash

OPENED_LIFETIME = timedelta(minutes=10)
INTERACTIONS_PER_ADDRESS_AND_MINUTE = 600
BEYOND_EVERY_LEVEL = 5
_PAGES = {
    StepKind.SIGN_IN: "/sign-in/{id}/password",
    StepKind.SECOND_FACTOR: "/sign-in/{id}/one-time-code",
    StepKind.STEP_UP: "/step-up/{id}",
    StepKind.CONSENT: "/consent/{id}",
}


@dataclass(frozen=True)
class Authorize:
    """The handlers of `/authorize`, `/authorize/<interaction>` and `/authorize/<interaction>/decline`."""

    services: Services
    pages: Pages
    cookies: Cookies

    # --- a portal asks ---------------------------------------------------------------------------------------------------------------

    def ask(self, request: Request) -> Response:
        """Answer an authorization request (OpenID Connect Core 3.1.2.1), by GET or by a form from another site."""
        parameters = request.parameters
        client = self._check_client(parameters)
        reply = _reply_address(parameters, client)
        try:
            return self._open(request, self._read(parameters, client), client)
        except errors.ReturnedError as error:
            return self._return_error(request, reply, error)

    def _check_client(self, parameters: Parameters) -> Client:
        """Prove where an answer may go, before anything is sent there (RFC 9700 4.11.2)."""
        if {"client_id", "redirect_uri"} & set(parameters.repeated()):
            raise errors.BadRequest("client_id or redirect_uri stands twice")
        client_id = parameters.get("client_id")
        if client_id is None:
            raise errors.UnknownClient("client_id is missing")
        client = self.services.clients.get(client_id)
        if parameters.get("redirect_uri") not in client.redirect_uris:
            raise errors.InvalidRedirectUri("not a registered redirect_uri")
        return client

    def _read(self, parameters: Parameters, client: Client) -> AuthorizationRequest:
        if parameters.repeated():
            raise errors.ReturnedInvalidRequest("a parameter stands twice")
        return self.services.authorization_requests.read(dict(parameters.pairs), client)

    def _open(self, request: Request, asked: AuthorizationRequest, client: Client) -> Response:
        """Answer at once where no page is needed, else open an interaction of this browser.

        A POST comes from another site, so it shows nothing of who is signed in: that is asked at the GET that follows.
        """
        unsaved = self.services.interactions.draft(asked, language=self._language(request))
        if request.method == "POST":
            self._check_limit(request)
            return self._open_from_elsewhere(unsaved)
        situation = self._situation(unsaved, self._session(request), client)
        step = next_step(unsaved, situation)
        if step.kind in {StepKind.ISSUE, StepKind.REFUSE}:
            return self._end(request, unsaved, step, situation, client)
        self._check_limit(request)
        return self._open_here(request, unsaved)

    def _check_limit(self, request: Request) -> None:
        """Bound what one address can make us store; generous, as carriers put whole towns behind one address."""
        self.services.rate_limits.hit(
            "authorize", place_of(request.address), most=INTERACTIONS_PER_ADDRESS_AND_MINUTE, window=timedelta(minutes=1)
        )

    def _open_here(self, request: Request, unsaved: Interaction) -> Response:
        known = request.cookie(self.cookies.browser)
        secret = known or new_secret()
        interaction = self.services.interactions.save(unsaved, browser_hash=secret_hash(secret))
        response = redirect(f"/authorize/{interaction.id}")
        return response if known else response.with_headers(self.cookies.write(self.cookies.browser, secret))

    def _open_from_elsewhere(self, unsaved: Interaction) -> Response:
        """Bind to a cookie of its own: a cross-site POST does not carry our `SameSite=Lax` cookies, and must not replace them."""
        secret = new_secret()
        interaction = self.services.interactions.save(unsaved, browser_hash=secret_hash(secret))
        opened = self.cookies.write(self.cookies.opened(interaction.id), secret, lifetime=OPENED_LIFETIME)
        return redirect(f"/authorize/{interaction.id}").with_headers(opened)

    # --- a step has ended ------------------------------------------------------------------------------------------------------------

    def resume(self, request: Request) -> Response:
        """Send the browser to what comes next in its interaction."""
        interaction_id = request.path.removeprefix("/authorize/")
        opened = request.cookie(self.cookies.opened(interaction_id))
        if opened is not None:
            return self._take_over(request, interaction_id, opened)
        interaction = self._interaction(request, interaction_id)
        client = self._client(interaction)
        situation = self._situation(interaction, self._session(request), client)
        step = next_step(interaction, situation)
        if step.kind is StepKind.HOME:
            self.services.interactions.finish(interaction)
            return redirect("/")
        if step.kind in _PAGES:
            self.services.interactions.record_due(interaction, step.kind.value)
            return redirect(_PAGES[step.kind].format(id=interaction.id))
        self.services.interactions.finish(interaction)
        return self._end(request, interaction, step, situation, client)

    def _take_over(self, request: Request, interaction_id: str, opened: str) -> Response:
        """Move an interaction that a cross-site POST opened to the lasting cookie of the same browser."""
        known = request.cookie(self.cookies.browser)
        secret = known or new_secret()
        self.services.interactions.move_to_browser(interaction_id, from_hash=secret_hash(opened), to_hash=secret_hash(secret))
        headers = [self.cookies.clear(self.cookies.opened(interaction_id))]
        if not known:
            headers.append(self.cookies.write(self.cookies.browser, secret))
        return redirect(f"/authorize/{interaction_id}").with_headers(*headers)

    def decline(self, request: Request) -> Response:
        """Answer the portal that the person declined."""
        if request.form.repeated():
            raise errors.BadRequest("a field stands twice")
        if not request.path.endswith("/decline"):
            raise errors.PageNotFound
        interaction_id = request.path.removeprefix("/authorize/").removesuffix("/decline")
        interaction = self._interaction(request, interaction_id)
        self._check_csrf(request)
        client, session = self._client(interaction), self._session(request)
        self.services.interactions.finish(interaction)
        if client is None or interaction.request is None:
            return redirect("/")
        if session is not None:
            self.services.consents.declined(session.account_id, client, scopes_implied(interaction.request, client.scopes))
        refusal = Step(StepKind.REFUSE, errors.AccessDenied())
        return self._end(request, interaction, refusal, Situation(now=self.services.clock.now()), client)

    def _check_csrf(self, request: Request) -> None:
        secret = request.cookie(self.cookies.browser)
        if secret is None:
            raise errors.CookieMissing("no browser cookie")
        if request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
            raise errors.CrossSite("Sec-Fetch-Site")
        if not self.services.encryption.is_mac("csrf", secret, request.form.get("csrf_token") or ""):
            raise errors.FormExpired("anti-forgery token")

    # --- the ends --------------------------------------------------------------------------------------------------------------------

    def _end(self, request: Request, interaction: Interaction, step: Step, situation: Situation, client: Client | None) -> Response:
        asked = interaction.request
        if asked is None or client is None:
            raise errors.InteractionMissing("no portal to answer")
        reply = ReplyAddress(asked.redirect_uri, asked.state, asked.response_mode)
        if step.kind is StepKind.REFUSE or situation.session is None:
            return self._return_error(request, reply, step.error or errors.LoginRequired())
        code = self._issue(asked, situation.session, client, sub=situation.sub)
        return authorization_response(self.pages, self._view(request), reply, {"code": code}, issuer=self.services.config.issuer)

    def _issue(self, asked: AuthorizationRequest, session: Session, client: Client, *, sub: str | None) -> str:
        code = new_code()
        grant = Grant(
            id=grant_id_of(code),
            account_id=session.account_id,
            client_id=client.client_id,
            session_id=session.id,
            sid=sid_of(session.id, client.client_id),
            sub=sub or self.services.subjects.get(session.account_id, client),
            scopes=asked.scopes,
            claims_userinfo=asked.claims.userinfo,
            claims_id_token=asked.claims.id_token,
            auth_time=int(session.auth_time.timestamp()),
            amr=tuple(assurance.amr(session.factors)),
            authentication_level=assurance.authentication_level(session.factors),
            generation=session.generation,
        )
        self.services.authorization_codes.issue(CodeRecord(grant, asked.redirect_uri, asked.code_challenge, asked.nonce), code)
        return code

    def _return_error(self, request: Request, reply: ReplyAddress, error: errors.ReturnedError) -> Response:
        return returned_error(self.pages, self._view(request), reply, error, issuer=self.services.config.issuer)

    # --- facts -----------------------------------------------------------------------------------------------------------------------

    def _situation(self, interaction: Interaction, session: Session | None, client: Client | None) -> Situation:
        """Gather what the decision needs; a session whose account is locked or gone counts as none."""
        now = self.services.clock.now()
        relation = self._relation(session, client)
        if session is None or relation is None or not relation.standing.admits(session.generation):
            return Situation(now=now)
        settings = self.services.config.assurance
        situation = Situation(
            now=now,
            session=session,
            sub=relation.sub,
            proofing=assurance.proofing_level(relation.standing.evidence, settings.proofing_levels, now),
            authentication=assurance.authentication_level(session.factors),
        )
        if client is None or interaction.request is None:
            return situation
        asked = interaction.request
        scopes = scopes_implied(asked, client.scopes)
        return replace(
            situation,
            required_level=max(client.minimum_level, self._lowest(asked.claims.essential_acr, when_unknown=BEYOND_EVERY_LEVEL)),
            required_proofing=client.minimum_proofing,
            wanted_level=self._lowest(asked.acr_values, when_unknown=1),
            consent_is_due=relation.consent is None or not relation.consent.covers(client, scopes),
        )

    def _relation(self, session: Session | None, client: Client | None) -> Relation | None:
        if session is None:
            return None
        if client is not None:
            return self.services.relations.find(session.account_id, client)
        standing = self.services.accounts.standing(session.account_id)
        return Relation(standing) if standing else None

    def _lowest(self, acr_values: tuple[str, ...], *, when_unknown: int) -> int:
        """Give the lowest level listed, since any listed value suffices; `when_unknown` for a list that names no level of ours."""
        if not acr_values:
            return 1
        prefix = self.services.config.assurance.acr_prefix
        return min((level for value in acr_values if (level := assurance.level_of(value, prefix)) is not None), default=when_unknown)

    def _interaction(self, request: Request, interaction_id: str) -> Interaction:
        secret = request.cookie(self.cookies.browser)
        if secret is None:
            raise errors.CookieMissing("no browser cookie")
        return self.services.interactions.get(interaction_id, browser_hash=secret_hash(secret))

    def _client(self, interaction: Interaction) -> Client | None:
        return self.services.clients.get(interaction.request.client_id) if interaction.request else None

    def _session(self, request: Request) -> Session | None:
        return self.services.sessions.find(request.cookie(self.cookies.session))

    def _language(self, request: Request) -> Language:
        cookie = request.cookie(self.cookies.language)
        return choose(request.parameters.get("ui_locales"), cookie, request.headers.get("accept-language"))

    def _view(self, request: Request) -> View:
        return View(language=self._language(request), request_id=request.request_id)


def _reply_address(parameters: Parameters, client: Client) -> ReplyAddress:
    """Give where errors go: the mode that was asked for, where it exists, and `state` as it came."""
    mode = parameters.get("response_mode")
    redirect_uri = next(uri for uri in client.redirect_uris if uri == parameters.get("redirect_uri"))
    return ReplyAddress(redirect_uri, parameters.get("state"), "form_post" if mode == "form_post" else "query")
