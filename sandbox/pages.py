"""What the pages of the sandbox's programs share: two languages, safe headers and cookies of their own."""

from typing import Literal

from flask import Flask, Response, g, request
from werkzeug.local import LocalProxy

Language = Literal["vi", "en"]
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def set_up(app: Flask, *, cookie: str) -> None:
    """Give `app` a language switch (`?lang=en`), remembered in `cookie`, and headers that forbid scripts and framing."""

    @app.before_request
    def choose_language() -> None:
        asked = request.args.get("lang") or request.cookies.get(cookie)
        g.language = "en" if asked == "en" else "vi"

    @app.after_request
    def add_headers(response: Response) -> Response:
        response.headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        response.headers.setdefault("Referrer-Policy", "no-referrer")
        if request.endpoint != "static":
            response.headers.setdefault("Cache-Control", "no-store")
        if request.args.get("lang") in {"vi", "en"}:
            response.set_cookie(cookie, language(), httponly=True, samesite="Lax", max_age=30 * 24 * 3600)
        return response

    app.jinja_env.globals.update(t=text, language=LocalProxy(language), other_language_link=other_language_link)
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True


def language() -> Language:
    """Give the language of the current request."""
    return "en" if g.get("language") == "en" else "vi"


def text(vi: str, en: str) -> str:
    """Give the text in the language of the current request."""
    return en if language() == "en" else vi


def other_language_link() -> str:
    """Give the same page in the other language; what else stood in the query stays out, since it may not be repeatable."""
    kept = "".join(f"&to={value}" for value in request.args.getlist("to") if value.isdigit())
    return f"{request.path}?lang={text('en', 'vi')}{kept}"
