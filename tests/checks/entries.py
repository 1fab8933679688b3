"""The entries: which line of the product a check is, what stands there when it is gone, and which tests have to see it."""

import hashlib
import tomllib
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

FOLDER = Path("tests/checks")
ITEMS = ("conformance", "races", "crashes", "secrets", "fuzz", "time")


class Check(BaseModel):
    """One check of the product, and how it is taken away."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=10, pattern=r"^[^|`\n]+$")
    item: Literal["conformance", "races", "crashes", "secrets", "fuzz", "time"]
    file: str = Field(pattern=r"^(idp|templates|static|locales)/[\w./-]+$")
    find: str = Field(min_length=1)
    put: str
    tests: tuple[str, ...] = Field(min_length=1)

    @property
    def digest(self) -> str:
        """Give what changes with anything in the entry: a result speaks of the entry as it was then."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:8]

    def removed_from(self, text: str) -> str:
        """Give the text of the file without the check; raises ValueError where it does not stand there exactly once."""
        if (count := text.count(self.find)) != 1:
            raise ValueError(f"{self.name}: `find` stands {count} times in {self.file}")
        return text.replace(self.find, self.put)


class Entries(BaseModel):
    """One file of entries."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    check: tuple[Check, ...]


def every_check(root: Path) -> list[Check]:
    """Give all entries of a tree, in the order in which they are told: by item, then by file and place."""
    files = sorted((root / FOLDER).glob("*.toml"))
    checks = [check for file in files for check in _entries_of(file)]
    return sorted(checks, key=lambda check: ITEMS.index(check.item))


def _entries_of(file: Path) -> tuple[Check, ...]:
    try:
        return Entries.model_validate(tomllib.loads(file.read_text(encoding="utf-8"))).check
    except ValueError as error:
        raise ValueError(f"{file.name}: {error}") from None
