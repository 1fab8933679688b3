"""The logout endpoint: a portal signs its person out (OpenID Connect RP-Initiated Logout 1.0)."""

from dataclasses import dataclass

from idp import errors
from idp.edge.cookies import Cookies
from idp.edge.messages import Request, Response, redirect, with_query
from idp.protocol.logout import LogoutRequest
from idp.services import Services


@dataclass(frozen=True)
class EndSession:
    """The handlers of `/end_session`, by GET and by POST, and of `/end_session/<logout>`."""

    services: Services
    cookies: Cookies

    def ask(self, request: Request) -> Response:
        """Check a portal's request. A forged hint or an unregistered address is a page, never a redirect (RP-Initiated Logout 1.0, 4).

        A POST comes from another site and carries no session cookie, so who is signed in is asked at the GET that follows.
        """
        if request.parameters.repeated():
            raise errors.InvalidLogoutRequest("a parameter stands twice")
        wanted = self.services.logout.read(dict(request.parameters.pairs))
        if request.method == "POST":
            return redirect(f"/end_session/{self.services.logout.open(wanted)}")
        return self._answer(request, wanted)

    def resume(self, request: Request) -> Response:
        """Answer a request that came by POST; one that expired or was answered counts as the person's own wish."""
        kept = self.services.logout.get(request.path.removeprefix("/end_session/"))
        return self._answer(request, kept or LogoutRequest())

    def _answer(self, request: Request, wanted: LogoutRequest) -> Response:
        """End the session that the hint names; ask the person where it does not name this browser's session."""
        session = self.services.sessions.find(request.cookie(self.cookies.session))
        if session is None:
            return _leave(wanted)
        if not self.services.logout.concerns(wanted, session):
            return redirect(f"/sign-out/{self.services.logout.open(wanted)}")
        self.services.logout.end(session, reason="portal")
        return _leave(wanted).with_headers(self.cookies.clear(self.cookies.session))


def _leave(wanted: LogoutRequest) -> Response:
    """Go back where the portal has proven that it may receive the browser, with its `state`, else say that it is done."""
    if wanted.post_logout_redirect_uri is None:
        return redirect("/sign-out/done")
    state = {"state": wanted.state} if wanted.state is not None else {}
    return redirect(with_query(wanted.post_logout_redirect_uri, state))
