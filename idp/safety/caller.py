"""Who calls: known to the audit and to the log of everything that one request does."""

from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True)
class Caller:
    """Who acts (`person`, `portal`, `operator:NAME` or `system`), from which address, in which request."""

    actor: str
    address: str
    request_id: str

    def __repr__(self) -> str:
        """Hide the address, which is a personal datum."""
        return f"Caller(actor={self.actor!r}, request_id={self.request_id!r})"


CALLER: ContextVar[Caller] = ContextVar("CALLER", default=Caller("system", "", ""))  # noqa: B039 - Caller is frozen
