"""The carrier asked again: when, how often, by whom, and what the person is told."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from idp import services as wiring
from idp.config import Config
from idp.errors import StoreUnavailable
from idp.identity.registration_drafts import Draft, DraftState, RegistrationDrafts
from idp.jobs import carrier_retry
from idp.jobs.carrier_retry import CarrierRetry
from idp.promises import CarrierVerdict
from idp.safety.audit import Audit
from idp.services import Services
from idp.storage.db import Database
from idp.storage.outbox import Outbox
from idp.values import secret_hash
from tests.clock import MovableClock
from tests.fakes import FakeCarrier, FakeSms
from tests.identity.people import PHONE, applicant, cccd

BROWSER = secret_hash("browser")


@pytest.fixture
def carrier() -> FakeCarrier:
    """Give a carrier that is away."""
    made = FakeCarrier()
    made.will_say(PHONE.e164, CarrierVerdict.UNAVAILABLE)
    return made


@pytest.fixture
def sms() -> FakeSms:
    """Give a gateway that keeps its messages."""
    return FakeSms()


@pytest.fixture
def services(config: Config, database: Database, clock: MovableClock, carrier: FakeCarrier, sms: FakeSms) -> Services:
    """Give the services on either database, with the outside world as fakes."""
    built = wiring.build(config, database)
    outbox = Outbox(database=database, clock=clock)
    drafts = RegistrationDrafts(database=database, encryption=built.encryption, clock=clock, config=config, outbox=outbox)
    audit = Audit(database=database, encryption=built.encryption, clock=clock)
    return replace(built, clock=clock, carrier=carrier, sms=sms, outbox=outbox, drafts=drafts, audit=audit)


def waiting(services: Services, serial: int = 1) -> Draft:
    """Give a draft that waits for the carrier."""
    draft = services.drafts.open(applicant(id_number=cccd(serial)), browser_hash=BROWSER, interaction_id=None)
    services.drafts.prove_phone(draft.id, phone=PHONE)
    carrier_retry.count_ask(services, draft)
    services.drafts.wait(draft.id)
    return services.drafts.get_for_job(draft.id)


def state(services: Services, draft: Draft) -> DraftState:
    """Give where the draft stands by now."""
    return services.drafts.get_for_job(draft.id).state


def test_nothing_is_asked_before_it_is_due(services: Services, carrier: FakeCarrier, clock: MovableClock) -> None:
    waiting(services)
    assert CarrierRetry(services).run_once() == 0
    clock.move(timedelta(seconds=30))
    assert CarrierRetry(services).run_once() == 1
    assert len(carrier.questions) == 1


@pytest.mark.parametrize(
    ("verdict", "becomes", "words"),
    [
        (CarrierVerdict.MATCH, DraftState.MATCHED, "da khop"),
        (CarrierVerdict.MISMATCH, DraftState.REFUSED, "chua khop"),
        (CarrierVerdict.OLD_DOCUMENT, DraftState.REFUSED, "chua khop"),
        (CarrierVerdict.LOCKED, DraftState.REFUSED, "chua khop"),
        (CarrierVerdict.NOT_FOUND, DraftState.REFUSED, "chua khop"),
    ],
)
def test_answer_settles_the_draft_and_the_person_is_told(
    services: Services, carrier: FakeCarrier, sms: FakeSms, clock: MovableClock, verdict: CarrierVerdict, becomes: DraftState, words: str
) -> None:
    draft = waiting(services)
    carrier.will_say(PHONE.e164, verdict)
    clock.move(timedelta(minutes=1))
    assert CarrierRetry(services).run_once() == 1
    assert state(services, draft) is becomes
    (text,) = sms.texts_to(PHONE.e164)
    assert words in text
    assert services.drafts.get_for_job(draft.id).verdict is verdict
    assert CarrierRetry(services).run_once() == 0


@pytest.mark.parametrize(
    "text", [carrier_retry.MATCHED_TEXT, carrier_retry.REFUSED_TEXT, carrier_retry.GIVEN_UP_TEXT.format(hotline="18001096")]
)
def test_texts_keep_the_rules_of_the_carriers(text: str) -> None:
    assert text.isascii()
    assert len(text) <= 160
    assert "http" not in text
    assert "/" not in text


def test_question_is_the_same_one_each_time_and_ever_rarer(services: Services, carrier: FakeCarrier, clock: MovableClock) -> None:
    waiting(services)
    asked = []
    for second in range(0, 600, 10):
        clock.move(timedelta(seconds=10))
        if CarrierRetry(services).run_once():
            asked.append(second + 10)
    assert asked == [30, 60, 120, 240, 480]
    assert len({question.reference for question in carrier.questions}) == 1


def test_longest_wait_is_bounded(services: Services, carrier: FakeCarrier, clock: MovableClock) -> None:
    waiting(services)
    for _ in range(40):
        clock.move(timedelta(minutes=30))
        CarrierRetry(services).run_once()
    assert len(carrier.questions) == 40


def test_it_stops_at_the_end_of_the_draft_and_says_so(services: Services, carrier: FakeCarrier, sms: FakeSms, clock: MovableClock) -> None:
    waiting(services)
    for _ in range(60):
        clock.move(timedelta(minutes=30))
        CarrierRetry(services).run_once()
    assert len(carrier.questions) < 50
    (text,) = sms.texts_to(PHONE.e164)
    assert text.startswith("Chua kiem tra duoc")
    assert "18001096" in text


def test_draft_that_ended_is_not_asked_about(services: Services, carrier: FakeCarrier, sms: FakeSms, clock: MovableClock) -> None:
    waiting(services)
    clock.move(timedelta(days=2))
    assert CarrierRetry(services).run_once() == 1
    assert CarrierRetry(services).run_once() == 0
    assert (carrier.questions, sms.messages) == ([], [])


def test_text_that_no_gateway_took_is_sent_later_without_another_question(
    services: Services, carrier: FakeCarrier, sms: FakeSms, clock: MovableClock
) -> None:
    draft = waiting(services)
    carrier.will_say(PHONE.e164, CarrierVerdict.MATCH)
    sms.is_down = True
    clock.move(timedelta(minutes=1))
    assert CarrierRetry(services).run_once() == 1
    assert state(services, draft) is DraftState.MATCHED
    sms.is_down = False
    assert CarrierRetry(services).run_once() == 0
    clock.move(timedelta(minutes=1))
    assert CarrierRetry(services).run_once() == 1
    assert len(sms.messages) == 1
    assert len(carrier.questions) == 1


def test_draft_that_another_settled_meanwhile_is_left_alone(
    services: Services, carrier: FakeCarrier, sms: FakeSms, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    draft = waiting(services)
    carrier.will_say(PHONE.e164, CarrierVerdict.MISMATCH)
    clock.move(timedelta(minutes=1))
    asked = carrier_retry.ask_carrier

    def slowly(slow: Services, of: Draft) -> object:
        answer = asked(slow, of)
        services.drafts.settle(draft, replace(answer, verdict=CarrierVerdict.MATCH))
        return answer

    monkeypatch.setattr(carrier_retry, "ask_carrier", slowly)
    assert CarrierRetry(services).run_once() == 1
    assert state(services, draft) is DraftState.MATCHED
    assert sms.messages == []


def test_store_away_postpones(services: Services, carrier: FakeCarrier, clock: MovableClock, monkeypatch: pytest.MonkeyPatch) -> None:
    draft = waiting(services)
    clock.move(timedelta(minutes=1))

    def away(*_: object) -> int:
        raise StoreUnavailable

    monkeypatch.setattr(services.store, "peek", away)
    assert CarrierRetry(services).run_once() == 1
    monkeypatch.undo()
    assert state(services, draft) is DraftState.WAITING
    carrier.will_say(PHONE.e164, CarrierVerdict.MATCH)
    clock.move(timedelta(minutes=1))
    assert CarrierRetry(services).run_once() == 1
    assert state(services, draft) is DraftState.MATCHED


def test_item_that_cannot_be_read_harms_no_other(services: Services, carrier: FakeCarrier, sms: FakeSms, clock: MovableClock) -> None:
    with services.database.transaction() as tx:
        now = clock.now()
        services.outbox.add(tx, kind="carrier_match", payload_sealed="v1.broken", due_at=now, give_up_at=now + timedelta(hours=1))
    draft = waiting(services)
    carrier.will_say(PHONE.e164, CarrierVerdict.MATCH)
    clock.move(timedelta(minutes=1))
    assert CarrierRetry(services).run_once() == 2
    assert state(services, draft) is DraftState.MATCHED
    clock.move(timedelta(hours=2))
    CarrierRetry(services).run_once()
    clock.move(timedelta(hours=2))
    assert CarrierRetry(services).run_once() == 0
    assert len(sms.messages) == 1


@pytest.mark.race
def test_many_workers_ask_once_and_tell_once(services: Services, carrier: FakeCarrier, sms: FakeSms, clock: MovableClock) -> None:
    drafts = [waiting(services, serial) for serial in range(6)]
    carrier.will_say(PHONE.e164, CarrierVerdict.MATCH)
    clock.move(timedelta(minutes=1))
    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda _: CarrierRetry(services).run_once(), range(8)))
    assert sum(done) == len(drafts)
    assert {state(services, draft) for draft in drafts} == {DraftState.MATCHED}
    assert (len(carrier.questions), len(sms.messages)) == (6, 6)


def test_it_works_on_a_few_at_a_time(
    services: Services, carrier: FakeCarrier, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(carrier_retry, "MOST_A_RUN", 2)
    for serial in range(3):
        waiting(services, serial)
    clock.move(timedelta(minutes=1))
    assert [CarrierRetry(services).run_once() for _ in range(3)] == [2, 1, 0]
    assert len(carrier.questions) == 3
