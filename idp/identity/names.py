"""People's names: what we accept as one, and when two of them are the same."""

import re
import unicodedata
from enum import StrEnum

from idp import errors

FEWEST_LETTERS = 2
LONGEST = 100
# Letters typed as base and accents take more characters than the same name in NFC.
LONGEST_INPUT = 3 * LONGEST
_SPACES = re.compile("[ \\t\u00a0]+")
_APOSTROPHES = str.maketrans({"\u2019": "'", "\u2018": "'", "\u02bc": "'", "`": "'"})
# Latin letters alone, so that no look-alike of another script passes; some letters of Ede and Jarai (such as "ơ̆") need combining marks.
_LETTER = "(?:[A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u01bf\u01c4-\u024f\u1e00-\u1eff][\u0300-\u036f]{0,2})"
_WORD = f"{_LETTER}+(?:['.-]{_LETTER}+)*\\.?"
_NAME = re.compile(f"{_WORD}(?: {_WORD})*")
_TONES = frozenset("\u0300\u0301\u0303\u0309\u0323")


class NameMatch(StrEnum):
    """How well two names agree: accents and all, without accents only, or not."""

    STRONG = "strong"
    WEAK = "weak"
    NONE = "none"


def parse(text: str) -> str:
    """Give the name in Unicode NFC with single spaces; raises `InvalidFullName`."""
    if len(text) > LONGEST_INPUT:
        raise errors.InvalidFullName("too long")
    name = _tidy(text)
    if len(name) > LONGEST or not _NAME.fullmatch(name) or sum(map(str.isalpha, name)) < FEWEST_LETTERS:
        raise errors.InvalidFullName
    return name


def compare(first: str, second: str) -> NameMatch:
    """Compare two names: case, spaces and the place of a tone mark (`òa`, `oà`) never count, accents and `Đ` only for a strong match."""
    if len(first) > LONGEST_INPUT or len(second) > LONGEST_INPUT:
        return NameMatch.NONE
    if _strong_form(first) == _strong_form(second):
        return NameMatch.STRONG
    if without_accents(_tidy(first)) == without_accents(_tidy(second)):
        return NameMatch.WEAK
    return NameMatch.NONE


def without_accents(text: str) -> str:
    """Give the text case-folded, without accents, and with `d` for `đ`."""
    decomposed = unicodedata.normalize("NFD", text.casefold())
    return "".join(char for char in decomposed if not unicodedata.combining(char)).replace("đ", "d")


def _tidy(text: str) -> str:
    return unicodedata.normalize("NFC", _SPACES.sub(" ", text.strip(" \t\r\n\u00a0").translate(_APOSTROPHES)))


def _strong_form(name: str) -> list[str]:
    return [_tone_last(word) for word in unicodedata.normalize("NFD", _tidy(name).casefold()).split(" ")]


def _tone_last(word: str) -> str:
    """Move the tone to the end: a Vietnamese syllable has one, and two schools set it on different vowels."""
    tones = "".join(char for char in word if char in _TONES)
    return "".join(char for char in word if char not in _TONES) + tones
