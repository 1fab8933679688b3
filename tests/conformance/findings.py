"""What a judge finds: a failure ends a module, a warning is counted."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it has to be (a failure) or as it should be (a warning)."""

    text: str
    is_failure: bool

    def __str__(self) -> str:
        """Give it as a line of a report."""
        return f"{'FAILURE' if self.is_failure else 'WARNING'}: {self.text}"


Findings = Iterator[Finding]


def must(text: str, *, holds: bool) -> Findings:
    """Find a failure unless it holds."""
    if not holds:
        yield Finding(text, is_failure=True)


def should(text: str, *, holds: bool) -> Findings:
    """Find a warning unless it holds."""
    if not holds:
        yield Finding(text, is_failure=False)
