"""The one clock of a node; what several nodes must agree on uses `idp.storage.db.Database.now` instead."""

from datetime import UTC, datetime


class Clock:
    """Tells the time of this node."""

    def now(self) -> datetime:
        """Give the present instant, aware, in UTC."""
        return datetime.now(UTC)
