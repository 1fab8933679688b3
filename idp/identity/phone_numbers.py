"""Vietnamese mobile numbers, as people type them and as we show them."""

import re
from dataclasses import dataclass

import phonenumbers

from idp import errors

LONGEST_INPUT = 32
# What people, and phones that copy from an address book, put between and around the digits.
_SEPARATORS = str.maketrans("", "", " .-()\u00a0\u202f\u2010\u2011\u2013\u200e\u202a\u202c\u2066\u2069")
_MOBILE = re.compile(r"(?:0|(?:\+|00)?840?)([0-9]{9})")


@dataclass(frozen=True, repr=False)
class PhoneNumber:
    """A mobile number; only `e164` and `national` show it whole."""

    e164: str

    @property
    def national(self) -> str:
        """Give the number as people in Vietnam write it: `0912345678`."""
        return f"0{self.e164.removeprefix('+84')}"

    @property
    def masked(self) -> str:
        """Give what a page may show: `091•••5678`."""
        return f"{self.national[:3]}•••{self.national[-4:]}"

    def __str__(self) -> str:
        """Give the masked number, so that no log can hold it."""
        return self.masked

    def __repr__(self) -> str:
        """Give the masked number, so that no log can hold it."""
        return f"PhoneNumber({self.masked})"


def parse(text: str) -> PhoneNumber:
    """Read a Vietnamese mobile number, national or international; raises `InvalidPhone`."""
    if len(text) > LONGEST_INPUT:
        raise errors.InvalidPhone("too long")
    found = _MOBILE.fullmatch(text.strip().translate(_SEPARATORS))
    if not found:
        raise errors.InvalidPhone
    e164 = f"+84{found[1]}"
    number = phonenumbers.parse(e164)
    # A land line cannot receive the code; the blocks come from libphonenumber's data, which move with its releases.
    if not phonenumbers.is_valid_number(number) or phonenumbers.number_type(number) != phonenumbers.PhoneNumberType.MOBILE:
        raise errors.InvalidPhone("not a mobile block")
    return PhoneNumber(e164)
