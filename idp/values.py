"""Small values that every layer shares: identifiers, bearer secrets and two-language texts."""

import hashlib
import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Language = Literal["vi", "en"]
_JSON = json.JSONEncoder(separators=(",", ":"))  # made once: `json.dumps` makes one for each text
LANGUAGES: tuple[Language, ...] = ("vi", "en")


@dataclass(frozen=True)
class LocalText:
    """A text in both languages of the product; Vietnamese is read first."""

    vi: str
    en: str

    def in_language(self, language: Language) -> str:
        """Give the text in `language`."""
        return self.en if language == "en" else self.vi


def new_id() -> str:
    """Give a new row identifier: a UUID version 7 (RFC 9562 5.7), whose order follows its time of making."""
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds & (2**48 - 1)) << 80 | secrets.randbits(80)
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    digits = f"{value:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def new_secret() -> str:
    """Give a new bearer secret: 256 random bits as 43 characters that are safe in a URL and a cookie."""
    return secrets.token_urlsafe(32)


def secret_hash(secret: str) -> str:
    """Give what is stored of a bearer secret: its SHA-256 in hexadecimal."""
    return hashlib.sha256(secret.encode()).hexdigest()


def as_json(value: object) -> str:
    """Give a JSON text without spaces, of ASCII alone: a lone surrogate from outside cannot break it."""
    return _JSON.encode(value)


def from_json(record: Mapping[str, Any]) -> dict[str, Any]:
    """Give a stored JSON object as the fields of a frozen value: its lists come back as tuples."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in record.items()}
