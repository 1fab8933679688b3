"""One-time codes."""

import re
from datetime import timedelta
from typing import Any

import pytest

from idp import errors
from idp.config import Config
from idp.identity import one_time_codes
from idp.identity.one_time_codes import Challenge, OneTimeCodes, Purpose, random_code
from idp.safety.audit import Audit
from idp.safety.rate_limits import RateLimits
from idp.safety.sealed_store import SealedStore
from idp.storage.db import Database
from tests.clock import MovableClock
from tests.fakes import FakeSms
from tests.identity.people import OTHER_PHONE, PHONE
from tests.identity.races import meeting, race

ACCOUNT = "0192f000-0000-7000-8000-000000000001"
OTHER_ACCOUNT = "0192f000-0000-7000-8000-000000000002"


def sign_in(codes: OneTimeCodes, account: str = ACCOUNT) -> Challenge:
    """Send a code for signing in."""
    return codes.send(Purpose.SIGN_IN, phone=PHONE, owner=account, language="vi")


def answer(codes: OneTimeCodes, challenge: Challenge, code: str, *, owner: str = ACCOUNT) -> None:
    """Answer a challenge of signing in."""
    codes.verify(challenge.id, code, purpose=Purpose.SIGN_IN, owner=owner)


def wrong(code: str) -> str:
    """Give another code."""
    return f"{(int(code) + 1) % 10**6:06}"


def with_rule(config: Config, **changes: Any) -> Config:
    """Give the configuration with other one-time codes."""
    return config.model_copy(update={"one_time_codes": config.one_time_codes.model_copy(update=changes)})


@pytest.fixture
def codes_with(store: SealedStore, limits: RateLimits, sms: FakeSms, audit: Audit, clock: MovableClock, config: Config) -> Any:
    """Give a factory of one-time codes with another rule."""
    return lambda **changes: OneTimeCodes(
        config=with_rule(config, **changes), store=store, limits=limits, sms=sms, audit=audit, clock=clock, generate=random_code
    )


@pytest.mark.requirement("A5.51")
@pytest.mark.requirement("A9.76")
@pytest.mark.requirement("A9.79")
def test_the_code_that_was_sent_proves_the_phone(codes: OneTimeCodes, sms: FakeSms) -> None:
    challenge = sign_in(codes)
    assert challenge.phone_masked == "091•••5678"
    proven = codes.verify(challenge.id, sms.last_code(PHONE.e164), purpose=Purpose.SIGN_IN, owner=ACCOUNT)
    assert proven == PHONE


@pytest.mark.parametrize("form", ["{0}{1}", "{0} {1}", " {0}-{1} "])
def test_a_code_may_be_typed_in_groups(codes: OneTimeCodes, sms: FakeSms, form: str) -> None:
    challenge = sign_in(codes)
    code = sms.last_code(PHONE.e164)
    answer(codes, challenge, form.format(code[:3], code[3:]))


def test_a_code_is_six_random_digits() -> None:
    drawn = {random_code() for _ in range(200)}
    assert len(drawn) > 190
    assert all(re.fullmatch("[0-9]{6}", code) for code in drawn)


@pytest.mark.requirement("A5.51")
@pytest.mark.parametrize(
    "purpose, text",
    [
        (Purpose.REGISTER, "Ma OTP dang ky tai khoan la {}, hieu luc 2 phut. KHONG cung cap ma cho bat ky ai."),
        (Purpose.RESUME, "Ma OTP tiep tuc dang ky la {}, hieu luc 2 phut. KHONG cung cap ma cho bat ky ai."),
        (Purpose.SIGN_IN, "Ma OTP dang nhap cua Quy khach la {}, hieu luc 2 phut. KHONG cung cap ma cho bat ky ai."),
    ],
)
def test_each_purpose_has_its_registered_text(codes: OneTimeCodes, sms: FakeSms, purpose: Purpose, text: str) -> None:
    codes.send(purpose, phone=PHONE, owner=ACCOUNT, language="en")
    (sent,) = sms.texts_to(PHONE.e164)
    assert sent == text.format(sms.last_code(PHONE.e164))
    assert sent.isascii()
    assert len(sent) <= 160


@pytest.mark.requirement("A9.80")
@pytest.mark.requirement("A16.C2")
def test_a_code_lives_two_minutes(codes: OneTimeCodes, sms: FakeSms, clock: MovableClock) -> None:
    challenge = sign_in(codes)
    assert challenge.expires_at == clock.now() + timedelta(minutes=2)
    clock.move(timedelta(minutes=2) - timedelta(milliseconds=1))
    answer(codes, challenge, sms.last_code(PHONE.e164))


def test_after_two_minutes_the_code_is_worth_nothing_but_its_challenge_is_known(
    codes: OneTimeCodes, sms: FakeSms, clock: MovableClock
) -> None:
    challenge = sign_in(codes)
    clock.move(timedelta(minutes=2))
    with pytest.raises(errors.OtpExpired):
        answer(codes, challenge, sms.last_code(PHONE.e164))
    assert codes.describe(challenge.id) == challenge


def test_a_clock_that_is_slow_does_not_lengthen_the_life_of_a_code(
    store: SealedStore, codes: OneTimeCodes, sms: FakeSms, clock: MovableClock
) -> None:
    challenge = sign_in(codes)
    record = store.get("otp", challenge.id)
    assert record
    store.drop("otp_code", f"{challenge.id}:{record['serial']}")  # as the store does by its own time
    clock.move(timedelta(hours=-1))
    with pytest.raises(errors.OtpExpired):
        answer(codes, challenge, sms.last_code(PHONE.e164))


def test_a_code_is_taken_once(codes: OneTimeCodes, sms: FakeSms) -> None:
    challenge = sign_in(codes)
    answer(codes, challenge, sms.last_code(PHONE.e164))
    with pytest.raises(errors.OtpExpired):
        answer(codes, challenge, sms.last_code(PHONE.e164))
    assert codes.describe(challenge.id) is None
    with pytest.raises(errors.OtpExpired):
        codes.resend(challenge.id, Purpose.SIGN_IN, ACCOUNT)


@pytest.mark.race
def test_of_fifty_that_answer_at_once_one_wins(codes: OneTimeCodes, sms: FakeSms) -> None:
    challenge = sign_in(codes)
    code = sms.last_code(PHONE.e164)
    assert race(lambda _: answer(codes, challenge, code)).count("won") == 1


@pytest.mark.race
def test_of_five_that_were_compared_at_once_one_wins(codes: OneTimeCodes, sms: FakeSms, monkeypatch: pytest.MonkeyPatch) -> None:
    challenge = sign_in(codes)
    code = sms.last_code(PHONE.e164)
    monkeypatch.setattr(one_time_codes, "_mac", meeting(one_time_codes._mac, threads=5))
    ends = race(lambda _: answer(codes, challenge, code), threads=5)
    assert (ends.count("won"), ends.count("otp_expired")) == (1, 4)


@pytest.mark.race
def test_of_fifty_guesses_at_once_five_are_compared(codes_with: Any, sms: FakeSms) -> None:
    codes = codes_with(tries_per_account_and_day=1000)
    challenge = sign_in(codes)
    code = int(sms.last_code(PHONE.e164))
    ends = race(lambda number: answer(codes, challenge, f"{(code + 1 + number) % 10**6:06}"))
    assert ends.count("otp_wrong") == 4
    assert ends.count("otp_void") == 46  # the fifth says so already


@pytest.mark.parametrize(
    "purpose, owner", [(Purpose.REGISTER, ACCOUNT), (Purpose.RESUME, ACCOUNT), (Purpose.SIGN_IN, OTHER_ACCOUNT), (Purpose.SIGN_IN, "")]
)
def test_a_code_of_another_purpose_or_owner_is_refused_and_stays_good(
    codes: OneTimeCodes, sms: FakeSms, purpose: Purpose, owner: str
) -> None:
    challenge = sign_in(codes)
    code = sms.last_code(PHONE.e164)
    for _ in range(10):
        with pytest.raises(errors.OtpExpired):
            codes.verify(challenge.id, code, purpose=purpose, owner=owner)
    with pytest.raises(errors.OtpExpired):
        codes.resend(challenge.id, purpose, owner)
    answer(codes, challenge, code)


@pytest.mark.parametrize("challenge_id", ["", "unknown", "x" * 43, "x" * 8192, "\x00", "\ud800" * 43])
def test_an_unknown_challenge_is_like_an_expired_one(codes: OneTimeCodes, challenge_id: str) -> None:
    with pytest.raises(errors.OtpExpired):
        codes.verify(challenge_id, "123456", purpose=Purpose.SIGN_IN, owner=ACCOUNT)
    with pytest.raises(errors.OtpExpired):
        codes.resend(challenge_id, Purpose.SIGN_IN, ACCOUNT)
    assert codes.describe(challenge_id) is None


def test_wrong_codes_are_counted_down_and_then_void_the_right_one(codes: OneTimeCodes, sms: FakeSms) -> None:
    challenge = sign_in(codes)
    code = sms.last_code(PHONE.e164)
    for left in (4, 3, 2, 1):
        with pytest.raises(errors.OtpWrong) as refused:
            answer(codes, challenge, wrong(code))
        assert refused.value.values == {"left": left}
    with pytest.raises(errors.OtpVoid):
        answer(codes, challenge, wrong(code))
    with pytest.raises(errors.OtpVoid):
        answer(codes, challenge, code)


@pytest.mark.parametrize(
    "typed",
    ["", "12345", "1234567", "12345a", "\uff11\uff12\uff13\uff14\uff15\uff16", "12345\x00", "1" * 8192, "\ud800", "+12345", "1_2345"],
)
def test_what_cannot_be_a_code_is_wrong_and_costs_no_try(codes: OneTimeCodes, sms: FakeSms, typed: str) -> None:
    challenge = sign_in(codes)
    for _ in range(6):
        with pytest.raises(errors.OtpWrong) as refused:
            answer(codes, challenge, typed)
        assert refused.value.values == {"left": 5}
    answer(codes, challenge, sms.last_code(PHONE.e164))


def test_the_tries_of_an_account_and_day_are_budgeted_across_codes(codes: OneTimeCodes, sms: FakeSms, clock: MovableClock) -> None:
    challenge = sign_in(codes)
    for round_ in range(6):
        if round_:
            clock.move(timedelta(minutes=1))
            challenge = codes.resend(challenge.id, Purpose.SIGN_IN, ACCOUNT)
        for _ in range(5):
            with pytest.raises((errors.OtpWrong, errors.OtpVoid)):
                answer(codes, challenge, wrong(sms.last_code(PHONE.e164)))
    clock.move(timedelta(minutes=1))
    fresh = sign_in(codes)
    with pytest.raises(errors.OtpBudgetSpent) as refused:
        answer(codes, fresh, sms.last_code(PHONE.e164))
    assert refused.value.retry_after_seconds
    clock.move(timedelta(minutes=1))
    other = sign_in(codes, OTHER_ACCOUNT)
    answer(codes, other, sms.last_code(PHONE.e164), owner=OTHER_ACCOUNT)


@pytest.mark.requirement("A5.52")
@pytest.mark.requirement("A9.82")
def test_a_resend_gives_another_code_after_a_wait(codes: OneTimeCodes, sms: FakeSms, clock: MovableClock) -> None:
    challenge = sign_in(codes)
    first = sms.last_code(PHONE.e164)
    clock.move(timedelta(seconds=59))
    with pytest.raises(errors.OtpWait) as refused:
        codes.resend(challenge.id, Purpose.SIGN_IN, ACCOUNT)
    assert refused.value.values == {"seconds": 1, "retry_after_seconds": 1}
    clock.move(timedelta(seconds=1))
    again = codes.resend(challenge.id, Purpose.SIGN_IN, ACCOUNT)
    assert (again.id, again.expires_at) == (challenge.id, clock.now() + timedelta(minutes=2))
    assert len(sms.messages) == 2
    if first != sms.last_code(PHONE.e164):
        with pytest.raises(errors.OtpWrong):
            answer(codes, challenge, first)
    answer(codes, challenge, sms.last_code(PHONE.e164))


@pytest.mark.requirement("A5.52")
def test_a_code_that_ran_out_can_be_sent_again(codes: OneTimeCodes, sms: FakeSms, clock: MovableClock) -> None:
    challenge = sign_in(codes)
    clock.move(timedelta(minutes=30))
    answer(codes, codes.resend(challenge.id, Purpose.SIGN_IN, ACCOUNT), sms.last_code(PHONE.e164))


def test_a_resend_starts_the_tries_anew(codes: OneTimeCodes, sms: FakeSms, clock: MovableClock) -> None:
    challenge = sign_in(codes)
    for _ in range(5):
        with pytest.raises((errors.OtpWrong, errors.OtpVoid)):
            answer(codes, challenge, wrong(sms.last_code(PHONE.e164)))
    clock.move(timedelta(minutes=1))
    codes.resend(challenge.id, Purpose.SIGN_IN, ACCOUNT)
    answer(codes, challenge, sms.last_code(PHONE.e164))


@pytest.mark.race
def test_of_fifty_resends_at_once_one_sends_and_counts(
    codes: OneTimeCodes, store: SealedStore, limits: RateLimits, sms: FakeSms, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    challenge = sign_in(codes)
    clock.move(timedelta(minutes=1))
    monkeypatch.setattr(store, "load", meeting(store.load, threads=50))
    ends = race(lambda _: codes.resend(challenge.id, Purpose.SIGN_IN, ACCOUNT))
    monkeypatch.undo()
    assert (ends.count("won"), ends.count("otp_wait")) == (1, 49)
    assert (len(sms.messages), limits.used("otp_codes", f"sign_in:{PHONE.e164}")) == (2, 2)
    answer(codes, challenge, sms.last_code(PHONE.e164))


def test_when_no_gateway_takes_the_text_there_is_no_challenge(codes: OneTimeCodes, sms: FakeSms) -> None:
    sms.is_down = True
    with pytest.raises(errors.SmsUnavailable):
        sign_in(codes)
    sms.is_down = False
    answer(codes, sign_in(codes), sms.last_code(PHONE.e164))


def test_a_resend_that_no_gateway_takes_costs_no_wait_and_no_code(codes: OneTimeCodes, sms: FakeSms, clock: MovableClock) -> None:
    challenge = sign_in(codes)
    first = sms.last_code(PHONE.e164)
    clock.move(timedelta(minutes=1))
    sms.is_down = True
    with pytest.raises(errors.SmsUnavailable):
        codes.resend(challenge.id, Purpose.SIGN_IN, ACCOUNT)
    assert codes.describe(challenge.id) == challenge
    answer(codes, challenge, first)
    sms.is_down = False


def test_after_a_failed_resend_the_next_one_sends_at_once(codes: OneTimeCodes, sms: FakeSms, clock: MovableClock) -> None:
    challenge = sign_in(codes)
    clock.move(timedelta(minutes=1))
    sms.is_down = True
    with pytest.raises(errors.SmsUnavailable):
        codes.resend(challenge.id, Purpose.SIGN_IN, ACCOUNT)
    sms.is_down = False
    codes.resend(challenge.id, Purpose.SIGN_IN, ACCOUNT)
    assert len(sms.messages) == 2


def test_a_phone_has_a_number_of_codes_a_day(codes_with: Any, sms: FakeSms, clock: MovableClock) -> None:
    codes = codes_with(codes_per_phone_and_day=3)
    for _ in range(3):
        sign_in(codes)
        clock.move(timedelta(minutes=1))
    for account in (ACCOUNT, OTHER_ACCOUNT):
        with pytest.raises(errors.OtpBudgetSpent) as refused:
            sign_in(codes, account)
        assert refused.value.retry_after_seconds
    assert len(sms.messages) == 3
    codes.send(Purpose.SIGN_IN, phone=OTHER_PHONE, owner=ACCOUNT, language="vi")


def test_an_outage_of_the_gateways_costs_neither_the_day_nor_a_wait(codes_with: Any, sms: FakeSms) -> None:
    codes = codes_with(codes_per_phone_and_day=1)
    sms.is_down = True
    for _ in range(16):
        with pytest.raises(errors.SmsUnavailable):
            sign_in(codes)
    sms.is_down = False
    answer(codes, sign_in(codes), sms.last_code(PHONE.e164))


@pytest.mark.race
def test_of_fifty_challenges_of_a_phone_at_once_one_is_sent_and_counted(
    codes_with: Any, sms: FakeSms, clock: MovableClock, limits: RateLimits
) -> None:
    codes = codes_with(codes_per_phone_and_day=2)
    for number in (1, 2):
        assert race(lambda _: sign_in(codes)).count("won") == 1
        assert (len(sms.messages), limits.used("otp_codes", f"sign_in:{PHONE.e164}")) == (number, number)
        clock.move(timedelta(minutes=1))
    assert race(lambda _: sign_in(codes), threads=5) == ["otp_budget_spent"] * 5


@pytest.mark.race
def test_in_an_outage_fifty_at_once_count_nothing(codes: OneTimeCodes, sms: FakeSms, limits: RateLimits) -> None:
    sms.is_down = True
    assert set(race(lambda _: sign_in(codes))) <= {"sms_unavailable", "otp_wait"}
    assert limits.used("otp_codes", f"sign_in:{PHONE.e164}") == 0
    sms.is_down = False
    sign_in(codes)


def test_a_phone_waits_whoever_asks_and_another_phone_does_not(codes: OneTimeCodes, sms: FakeSms, clock: MovableClock) -> None:
    first = sign_in(codes)
    code = sms.last_code(PHONE.e164)
    clock.move(timedelta(seconds=20))
    for account in (ACCOUNT, OTHER_ACCOUNT):
        with pytest.raises(errors.OtpWait) as refused:
            sign_in(codes, account)
        assert refused.value.values == {"seconds": 40, "retry_after_seconds": 40}
    codes.send(Purpose.SIGN_IN, phone=OTHER_PHONE, owner=ACCOUNT, language="vi")
    answer(codes, first, code)
    assert len(sms.texts_to(PHONE.e164)) == 1


def test_a_wait_ends_by_itself_or_with_the_right_answer(codes: OneTimeCodes, sms: FakeSms, clock: MovableClock) -> None:
    sign_in(codes)
    clock.move(timedelta(minutes=1))
    second = sign_in(codes)
    answer(codes, second, sms.last_code(PHONE.e164))
    sign_in(codes)
    assert len(sms.messages) == 3


@pytest.mark.parametrize("strangers", [Purpose.REGISTER, Purpose.RESUME])
@pytest.mark.parametrize("owners", Purpose)
def test_a_stranger_cannot_use_up_the_codes_that_the_owner_of_a_phone_needs(
    codes_with: Any, clock: MovableClock, strangers: Purpose, owners: Purpose
) -> None:
    codes = codes_with(codes_per_phone_and_day=2)
    for number in range(2):
        codes.send(strangers, phone=PHONE, owner=f"draft {number}", language="vi")
        clock.move(timedelta(minutes=1))
    if owners is strangers:
        with pytest.raises(errors.OtpBudgetSpent):
            codes.send(owners, phone=PHONE, owner=ACCOUNT, language="vi")
    else:
        codes.send(owners, phone=PHONE, owner=ACCOUNT, language="vi")


def test_a_code_may_be_delivered_later_or_never(codes: OneTimeCodes, sms: FakeSms) -> None:
    posted: list[one_time_codes.Delivery] = []
    sent = codes.send(Purpose.RESUME, phone=PHONE, owner=ACCOUNT, language="vi", post=posted.append)
    assert sms.messages == []
    with pytest.raises(errors.OtpWait):
        codes.send(Purpose.RESUME, phone=PHONE, owner=ACCOUNT, language="vi", post=posted.append)
    (deliver,) = posted
    deliver()
    codes.verify(sent.id, sms.last_code(PHONE.e164), purpose=Purpose.RESUME, owner=ACCOUNT)


def test_resends_count_for_the_day(codes_with: Any, clock: MovableClock) -> None:
    codes = codes_with(codes_per_phone_and_day=2)
    challenge = sign_in(codes)
    clock.move(timedelta(minutes=1))
    codes.resend(challenge.id, Purpose.SIGN_IN, ACCOUNT)
    clock.move(timedelta(minutes=1))
    with pytest.raises(errors.OtpBudgetSpent):
        codes.resend(challenge.id, Purpose.SIGN_IN, ACCOUNT)
    described = codes.describe(challenge.id)
    assert described
    assert described.resend_at == clock.now()


def test_two_challenges_of_one_owner_do_not_share_codes(codes: OneTimeCodes, sms: FakeSms, clock: MovableClock) -> None:
    first = sign_in(codes)
    code = sms.last_code(PHONE.e164)
    clock.move(timedelta(minutes=1))
    second = sign_in(codes)
    assert first.id != second.id
    if code != sms.last_code(PHONE.e164):
        with pytest.raises(errors.OtpWrong):
            answer(codes, second, code)
    answer(codes, first, code)


def test_the_store_does_not_hold_the_code_nor_what_it_can_be_tried_out_with(
    codes: OneTimeCodes,
    store: SealedStore,
    sms: FakeSms,
    encryption: Any,
) -> None:
    challenge = sign_in(codes)
    code = sms.last_code(PHONE.e164)
    record = store.get("otp", challenge.id)
    assert record
    held = store.get("otp_code", f"{challenge.id}:{record['serial']}")
    assert held
    assert code not in str(record) + str(held)
    assert challenge.id not in str(record) + str(held)


def test_no_way_of_printing_a_challenge_shows_its_id(codes: OneTimeCodes) -> None:
    challenge = sign_in(codes)
    assert len(challenge.id) == 43
    assert challenge.id not in repr(challenge) + str(challenge)


def test_what_happens_to_codes_is_audited_with_the_account_alone(
    codes_with: Any,
    sms: FakeSms,
    audit: Audit,
    sqlite_database: Database,
) -> None:
    codes = codes_with(codes_per_phone_and_day=1)
    challenge = sign_in(codes)
    code = sms.last_code(PHONE.e164)
    with pytest.raises(errors.OtpWrong):
        answer(codes, challenge, wrong(code))
    with pytest.raises(errors.OtpBudgetSpent):
        sign_in(codes)
    events = audit.events(account_id=ACCOUNT)
    assert sorted(event.event for event in events) == ["one_time_code_budget_spent", "one_time_code_failed", "one_time_code_sent"]
    shown = str(events)
    assert not any(secret in shown for secret in (code, PHONE.national, PHONE.e164, challenge.id))
