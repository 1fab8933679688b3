"""Every error, rendered for its audience: a page, a redirect to the portal, or JSON. The only place that catches whatever is left."""

from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from typing import TypeVar

import structlog

from idp.edge.messages import NO_STORE, Response, error_body, html_response, json_response, redirect, with_query
from idp.edge.pages import Pages, View, content_security_policy, form_action_source
from idp.errors import (
    InternalError,
    InvalidClient,
    InvalidToken,
    JsonError,
    ReturnedError,
    SenidError,
    ServerError,
    ShownError,
    StoreUnavailable,
    TemporarilyUnavailable,
    Unavailable,
)
from idp.protocol.interactions import ResponseMode

RETRY_AFTER_SECONDS = 5
Answer = TypeVar("Answer")
_log = structlog.get_logger("senid.errors")


@dataclass(frozen=True)
class ReplyAddress:
    """Where the answer to an authorization request goes, once it is proven: the exact `redirect_uri`, `state` and the way to travel."""

    redirect_uri: str
    state: str | None
    response_mode: ResponseMode


def answered(work: Callable[[], Answer], render: Callable[[SenidError], Answer]) -> Answer:
    """Do the work; render whatever goes wrong. A defect is logged by its type and place, never with its values."""
    try:
        return work()
    except SenidError as error:
        if error.detail:
            _log.info("refused", code=error.code, detail=error.detail)
        return render(error)
    except Exception as error:  # noqa: BLE001 - the one place where a defect becomes an answer
        _log.error("defect", error=type(error).__name__, place=_place(error))
        return render(InternalError())


def shown_page(pages: Pages, error: SenidError, view: View, *, back_href: str | None = None) -> Response:
    """Give the page for a person; what has no page of its own is told as "try again" or as our defect."""
    shown = _shown(error)
    page = pages.render_error(shown, view, back_href=back_href)
    headers = (*NO_STORE, ("Content-Security-Policy", content_security_policy()), *_retry_after(error))
    return html_response(page, status=shown.status, headers=headers)


def json_error(error: SenidError) -> Response:
    """Give the JSON for a portal's software (RFC 6749 5.2), with the challenge that RFC 6750 3 asks for."""
    told = _json(error)
    body = error_body(told.oauth_error, told.description)
    return json_response(body, status=told.status, headers=(*NO_STORE, *_challenge(told), *_allow(told), *_retry_after(told)))


def returned_error(pages: Pages, view: View, reply: ReplyAddress, error: ReturnedError, *, issuer: str) -> Response:
    """Send the error to the portal (RFC 6749 4.1.2.1)."""
    parameters = {"error": error.oauth_error}
    if error.description:
        parameters["error_description"] = error.description
    return authorization_response(pages, view, reply, parameters, issuer=issuer)


def authorization_response(pages: Pages, view: View, reply: ReplyAddress, parameters: dict[str, str], *, issuer: str) -> Response:
    """Send `parameters` to the portal with `state` and `iss` (RFC 9207), by redirect or by a form (Form Post 1.0)."""
    if reply.state is not None:
        parameters = {**parameters, "state": reply.state}
    parameters = {**parameters, "iss": issuer}
    if reply.response_mode == "query":
        return redirect(with_query(reply.redirect_uri, parameters))
    page = pages.render("portal/form_post.html", view, redirect_uri=reply.redirect_uri, parameters=parameters)
    policy = content_security_policy((form_action_source(reply.redirect_uri),))
    return html_response(page, headers=(*NO_STORE, ("Content-Security-Policy", policy)))


def last_resort(error: SenidError) -> Response:
    """Give the page for when even the error page cannot be made."""
    text = escape("Hệ thống đang gặp lỗi. Quý vị vui lòng thử lại sau ít phút. / Something went wrong. Please try again shortly.")
    page = f'<!doctype html><html lang="vi"><meta charset="utf-8"><title>SenID</title><p>{text}</p></html>'
    return html_response(page, status=error.status, headers=(*NO_STORE, *_retry_after(error)))


def _shown(error: SenidError) -> ShownError:
    if isinstance(error, ShownError):
        return error
    return Unavailable(retry_after_seconds=RETRY_AFTER_SECONDS) if isinstance(error, StoreUnavailable) else InternalError()


def _json(error: SenidError) -> JsonError:
    if isinstance(error, JsonError):
        return error
    return TemporarilyUnavailable() if isinstance(error, StoreUnavailable) else ServerError()


def _challenge(error: JsonError) -> tuple[tuple[str, str], ...]:
    if isinstance(error, InvalidClient):
        return (("WWW-Authenticate", 'Basic realm="senid", charset="UTF-8"'),)
    if isinstance(error, InvalidToken) or error.values.get("bearer"):
        named = f', error="{error.oauth_error}", error_description="{error.description}"' if not error.values.get("absent") else ""
        return (("WWW-Authenticate", f'Bearer realm="senid"{named}'),)
    return ()


def _allow(error: JsonError) -> tuple[tuple[str, str], ...]:
    allow = error.values.get("allow")
    return (("Allow", str(allow)),) if allow else ()


def _retry_after(error: SenidError) -> tuple[tuple[str, str], ...]:
    seconds = error.retry_after_seconds
    if seconds is None and isinstance(error, (StoreUnavailable, TemporarilyUnavailable, Unavailable)):
        seconds = RETRY_AFTER_SECONDS
    return (("Retry-After", str(seconds)),) if seconds is not None else ()


def _place(error: Exception) -> str:
    """Give the innermost line of ours in the traceback; messages and values may hold personal data."""
    trace, place = error.__traceback__, "?"
    while trace is not None:
        code = trace.tb_frame.f_code
        if "/idp/" in code.co_filename or "/sandbox/" in code.co_filename:
            place = f"{code.co_filename.rpartition('/idp/')[2] or code.co_filename}:{trace.tb_lineno} {code.co_name}"
        trace = trace.tb_next
    return place
