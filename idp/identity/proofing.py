"""Evidence: who confirmed a person's identity, by which method, when, and on which fields; levels are computed from it, never stored."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert

from idp.storage import tables
from idp.values import new_id


@dataclass(frozen=True)
class NewEvidence:
    """Evidence about to be recorded. `method` is a key of `[assurance.proofing_levels]`, `source` names who confirmed it."""

    method: str
    source: str
    result: str
    fields_matched: tuple[str, ...]
    checked_at: datetime
    expires_at: datetime | None = None
    reference: str | None = None


@dataclass(frozen=True)
class Evidence:
    """Recorded evidence. It counts until it expires or is withdrawn, as when a SIM changes hands."""

    method: str
    source: str
    result: str
    fields_matched: tuple[str, ...]
    checked_at: datetime
    expires_at: datetime | None = None
    withdrawn_at: datetime | None = None

    @classmethod
    def from_row(cls, row: Any) -> "Evidence":  # noqa: ANN401 - a row of either driver
        """Read a row with the columns of the table `evidence`, as `accounts.STANDING_COLUMNS` names them."""
        return cls(
            method=row.method,
            source=row.source,
            result=row.result,
            fields_matched=tuple(row.fields_matched),
            checked_at=row.checked_at,
            expires_at=row.evidence_expires_at,
            withdrawn_at=row.evidence_withdrawn_at,
        )


def record(tx: Connection, account_id: str, new: NewEvidence) -> str:
    """Add evidence to an account, inside the caller's transaction; gives its id."""
    evidence_id = new_id()
    tx.execute(
        insert(tables.evidence).values(
            id=evidence_id,
            account_id=account_id,
            method=new.method,
            source=new.source,
            result=new.result,
            fields_matched=list(new.fields_matched),
            reference=new.reference,
            checked_at=new.checked_at,
            expires_at=new.expires_at,
        )
    )
    return evidence_id
