"""The question to a mobile carrier about a draft, and the job that asks it again where the carrier was away."""

import json
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from idp.errors import DraftMissing, SmsUnavailable, StepOutOfOrder, StoreUnavailable
from idp.identity.registration_drafts import CARRIER_MATCH, Draft, DraftState
from idp.promises import CarrierAnswer, CarrierQuestion, CarrierVerdict, SmsMessage
from idp.safety.encryption import SealBroken
from idp.services import Services

ASKS = "registration_carrier_asks"
MOST_A_RUN = 20
HOLD = timedelta(minutes=2)  # longer than one item can take, with every timeout of the carrier and the gateways
LONGEST_WAIT = timedelta(minutes=30)
_DOUBLINGS = 10  # as many as any wait needs to reach the longest

# As registered with the carriers: without accents, at most 160 characters, no link (facts.md B6).
MATCHED_TEXT = "Thong tin thue bao da khop voi nha mang. Quy khach vui long mo lai trang dang ky va chon Tiep tuc dang ky de hoan tat."
REFUSED_TEXT = "Thong tin dang ky chua khop voi thong tin thue bao tai nha mang. Quy khach vui long mo lai trang dang ky de xem huong dan."
GIVEN_UP_TEXT = "Chua kiem tra duoc thong tin thue bao voi nha mang. Quy khach vui long dang ky lai sau hoac goi {hotline}."
_TEXTS = {DraftState.MATCHED: MATCHED_TEXT, DraftState.REFUSED: REFUSED_TEXT}

_log = structlog.get_logger("senid.jobs")


# --- the question, first asked by the journey, again by the job ------------------------------------------------------------------------


def count_ask(services: Services, draft: Draft) -> None:
    """Begin a new question about the draft: what is asked until the next call is the same question asked again."""
    services.store.count(ASKS, draft.id, services.config.registration.draft_lifetime)


def question_reference(services: Services, draft: Draft) -> str:
    """Give what names the draft's present question to the carrier, who answers a repeated one without a second look-up."""
    return f"{draft.id}-{services.store.peek(ASKS, draft.id)}"


def ask_carrier(services: Services, draft: Draft) -> CarrierAnswer:
    """Ask whether phone, number, name and birth date belong together; the audit tells that it was asked."""
    applicant = draft.applicant
    answer = services.carrier.match(
        CarrierQuestion(
            phone=applicant.phone.e164,
            id_number=applicant.id_number.digits,
            full_name=applicant.full_name,
            birth_date=applicant.birth_date.iso,
            reference=question_reference(services, draft),
        )
    )
    services.audit.carrier_asked(draft.id, verdict=answer.verdict.value, carrier=answer.carrier)
    return answer


class Item(Protocol):
    """What the job reads of an item of the outbox."""

    @property
    def id(self) -> str:
        """Give its id, for which the payload is sealed."""
        ...

    @property
    def payload_sealed(self) -> str:
        """Give the sealed JSON that names the draft."""
        ...

    @property
    def attempts(self) -> int:
        """Give how often it was claimed, this time too."""
        ...

    @property
    def give_up_at(self) -> datetime:
        """Give the end of the draft."""
        ...


# --- the job --------------------------------------------------------------------------------------------------------------------------


class CarrierRetry:
    """Asks for every waiting draft, ever less often, until the carrier answers or the draft ends; then tells the person by text message.

    Any number of processes may run it: an item is claimed by one, and an answer that comes second finds the draft settled.
    """

    def __init__(self, services: Services) -> None:
        """Take the services."""
        self._services = services

    def run_once(self) -> int:
        """Work on what is due; gives how many items that was."""
        for done in range(MOST_A_RUN):
            claimed = self._services.outbox.claim(CARRIER_MATCH, most=1, hold=HOLD)
            if not claimed:
                return done
            self._work(claimed[0])
        return MOST_A_RUN

    def _work(self, item: Item) -> None:
        try:
            is_done = self._handle(item)
        except (DraftMissing, StepOutOfOrder):
            is_done = True  # it ended, or somebody else moved it on
        except (SealBroken, SmsUnavailable, StoreUnavailable) as error:
            _log.warning("carrier_retry_postponed", item=item.id, error=type(error).__name__)
            is_done = self._is_last(item)
        if is_done:
            self._services.outbox.done(None, item.id)
        else:
            self._services.outbox.postpone(item.id, self._services.clock.now() + self._wait(item))

    def _handle(self, item: Item) -> bool:
        """Ask about a waiting draft and tell the person what came of it; gives whether nothing is left to do."""
        drafts = self._services.drafts
        draft = drafts.get_for_job(self._draft_id(item))
        if draft.state is DraftState.WAITING:
            answer = ask_carrier(self._services, draft)
            if answer.verdict is CarrierVerdict.UNAVAILABLE:
                return self._give_up_at_last(item, draft)
            drafts.settle(draft, answer)
            draft = drafts.get_for_job(draft.id)
        # A draft that is settled already is one whose text message could not be sent the last time.
        if draft.state in _TEXTS:
            self._tell(item, draft, _TEXTS[draft.state])
        return True

    def _give_up_at_last(self, item: Item, draft: Draft) -> bool:
        if self._is_last(item):
            self._tell(item, draft, GIVEN_UP_TEXT.format(hotline=self._services.config.help.hotline))
            return True
        return False

    def _tell(self, item: Item, draft: Draft, text: str) -> None:
        self._services.sms.send(SmsMessage(to=draft.applicant.phone.e164, text=text, reference=item.id))

    def _draft_id(self, item: Item) -> str:
        payload = self._services.encryption.unseal(item.payload_sealed, f"outbox.payload:{item.id}")
        return str(json.loads(payload)["draft_id"])

    def _wait(self, item: Item) -> timedelta:
        """Give the time until the next try: twice as long each time."""
        first = self._services.config.registration.carrier_retry_every
        factor: int = 2 ** min(item.attempts - 1, _DOUBLINGS)
        return min(first * factor, max(first, LONGEST_WAIT))

    def _is_last(self, item: Item) -> bool:
        """Tell whether the draft might be over when another try would have run; afterwards there is nobody left to tell."""
        return self._services.clock.now() + self._wait(item) + HOLD >= item.give_up_at
