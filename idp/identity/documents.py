"""Identity numbers: the 12-digit personal number (CCCD) and the old 9-digit one (CMND), as people type them and as we show them."""

import re
from dataclasses import dataclass
from typing import Literal

from idp import errors
from idp.identity.birth_dates import BirthDate

IdNumberType = Literal["cccd", "cmnd"]

CCCD_DIGITS = 12
CMND_DIGITS = 9
LONGEST_INPUT = 32
# People group the digits as their card does; anything but plain digits is refused afterwards, other scripts' digits too.
_SEPARATORS = str.maketrans("", "", " .-\u00a0")
_DIGITS = re.compile(f"[0-9]{{{CCCD_DIGITS}}}|[0-9]{{{CMND_DIGITS}}}")


@dataclass(frozen=True, repr=False)
class IdNumber:
    """An identity number; only `digits` shows it whole."""

    type: IdNumberType
    digits: str

    @property
    def masked(self) -> str:
        """Give what a page or an operator may see: five digits are hidden."""
        shown_last = 4 if self.type == "cccd" else 2
        shown_first = len(self.digits) - 5 - shown_last
        return f"{self.digits[:shown_first]}•••••{self.digits[-shown_last:]}"

    def __str__(self) -> str:
        """Give the masked number, so that no log can hold it."""
        return self.masked

    def __repr__(self) -> str:
        """Give the type and the masked number, so that no log can hold it."""
        return f"IdNumber({self.type} {self.masked})"


def parse(text: str, *, accept_old: bool) -> IdNumber:
    """Read a number as typed; raises `InvalidIdNumber`, or `OldIdNumber` for 9 digits where policy does not `accept_old`."""
    if len(text) > LONGEST_INPUT:
        raise errors.InvalidIdNumber("too long")
    digits = text.strip().translate(_SEPARATORS)
    if not _DIGITS.fullmatch(digits):
        raise errors.InvalidIdNumber
    if len(digits) == CCCD_DIGITS:
        return IdNumber("cccd", digits)
    if not accept_old:
        raise errors.OldIdNumber
    return IdNumber("cmnd", digits)


def birth_year_agrees(number: IdNumber, birth_date: BirthDate) -> bool:
    """Tell whether the year inside a 12-digit number is the declared one; the 9-digit number holds no year and always agrees.

    The place code and the sex are not looked at, and a disagreement is a warning, not proof: civil status can have been corrected.
    """
    if number.type == "cmnd":
        return True
    # Decree 137/2015 art. 13: the fourth digit is century and sex (0 and 1: 1900s, 2 and 3: 2000s, ...), then the year's last two.
    century = 1900 + 100 * (int(number.digits[3]) // 2)
    return century + int(number.digits[4:6]) == birth_date.year
