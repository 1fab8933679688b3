"""The texts of the product in its languages, and the choice of a reader's language."""

import re
import string
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from markupsafe import Markup, escape

from idp.values import LANGUAGES, Language, LocalText

_DEFAULT_LANGUAGE: Language = "vi"
_MOST_TAGS = 20
_BOLD = re.compile(r"\*\*(.+?)\*\*", re.DOTALL)
_WEIGHT = re.compile(r"q=(0(\.\d{0,3})?|1(\.0{0,3})?)")


class MissingText(LookupError):
    """No such text in the catalogue, or a placeholder of it has no value; the message names keys alone."""


class MalformedText(ValueError):
    """A text of the catalogue cannot be read; the message names its key."""


@dataclass(frozen=True)
class Text:
    """One text in one language: `**bold**` is its only markup, `{name}` its only placeholder."""

    plain: str
    html: Markup
    placeholders: frozenset[str]

    @classmethod
    def parse(cls, source: str) -> Self:
        """Read a text of the catalogue; raises ValueError when a placeholder is more than a name."""
        names: set[str] = set()
        for _, name, spec, conversion in string.Formatter().parse(source):
            if name is not None and (not name.isidentifier() or spec or conversion):
                raise ValueError("a placeholder is a plain {name}")
            names.update({name} if name else ())
        marked = _BOLD.sub(r"<strong>\1</strong>", str(escape(source)))
        return cls(_BOLD.sub(r"\1", source), Markup(marked), frozenset(names))  # noqa: S704 - the source is escaped just above


class Texts:
    """The catalogue: every text under its dotted key in every language."""

    def __init__(self, catalogue: Mapping[Language, Mapping[str, Text]]) -> None:
        """Take the texts by language and key."""
        self._catalogue = catalogue

    def get(self, key: str, language: Language, **values: object) -> str:
        """Give the text as plain words; raises `MissingText`."""
        text = self._find(key, language)
        _check_values(key, text, values)
        return text.plain.format(**{name: _spoken(value, language) for name, value in values.items()})

    def html(self, key: str, language: Language, **values: object) -> Markup:
        """Give the text as HTML: bold only where the catalogue says so, values always escaped; raises `MissingText`."""
        text = self._find(key, language)
        _check_values(key, text, values)
        return text.html.format(**{name: _spoken(value, language) for name, value in values.items()})

    def has(self, key: str) -> bool:
        """Tell whether every language has the text."""
        return all(key in texts for texts in self._catalogue.values())

    def keys(self, language: Language) -> frozenset[str]:
        """Give every key of `language`."""
        return frozenset(self._catalogue[language])

    def placeholders(self, key: str, language: Language) -> frozenset[str]:
        """Give the names that the text needs values for; raises `MissingText`."""
        return self._find(key, language).placeholders

    def _find(self, key: str, language: Language) -> Text:
        try:
            return self._catalogue[language][key]
        except KeyError:
            raise MissingText(f"{language}: {key}") from None


def load_texts(folder: Path) -> Texts:
    """Read `<folder>/<language>/*.toml`; raises `MalformedText` for a bad text and for a key that two files have."""
    return Texts({language: _load_language(folder / language) for language in LANGUAGES})


def choose(ui_locales: str | None, cookie: str | None, accept_language: str | None) -> Language:
    """Choose the reader's language: what the portal asks for, what the person chose before, what the browser prefers, Vietnamese.

    Each may be absent or nonsense. `ui_locales` (OpenID Connect Core 3.1.2.1) is to be given only where the request itself carries it,
    else it would undo the person's own later choice.
    """
    wanted = [*(ui_locales or "").split()[:_MOST_TAGS], cookie or "", *_accepted(accept_language or "")]
    return next((language for tag in wanted if (language := find_language(tag))), _DEFAULT_LANGUAGE)


def find_language(tag: str) -> Language | None:
    """Give the language of a BCP 47 tag such as `vi-VN`, or None when it is not one of ours."""
    primary = tag.strip().lower().split("-")[0]
    return next((language for language in LANGUAGES if language == primary), None)


def _accepted(header: str) -> list[str]:
    """Give the tags of an `Accept-Language` header (RFC 9110 12.5.4), the preferred ones first."""
    weighted = []
    for part in header.split(",")[:_MOST_TAGS]:
        tag, _, parameter = part.partition(";")
        found = _WEIGHT.fullmatch(parameter.strip()) if parameter else None
        weight = float(found[1]) if found else float(not parameter)
        if weight:
            weighted.append((weight, tag))
    return [tag for _, tag in sorted(weighted, key=lambda item: -item[0])]


def _load_language(folder: Path) -> dict[str, Text]:
    texts: dict[str, Text] = {}
    for path in sorted(folder.glob("*.toml")):
        for key, source in _flat(tomllib.loads(path.read_text(encoding="utf-8"))):
            if key in texts:
                raise MalformedText(f"{path.parent.name}/{path.name}: {key} stands in two files")
            try:
                texts[key] = Text.parse(source)
            except ValueError as error:
                raise MalformedText(f"{path.parent.name}/{path.name}: {key}: {error}") from None
    return texts


def _flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", str(value)


def _check_values(key: str, text: Text, values: Mapping[str, object]) -> None:
    missing = sorted(text.placeholders - values.keys())
    if missing:
        raise MissingText(f"{key}: no value for {', '.join(missing)}")


def _spoken(value: object, language: Language) -> str:
    """Give a value as plain words; even a value that calls itself HTML is escaped afterwards."""
    return value.in_language(language) if isinstance(value, LocalText) else str(value)
