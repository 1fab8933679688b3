"""What every answer to anything has to be: clear to its audience, kept out of caches, and leading nowhere that nobody registered."""

import json
import re
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

from idp import errors
from tests.abuse.calls import Answer, Call
from tests.abuse.recipes import SIGNED_OUT
from tests.world import REDIRECT_URI

LONGEST_SECONDS = 2.0
SHOWN = {error.code for error in errors.catalogue() if issubclass(error, errors.ShownError)}
NAMED = {error.oauth_error for error in errors.catalogue() if issubclass(error, errors.JsonError) and "oauth_error" in vars(error)}
PUBLIC = ("/jwks", "/.well-known/", "/static/")  # what may be cached, when it is there
OURS = re.compile(r"/(?![/\\])[\x21-\x7e]*")
INSIDES = ("Traceback", "werkzeug", "sqlalchemy", "sqlite3", "idp/", ".py")


def is_refused(answer: Answer) -> bool:
    """Tell whether the caller was told of an error, on a page, as JSON or at the portal; that a person declines is none."""
    at_portal = parse_qs(urlsplit(answer.header("Location")).query).get("error", [])
    return answer.status >= 400 or bool(set(at_portal) - {"access_denied"}) or 'name="error"' in answer.text


def problems(answer: Answer, call: Call, *, is_for_software: bool) -> Iterator[str]:
    """Tell what is wrong with an answer."""
    if answer.status >= 500:
        yield f"status {answer.status}"
    if answer.seconds >= LONGEST_SECONDS:
        yield f"took {answer.seconds:.1f} seconds"
    yield from _problems_of_headers(answer, call)
    if answer.header("Location") and not _leads_somewhere_registered(answer.header("Location")):
        yield f"leads to {answer.header('Location')[:80]}"
    if "<script>alert" in answer.text:
        yield "a script of the attacker"
    if any(word in answer.text for word in INSIDES) and answer.kind in {"text/html", "application/json"} and answer.status >= 400:
        yield "shows its insides"
    if call.method != "HEAD" and answer.status >= 400:
        yield from _problems_of_json(answer) if is_for_software else _problems_of_page(answer)


_ALWAYS = {"X-Content-Type-Options": {"nosniff"}, "X-Frame-Options": {"DENY"}, "Referrer-Policy": {"same-origin", "no-referrer"}}


def _problems_of_headers(answer: Answer, call: Call) -> Iterator[str]:
    yield from (f"no {name}" for name, wanted in _ALWAYS.items() if answer.header(name) not in wanted)
    may_be_cached = call.path.startswith(PUBLIC) and answer.status in {200, 304}
    if not may_be_cached and answer.header("Cache-Control") != "no-store":
        yield "may be cached"
    if answer.kind == "text/html" and "default-src 'none'" not in answer.header("Content-Security-Policy"):
        yield "no policy"
    if not answer.header("X-Request-Id"):
        yield "no request id"
    yield from (f"a line end in {name}" for name, value in answer.headers if set("\r\n\0") & set(value))
    cookies = [value for name, value in answer.headers if name.lower() == "set-cookie"]
    yield from (f"cookie {value[:60]}" for value in cookies if not re.fullmatch(_COOKIE, value))


_COOKIE = r"senid_\w+=[\w.-]*; Path=/; HttpOnly; SameSite=Lax(; Max-Age=\d+)?"


def _leads_somewhere_registered(location: str) -> bool:
    return any(location == uri or location.startswith(f"{uri}?") for uri in (REDIRECT_URI, SIGNED_OUT)) or bool(OURS.fullmatch(location))


def _problems_of_page(answer: Answer) -> Iterator[str]:
    if answer.kind != "text/html":
        yield f"{answer.kind or 'nothing'} for a person"
        return
    codes = re.findall(r'data-error="(\w+)"', answer.text)
    if not codes or not set(codes) <= SHOWN:
        yield f"a page without an error of ours: {codes}"
    if not re.search(r'<html lang="(vi|en)">', answer.text) or "<h1>" not in answer.text:
        yield "not a page of ours"


def _problems_of_json(answer: Answer) -> Iterator[str]:
    if answer.kind != "application/json":
        yield f"{answer.kind or 'nothing'} for software"
        return
    body = json.loads(answer.body)
    description = body.get("error_description", "")
    if set(body) - {"error", "error_description"} or body.get("error") not in NAMED:
        yield f"an error that nobody knows: {body}"
    if any(not 0x20 <= ord(char) <= 0x7E or char in '"\\' for char in description):  # RFC 6749 5.2
        yield "a description with forbidden characters"
