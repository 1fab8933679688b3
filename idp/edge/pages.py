"""The pages that people see: Jinja2 templates with texts, static files and errors at hand, and the headers that guard every page."""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from idp.clock import Clock
from idp.config import Config
from idp.edge.assets import Assets, find_folder
from idp.edge.languages import Texts, find_language, load_texts
from idp.errors import FieldError, ShownError
from idp.values import Language, LocalText

LANGUAGE_PATH = "/language"
NEW_CAPTCHA_ACTION = "new_captcha"
LANGUAGE_ACTIONS: dict[str, Language] = {"language_vi": "vi", "language_en": "en"}
# A form posted with one of these is drawn again with what was typed: nothing is checked, and nothing is decided.
REDRAW_ACTIONS = frozenset({NEW_CAPTCHA_ACTION, *LANGUAGE_ACTIONS})

VIETNAM_TIME = timezone(timedelta(hours=7))

SECURITY_HEADERS: tuple[tuple[str, str], ...] = (
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    # Not "no-referrer": under it browsers send `Origin: null` with our own forms.
    ("Referrer-Policy", "same-origin"),
    ("Permissions-Policy", "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)
_SOURCE = re.compile(r"https?://[A-Za-z0-9.\-\[\]:]+|[a-z][a-z0-9+.\-]*:")


def content_security_policy(form_action: Sequence[str] = ()) -> str:
    """Give the policy of a page: our own files alone, no inline code; forms may also lead to the sources in `form_action`.

    Raises ValueError for a source that is neither an origin nor a scheme.
    """
    if not all(_SOURCE.fullmatch(source) for source in form_action):
        raise ValueError("a form-action source is an origin or a scheme")
    return "; ".join(
        (
            "default-src 'none'",
            "style-src 'self'",
            "script-src 'self'",
            "img-src 'self'",
            "media-src 'self'",
            "font-src 'self'",
            "connect-src 'self'",
            " ".join(("form-action 'self'", *form_action)),
            "frame-ancestors 'none'",
            "base-uri 'none'",
        )
    )


def form_action_source(redirect_uri: str) -> str:
    """Give the `form-action` source that lets a form lead to `redirect_uri`: its origin, or the scheme of an app's own address."""
    parts = urlsplit(redirect_uri)
    if parts.scheme in {"http", "https"}:
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    return f"{parts.scheme}:"


def safe_return_path(path: str | None) -> str:
    """Give `path` when it stays on this server, else the home page: an address from outside never becomes a redirect."""
    # A browser reads "//host" and "/\host" as another host.
    if not path or not re.fullmatch(r"/(?![/\\])[\x21-\x7e]*", path) or "\\" in path:
        return "/"
    return path


@dataclass(frozen=True)
class View:
    """What every page knows of the request that it answers.

    `request_path` is the path with its query under which GET shows this page again: where the language switch returns to.
    `client_name` and `client_host` say on behalf of which portal a person acts.
    """

    language: Language
    request_path: str = "/"
    request_id: str = ""
    csrf_token: str | None = None
    client_name: LocalText | None = None
    client_host: str | None = None

    @property
    def other_language(self) -> Language:
        """Give the language that the switch offers."""
        return "vi" if self.language == "en" else "en"

    @property
    def language_link(self) -> str:
        """Give the address that switches the language and comes back to this page."""
        return f"{LANGUAGE_PATH}?{urlencode({'to': self.other_language, 'return_to': self.request_path})}"


class Pages:
    """Renders templates. A name that a template uses and nobody gave is an error, never an empty place."""

    def __init__(
        self,
        *,
        texts: Texts,
        assets: Assets,
        clock: Clock,
        service_name: LocalText,
        hotline: str,
        counter: LocalText,
        is_sandbox: bool,
        folders: Sequence[Path] | None = None,
    ) -> None:
        """Take the parts; templates are looked for in `folders`, without them in the product's own."""
        self._texts = texts
        self._clock = clock
        self._always: dict[str, object] = {"service": service_name, "hotline": hotline, "counter": counter}
        self._environment = Environment(
            loader=FileSystemLoader(folders or [find_folder("templates")]),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._environment.globals.update(
            service_name=service_name,
            origin=form_action_source,
            static=assets.static_url,
            seconds_until=self._seconds_until,
            shown_time=_shown_time,
            is_sandbox=is_sandbox,
        )

    @classmethod
    def open(cls, config: Config, clock: Clock) -> "Pages":
        """Give the pages with the product's own files, as `config` names service and help."""
        return cls(
            texts=load_texts(find_folder("locales")),
            assets=Assets(find_folder("static")),
            clock=clock,
            service_name=LocalText(vi=config.service_name_vi, en=config.service_name_en),
            hotline=config.help.hotline,
            counter=LocalText(vi=config.help.counter_vi, en=config.help.counter_en),
            is_sandbox=config.mode == "sandbox",
        )

    def render(self, template: str, view: View, errors: Sequence[ShownError] = (), **values: object) -> str:
        """Give the page; `errors` stand in its summary and at their fields."""
        return self._environment.get_template(template).render(
            {
                **values,
                "view": view,
                "errors": tuple(errors),
                **_PageWords(self._texts, view.language, self._always, errors).functions(),
            }
        )

    def render_error(self, error: ShownError, view: View, *, back_href: str | None = None) -> str:
        """Give the page that shows `error` alone, with a way back to the portal or, without `back_href`, home."""
        return self.render("errors/page.html", view, error=error, back_href=back_href)

    def text(self, key: str, language: Language, **values: object) -> str:
        """Give a text as plain words, with the service's name, hotline and counter at hand as in templates."""
        return self._texts.get(key, language, **{**self._always, **values})

    def _seconds_until(self, instant: datetime) -> int:
        return max(0, math.ceil((instant - self._clock.now()).total_seconds()))


class _PageWords:
    """The words of one page: what templates call to speak in the reader's language."""

    def __init__(self, texts: Texts, language: Language, always: dict[str, object], errors: Sequence[ShownError]) -> None:
        self._texts = texts
        self._language = language
        self._always = always
        self._errors = errors
        self._at_fields: set[int] = set()

    def functions(self) -> dict[str, Callable[..., object]]:
        """Give the functions under the names that templates use."""
        return {
            "t": self.text,
            "local": lambda text: text.in_language(self._language),
            "error_for": self.error_for,
            "is_at_field": self.is_at_field,
            "error_text": self.error_text,
            "error_title": self.error_title,
            "error_help": self.error_help,
        }

    def text(self, key: str, /, **values: object) -> Markup:
        """Give the text of `key` as HTML."""
        return self._texts.html(key, self._language, **{**self._always, **values})

    def error_for(self, field: str) -> ShownError | None:
        """Give the first error of a form field, or None; the field then shows it."""
        found = next((error for error in self._errors if isinstance(error, FieldError) and error.field == field), None)
        self._at_fields.update({id(found)} if found else ())
        return found

    def is_at_field(self, error: ShownError) -> bool:
        """Tell whether a field that was drawn already shows the error, so that the summary only has to link to it."""
        return id(error) in self._at_fields

    def error_text(self, error: ShownError) -> Markup:
        """Give what went wrong, as a sentence to the person."""
        return self.text(self._key(error), **self._values(error))

    def error_title(self, error: ShownError) -> Markup:
        """Give the heading of an error's own page."""
        return self.text(self._first(f"{self._key(error)}_title", f"{error.message_key}_title", "errors.title"))

    def error_help(self, error: ShownError) -> Markup | None:
        """Give what to do next, where the error's text does not say it already."""
        values = self._values(error)
        timed = f"{error.message_key}_help_minutes" if "minutes" in values else ""
        key = self._first(timed, f"{self._key(error)}_help", f"{error.message_key}_help", "")
        return self.text(key, **values) if key else None

    def _key(self, error: ShownError) -> str:
        """Give the key of the error's text; an error with a `reason` may have one text a reason."""
        return self._first(f"{error.message_key}_{error.values.get('reason')}", error.message_key)

    def _first(self, *keys: str) -> str:
        return next((key for key in keys if self._texts.has(key)), keys[-1])

    def _values(self, error: ShownError) -> dict[str, object]:
        values: dict[str, object] = {}
        if error.retry_after_seconds is not None:
            values["minutes"] = max(1, math.ceil(error.retry_after_seconds / 60))
        if isinstance(error, FieldError):
            key = self._first(f"field_in_sentence.{error.field}", "field_in_sentence.any")
            values["field"] = self._texts.get(key, self._language)
        return {**values, **error.values}


def _shown_time(instant: datetime) -> str:
    """Give an instant as hours, minutes and seconds in Viet Nam."""
    return instant.astimezone(VIETNAM_TIME).strftime("%H:%M:%S")


def language_of_action(action: str | None) -> Language | None:
    """Give the language that a posted form asks to be drawn again in, or None."""
    return LANGUAGE_ACTIONS.get(action or "")


__all__ = [
    "LANGUAGE_ACTIONS",
    "LANGUAGE_PATH",
    "NEW_CAPTCHA_ACTION",
    "REDRAW_ACTIONS",
    "SECURITY_HEADERS",
    "Pages",
    "View",
    "content_security_policy",
    "find_language",
    "form_action_source",
    "language_of_action",
    "safe_return_path",
]
