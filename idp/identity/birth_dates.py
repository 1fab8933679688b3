"""Birth dates, of which old documents may give the year alone."""

import re
from dataclasses import dataclass
from datetime import date

from idp import errors

EARLIEST_YEAR = 1900
LONGEST_INPUT = 24
_FULL = re.compile(r"([0-9]{1,2}) ?([/.-]) ?([0-9]{1,2}) ?\2 ?([0-9]{4})")
_YEAR = re.compile(r"[0-9]{4}")
_ISO = re.compile(r"([0-9]{4})(?:-([0-9]{2})-([0-9]{2}))?")


@dataclass(frozen=True, repr=False)
class BirthDate:
    """A birth date: a real day of the calendar, or a year alone (`month` and `day` are both None)."""

    year: int
    month: int | None = None
    day: int | None = None

    def __post_init__(self) -> None:
        """Refuse what no calendar holds, with `ValueError`."""
        if (self.month is None) != (self.day is None):
            raise ValueError("a birth date is a whole day or a year alone")
        self.earliest()

    def earliest(self) -> date:
        """Give the first day that this can be."""
        return date(self.year, 1 if self.month is None else self.month, 1 if self.day is None else self.day)

    @property
    def iso(self) -> str:
        """Give `1990-02-01`, or `1990` (ISO 8601, as OpenID Connect's `birthdate` asks)."""
        return f"{self.year:04}" if self.month is None else self.earliest().isoformat()

    @property
    def shown(self) -> str:
        """Give `01/02/1990`, or `1990`, as documents in Vietnam print it."""
        return f"{self.year:04}" if self.month is None else f"{self.day:02}/{self.month:02}/{self.year:04}"

    def __str__(self) -> str:
        """Give no personal datum, so that no log can hold it."""
        return "BirthDate(•)"

    __repr__ = __str__


def parse(text: str, *, today: date) -> BirthDate:
    """Read `dd/mm/yyyy` (also `d/m/yyyy`, with `-` or `.`) or `yyyy`; raises `InvalidBirthDate`, also for a day after `today`."""
    if len(text) > LONGEST_INPUT:
        raise errors.InvalidBirthDate("too long")
    birth_date = _read(text.strip(" \u00a0"))
    if birth_date is None or birth_date.year < EARLIEST_YEAR or birth_date.earliest() > today:
        raise errors.InvalidBirthDate
    return birth_date


def _read(text: str) -> BirthDate | None:
    found = _FULL.fullmatch(text)
    try:
        if found:
            return BirthDate(int(found[4]), int(found[3]), int(found[1]))
        return BirthDate(int(text)) if _YEAR.fullmatch(text) else None
    except ValueError:
        return None


def from_iso(text: str) -> BirthDate:
    """Read back what `iso` gave; raises `ValueError` for anything else."""
    found = _ISO.fullmatch(text)
    if not found:
        raise ValueError("not a stored birth date")
    return BirthDate(int(found[1]), int(found[2]) if found[2] else None, int(found[3]) if found[3] else None)
