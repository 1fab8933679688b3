"""Registration drafts: what an applicant typed, kept encrypted for a day while the phone and the carrier are asked.

    FILLED ---------> PHONE_PROVEN ---> MATCHED ---> REGISTERED
      ^                 |     |            ^
      |                 |     +-> WAITING -+      (the carrier was away; a job asks again)
      |                 v            |
      +--- (edited) - REFUSED <------+

Each transition is one UPDATE that names the states it may come from; where none applied, it was not due. The codes that prove a phone
belong to a draft, and a draft's phone can be edited, so `prove_phone` names the phone that was proven.
"""

import json
import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal

from sqlalchemy import ColumnElement, Connection, RowMapping, delete, insert, null, select, update

from idp import errors
from idp.clock import Clock
from idp.config import Config
from idp.identity import birth_dates
from idp.identity.birth_dates import BirthDate
from idp.identity.documents import IdNumber
from idp.identity.phone_numbers import PhoneNumber
from idp.promises import CarrierAnswer, CarrierVerdict
from idp.safety.encryption import Encryption
from idp.storage import tables
from idp.storage.db import Database
from idp.storage.outbox import Outbox
from idp.values import new_id

CARRIER_MATCH = "carrier_match"  # the kind of the outbox item that asks the carrier again

_ID = re.compile(r"[0-9a-f-]{36}")
Subject = Literal["citizen", "business", "agency"]
_drafts = tables.registration_drafts


class DraftState(StrEnum):
    """Where a draft stands."""

    FILLED = "filled"
    PHONE_PROVEN = "phone_proven"
    WAITING = "waiting"
    REFUSED = "refused"
    MATCHED = "matched"
    REGISTERED = "registered"


# Drafts whose phone was proven once; what a stranger typed beside this phone is not shown to its owner.
_RESUMABLE = (DraftState.PHONE_PROVEN, DraftState.WAITING, DraftState.REFUSED, DraftState.MATCHED)


@dataclass(frozen=True)
class Applicant:
    """Who wants an account, as typed and parsed, with nothing proven yet."""

    subject: Subject
    id_number: IdNumber
    full_name: str
    birth_date: BirthDate
    phone: PhoneNumber
    email: str | None

    def __repr__(self) -> str:
        """Hide the personal data, so that no log can hold them."""
        return f"Applicant({self.subject})"


@dataclass(frozen=True)
class Draft:
    """A registration under way."""

    id: str
    state: DraftState
    applicant: Applicant
    verdict: CarrierVerdict | None
    carrier: str | None
    fields_matched: tuple[str, ...]
    checked_at: datetime | None
    interaction_id: str | None
    expires_at: datetime


class RegistrationDrafts:
    """Opens drafts, moves them along, and finds them again for the browser or the phone that they belong to."""

    def __init__(self, *, database: Database, encryption: Encryption, clock: Clock, config: Config, outbox: Outbox) -> None:
        """Take the parts."""
        self._database = database
        self._encryption = encryption
        self._clock = clock
        self._rule = config.registration
        self._outbox = outbox

    def open(self, applicant: Applicant, *, browser_hash: str, interaction_id: str | None) -> Draft:
        """Keep what was typed, for the browser whose cookie has `browser_hash`."""
        draft_id = new_id()
        with self._database.transaction() as tx:
            now = self._database.now(tx)
            tx.execute(
                insert(_drafts).values(
                    id=draft_id,
                    state=DraftState.FILLED.value,
                    browser_hash=browser_hash,
                    created_at=now,
                    expires_at=now + self._rule.draft_lifetime,
                    **self._sealed(draft_id, applicant, interaction_id),
                )
            )
            return self._draft(self._row(tx, draft_id))

    def get(self, draft_id: str, *, browser_hash: str) -> Draft:
        """Give a draft to the browser that it belongs to; raises `DraftMissing` when unknown, expired, or another browser's."""
        with self._database.reading() as tx:
            return self._draft(self._row(tx, draft_id, _drafts.c.browser_hash == browser_hash))

    def get_for_job(self, draft_id: str) -> Draft:
        """Give a draft to a job; raises `DraftMissing` when unknown or expired."""
        with self._database.reading() as tx:
            return self._draft(self._row(tx, draft_id))

    def find_resumable(self, phone: PhoneNumber) -> Draft | None:
        """Give the newest unfinished draft whose phone was proven to be this one, or None; show nothing of it before a new code."""
        with self._database.reading() as tx:
            newest = (
                select(_drafts)
                .where(
                    self._has_phone(phone),
                    _drafts.c.state.in_([state.value for state in _RESUMABLE]),
                    _drafts.c.expires_at > self._database.now(tx),
                )
                .order_by(_drafts.c.id.desc())
                .limit(1)
            )
            row = tx.execute(newest).mappings().first()
        return self._draft(row) if row else None

    def prove_phone(self, draft_id: str, *, phone: PhoneNumber) -> None:
        """Move FILLED -> PHONE_PROVEN, if `phone`, which a code has just proven, is still the draft's; raises `StepOutOfOrder`."""
        with self._database.transaction() as tx:
            self._move(tx, draft_id, self._has_phone(phone), origins=[DraftState.FILLED], to=DraftState.PHONE_PROVEN)

    def settle(self, draft: Draft, answer: CarrierAnswer) -> None:
        """Move PHONE_PROVEN or WAITING -> MATCHED or REFUSED, as the carrier answered about the applicant of `draft`.

        Raises `StepOutOfOrder`, also when something else was typed since: an answer vouches for nobody but whom it was asked about.
        """
        if answer.verdict is CarrierVerdict.UNAVAILABLE:
            raise ValueError("a carrier that is away has not answered; wait() keeps the draft")
        with self._database.transaction() as tx:
            row = self._row(tx, draft.id)
            if self._draft(row).applicant != draft.applicant:
                raise errors.StepOutOfOrder("the answer is about another applicant")
            self._move(
                tx,
                draft.id,
                _is_unchanged(row),
                origins=[DraftState.PHONE_PROVEN, DraftState.WAITING],
                to=DraftState.MATCHED if answer.verdict is CarrierVerdict.MATCH else DraftState.REFUSED,
                verdict=answer.verdict.value,
                carrier=answer.carrier,
                fields_matched=list(answer.fields_matched),
                checked_at=self._clock.now(),
            )

    def wait(self, draft_id: str) -> None:
        """Move PHONE_PROVEN -> WAITING, and have the carrier asked again later; raises `StepOutOfOrder`."""
        item_id = new_id()
        payload = self._encryption.seal(json.dumps({"draft_id": draft_id}), f"outbox.payload:{item_id}")
        with self._database.transaction() as tx:
            self._move(tx, draft_id, origins=[DraftState.PHONE_PROVEN], to=DraftState.WAITING, verdict=CarrierVerdict.UNAVAILABLE.value)
            self._outbox.add(
                tx,
                kind=CARRIER_MATCH,
                payload_sealed=payload,
                due_at=self._database.now(tx) + self._rule.carrier_retry_every,
                give_up_at=self._row(tx, draft_id)["expires_at"],
                id=item_id,
            )

    def edit(self, draft_id: str, applicant: Applicant) -> Draft:
        """Move FILLED or REFUSED -> FILLED, with what was typed anew: the phone has to be proven again. Raises `StepOutOfOrder`."""
        with self._database.transaction() as tx:
            row = self._row(tx, draft_id)
            self._move(
                tx,
                draft_id,
                _is_unchanged(row),
                origins=[DraftState.FILLED, DraftState.REFUSED],
                to=DraftState.FILLED,
                verdict=None,
                carrier=None,
                fields_matched=null(),
                checked_at=None,
                **self._sealed(draft_id, applicant, self._draft(row).interaction_id),
            )
            return self._draft(self._row(tx, draft_id))

    def adopt(self, draft_id: str, browser_hash: str, *, interaction_id: str | None = None) -> Draft:
        """Hand a draft over to another browser, which has proven the phone, with that browser's own interaction.

        Raises `StepOutOfOrder` when the draft changed meanwhile, or is not one that `find_resumable` gives.
        """
        with self._database.transaction() as tx:
            row = self._row(tx, draft_id)
            draft = self._draft(row)
            self._move(
                tx,
                draft_id,
                _is_unchanged(row),
                origins=[draft.state] if draft.state in _RESUMABLE else [],
                to=draft.state,
                browser_hash=browser_hash,
                **self._sealed(draft_id, draft.applicant, interaction_id),
            )
            return self._draft(self._row(tx, draft_id))

    def mark_registered(self, tx: Connection, draft_id: str, account_id: str) -> None:
        """Move MATCHED -> REGISTERED, inside the transaction that makes the account; raises `StepOutOfOrder`."""
        mark_registered(tx, draft_id, account_id, now=self._database.now(tx))

    def delete_expired(self, *, most: int) -> int:
        """Delete drafts whose time is over, at most so many; gives how many it were."""
        with self._database.transaction() as tx:
            over = select(_drafts.c.id).where(_drafts.c.expires_at <= self._database.now(tx)).limit(most)
            # PostgreSQL passes by what another process is deleting at this moment; SQLite has one writer at a time.
            return tx.execute(delete(_drafts).where(_drafts.c.id.in_(over.with_for_update(skip_locked=True)))).rowcount

    def _move(
        self, tx: Connection, draft_id: str, *conditions: ColumnElement[bool], origins: list[DraftState], to: DraftState, **values: object
    ) -> None:
        _move(tx, draft_id, *conditions, origins=origins, to=to, now=self._database.now(tx), **values)

    def _row(self, tx: Connection, draft_id: str, *conditions: ColumnElement[bool]) -> RowMapping:
        if not _ID.fullmatch(draft_id):
            raise errors.DraftMissing("not an id of ours")
        question = select(_drafts).where(_drafts.c.id == draft_id, _drafts.c.expires_at > self._database.now(tx), *conditions)
        row = tx.execute(question).mappings().first()
        if row is None:
            raise errors.DraftMissing
        return row

    def _has_phone(self, phone: PhoneNumber) -> ColumnElement[bool]:
        return _drafts.c.phone_index.in_(self._encryption.indexes("phone", phone.e164))

    def _sealed(self, draft_id: str, applicant: Applicant, interaction_id: str | None) -> dict[str, str]:
        """Give the columns of what was typed."""
        text = json.dumps(
            {
                "subject": applicant.subject,
                "id_number": [applicant.id_number.type, applicant.id_number.digits],
                "full_name": applicant.full_name,
                "birth_date": applicant.birth_date.iso,
                "phone": applicant.phone.e164,
                "email": applicant.email,
                "interaction_id": interaction_id,
            }
        )
        return {
            "applicant_sealed": self._encryption.seal(text, f"registration_drafts.applicant:{draft_id}"),
            "phone_index": self._encryption.index("phone", applicant.phone.e164),
        }

    def _draft(self, row: RowMapping) -> Draft:
        typed = json.loads(self._encryption.unseal(row["applicant_sealed"], f"registration_drafts.applicant:{row['id']}"))
        return Draft(
            id=row["id"],
            state=DraftState(row["state"]),
            applicant=Applicant(
                subject=typed["subject"],
                id_number=IdNumber(*typed["id_number"]),
                full_name=typed["full_name"],
                birth_date=birth_dates.from_iso(typed["birth_date"]),
                phone=PhoneNumber(typed["phone"]),
                email=typed["email"],
            ),
            verdict=CarrierVerdict(row["verdict"]) if row["verdict"] else None,
            carrier=row["carrier"],
            fields_matched=tuple(row["fields_matched"] or ()),
            checked_at=row["checked_at"],
            interaction_id=typed["interaction_id"],
            expires_at=row["expires_at"],
        )


def mark_registered(tx: Connection, draft_id: str, account_id: str, *, now: datetime) -> None:
    """Move MATCHED -> REGISTERED, inside the transaction that makes the account; raises `StepOutOfOrder`."""
    _move(tx, draft_id, origins=[DraftState.MATCHED], to=DraftState.REGISTERED, now=now, account_id=account_id)


def _move(
    tx: Connection,
    draft_id: str,
    *conditions: ColumnElement[bool],
    origins: list[DraftState],
    to: DraftState,
    now: datetime,
    **values: object,
) -> None:
    """Make one transition in one statement, or none: raises `StepOutOfOrder` when the draft is elsewhere, expired or unknown."""
    moved = tx.execute(
        update(_drafts)
        .where(_drafts.c.id == draft_id, _drafts.c.state.in_([state.value for state in origins]), _drafts.c.expires_at > now)
        .where(*conditions)
        .values(state=to.value, **values)
    )
    if moved.rowcount != 1:
        raise errors.StepOutOfOrder


def _is_unchanged(row: RowMapping) -> ColumnElement[bool]:
    """Hold what was typed to the very text that was read: each sealing of it differs."""
    unchanged: ColumnElement[bool] = _drafts.c.applicant_sealed == row["applicant_sealed"]
    return unchanged
