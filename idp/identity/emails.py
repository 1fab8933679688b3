"""E-mail addresses, which are optional everywhere and never proven here."""

import re

from idp import errors

LONGEST = 254  # RFC 5321 4.5.3.1.3, without the angle brackets
LONGEST_LOCAL_PART = 64  # RFC 5321 4.5.3.1.1
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS = re.compile(rf"({_ATOM}(?:\.{_ATOM})*)@((?:{_LABEL}\.)+(?:[A-Za-z]{{2,63}}|[Xx][Nn]--[A-Za-z0-9-]{{2,59}}))")


def parse(text: str) -> str:
    """Give the address with its domain in lower case; raises `InvalidEmail`."""
    if len(text) > LONGEST:
        raise errors.InvalidEmail("too long")
    found = _ADDRESS.fullmatch(text.strip(" \u00a0"))
    if not found or len(found[1]) > LONGEST_LOCAL_PART:
        raise errors.InvalidEmail
    return f"{found[1]}@{found[2].lower()}"
