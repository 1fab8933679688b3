"""One-time codes sent to phones: six digits, for one purpose and one owner, compared a few times, taken once.

A challenge is what a page refers to; its id is a secret of the browser's side. The code itself lives beside it for a shorter time, as a
MAC under that id, so that the store's contents alone do not give it away. A resend gives the challenge another code and voids the last.

A phone waits between two codes of one purpose, and has a number of them a day, whoever asks: the limits hold for the phone and not for the
page that it is asked from. What no gateway took costs neither. Each purpose has its own wait and day: anybody can have codes for
registration sent to a phone, and must not use up those that its owner signs in or resumes with.
"""

import hashlib
import hmac
import math
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NoReturn

from idp import errors
from idp.clock import Clock
from idp.config import Config
from idp.identity.phone_numbers import PhoneNumber
from idp.promises import SmsMessage, SmsSender
from idp.safety.audit import Audit
from idp.safety.rate_limits import RateLimits
from idp.safety.sealed_store import Loaded, SealedStore
from idp.values import Language, new_id, new_secret

DIGITS = 6
LONGEST_INPUT = 32
CHALLENGE_LIFETIME = timedelta(hours=1)  # a page that lay open can still ask for another code
DAY = timedelta(days=1)
_CODE = re.compile(f"[0-9]{{{DIGITS}}}")
_CHALLENGE_ID = re.compile(r"[A-Za-z0-9_-]{43}")
_SPACES = str.maketrans("", "", " -\u00a0")
Delivery = Callable[[], None]


class Purpose(StrEnum):
    """What a code is for; a code of one purpose is worth nothing for another."""

    REGISTER = "register"
    RESUME = "resume"
    SIGN_IN = "sign_in"


# One template a purpose, as registered with the carriers: without accents, at most 160 characters, no link (facts.md B6).
_TEXTS = {
    Purpose.REGISTER: "Ma OTP dang ky tai khoan la {code}, hieu luc {minutes} phut. KHONG cung cap ma cho bat ky ai.",
    Purpose.RESUME: "Ma OTP tiep tuc dang ky la {code}, hieu luc {minutes} phut. KHONG cung cap ma cho bat ky ai.",
    Purpose.SIGN_IN: "Ma OTP dang nhap cua Quy khach la {code}, hieu luc {minutes} phut. KHONG cung cap ma cho bat ky ai.",
}


@dataclass(frozen=True)
class Challenge:
    """A code on its way to a phone, as a page shows it."""

    id: str
    phone_masked: str
    expires_at: datetime
    resend_at: datetime

    def __repr__(self) -> str:
        """Hide the id, which is a bearer secret."""
        return f"Challenge(phone={self.phone_masked})"


def random_code() -> str:
    """Give a code that nobody can guess."""
    return f"{secrets.randbelow(10**DIGITS):0{DIGITS}}"


def _at_once(deliver: Delivery) -> None:
    deliver()


class OneTimeCodes:
    """Sends codes and takes them back."""

    is_sandbox = False

    def __init__(
        self,
        *,
        config: Config,
        store: SealedStore,
        limits: RateLimits,
        sms: SmsSender,
        audit: Audit,
        clock: Clock,
        generate: Callable[[], str],
    ) -> None:
        """Take the parts; `generate` gives the codes: `random_code`, or a fixed one in the sandbox."""
        self._rule = config.one_time_codes
        self._store = store
        self._limits = limits
        self._sms = sms
        self._audit = audit
        self._clock = clock
        self._generate = generate

    def send(
        self,
        purpose: Purpose,
        *,
        phone: PhoneNumber,
        owner: str,
        language: Language,  # noqa: ARG002 - the registered template of a purpose is Vietnamese whatever the language of the page
        post: Callable[[Delivery], None] = _at_once,
    ) -> Challenge:
        """Send a code to `phone` for `owner`, an account id or a draft id; `post` may deliver it later, or never.

        Raises `OtpWait` when the phone was sent one just now, `OtpBudgetSpent` when it has had its codes of the day, and `SmsUnavailable`.
        """
        challenge_id = new_secret()
        code = self._post(purpose, phone, owner, post)
        record = self._with_code(challenge_id, code, {"purpose": purpose.value, "owner": owner, "phone": phone.e164})
        self._store.put("otp", challenge_id, record, CHALLENGE_LIFETIME)
        return _shown(challenge_id, record)

    def resend(self, challenge_id: str, purpose: Purpose, owner: str, *, post: Callable[[Delivery], None] = _at_once) -> Challenge:
        """Send another code for the same challenge; the last one stays good until the new one is on its way.

        Raises `OtpWait`, `OtpBudgetSpent`, `SmsUnavailable`, and `OtpExpired` when the challenge is over or somebody else's.
        """
        loaded = self._load(challenge_id)
        if loaded is None or not _is_for(loaded.value, purpose, owner):
            raise errors.OtpExpired
        code = self._post(purpose, PhoneNumber(loaded.value["phone"]), owner, post)
        record = self._with_code(challenge_id, code, loaded.value)
        if not self._store.swap("otp", challenge_id, loaded, record, CHALLENGE_LIFETIME):
            raise errors.OtpExpired("the challenge was answered meanwhile")
        return _shown(challenge_id, record)

    def describe(self, challenge_id: str) -> Challenge | None:
        """Give the challenge as a page shows it, also after its code expired; None when it was answered or forgotten."""
        loaded = self._load(challenge_id)
        return _shown(challenge_id, loaded.value) if loaded else None

    def verify(self, challenge_id: str, code: str, *, purpose: Purpose, owner: str) -> PhoneNumber:
        """Take the code, once, and give the phone that it proves.

        Raises `OtpExpired` (also for a code that is used, or of another purpose or owner), `OtpWrong`, `OtpVoid` and `OtpBudgetSpent`.
        """
        loaded = self._load(challenge_id)
        if loaded is None or not _is_for(loaded.value, purpose, owner):
            raise errors.OtpExpired
        record = loaded.value
        code_id = _code_id(challenge_id, record)
        live = self._store.get("otp_code", code_id)
        # The store's own time bounds the code too, so that a node whose clock is slow cannot lengthen its life.
        if live is None or self._clock.now() >= datetime.fromisoformat(record["expires_at"]):
            self._fail(purpose, owner, errors.OtpExpired())
        typed = code.translate(_SPACES) if len(code) <= LONGEST_INPUT else ""
        if not _CODE.fullmatch(typed):
            # A slip of the finger, not a guess: it cannot be right, so it costs no try.
            raise errors.OtpWrong(left=max(self._rule.tries - self._store.peek("otp_tries", code_id), 0))
        left = self._count_try(purpose, owner, code_id)
        if not hmac.compare_digest(live["mac"], _mac(challenge_id, record, typed)):
            self._fail(purpose, owner, errors.OtpWrong(left=left) if left else errors.OtpVoid())
        if self._store.take("otp_code", code_id) is None:
            raise errors.OtpExpired("taken by another request")
        self._store.drop("otp", challenge_id)
        phone = PhoneNumber(record["phone"])
        self._store.drop("otp_wait", _phone_id(purpose, phone))  # who reads this phone is not flooded by asking for the next code
        return phone

    def _post(self, purpose: Purpose, phone: PhoneNumber, owner: str, post: Callable[[Delivery], None]) -> str:
        """Post a fresh code and count it for the day. Of several at once one is posted: the wait begins before, and outlasts it."""
        phone_id = _phone_id(purpose, phone)
        self._check_day(purpose, phone_id, owner)
        self._begin_wait(phone_id)
        code = self._generate()
        try:
            post(lambda: self._deliver(purpose, phone, owner, code))
        except errors.SmsUnavailable:
            self._store.drop("otp_wait", phone_id)
            raise
        self._limits.add("otp_codes", phone_id, window=DAY)
        return code

    def _begin_wait(self, phone_id: str) -> None:
        """Begin the phone's wait for its next code; raises `OtpWait` while the last one runs."""
        now, wait = self._clock.now(), self._rule.resend_wait
        running = self._store.load("otp_wait", phone_id)
        left = datetime.fromisoformat(running.value["until"]) - now if running else timedelta(0)
        if left > timedelta(0):
            raise _wait(min(left, wait))  # longer when the clock was set back
        begun = {"until": (now + wait).isoformat()}
        if running:
            is_first = self._store.swap("otp_wait", phone_id, running, begun, wait)
        else:
            is_first = self._store.put("otp_wait", phone_id, begun, wait, only_if_new=True)
        if not is_first:
            raise _wait(wait)

    def _check_day(self, purpose: Purpose, phone_id: str, owner: str) -> None:
        try:
            self._limits.check("otp_codes", phone_id, most=self._rule.codes_per_phone_and_day, error=errors.OtpBudgetSpent)
        except errors.OtpBudgetSpent:
            self._audit.one_time_code_budget_spent(_account_of(purpose, owner), purpose=purpose.value)
            raise

    def _count_try(self, purpose: Purpose, owner: str, code_id: str) -> int:
        """Count a try before anything is compared; gives how many are left after it."""
        used = self._store.count("otp_tries", code_id, self._rule.lifetime)
        if used > self._rule.tries:
            raise errors.OtpVoid
        try:
            self._limits.hit("otp_tries", owner, most=self._rule.tries_per_account_and_day, window=DAY, error=errors.OtpBudgetSpent)
        except errors.OtpBudgetSpent:
            self._audit.one_time_code_budget_spent(_account_of(purpose, owner), purpose=purpose.value)
            raise
        return self._rule.tries - used

    def _deliver(self, purpose: Purpose, phone: PhoneNumber, owner: str, code: str) -> None:
        minutes = max(self._rule.lifetime // timedelta(minutes=1), 1)
        text = _TEXTS[purpose].format(code=code, minutes=minutes)
        self._sms.send(SmsMessage(to=phone.e164, text=text, reference=new_id()))
        self._audit.one_time_code_sent(_account_of(purpose, owner), purpose=purpose.value)

    def _with_code(self, challenge_id: str, code: str, record: dict[str, Any]) -> dict[str, Any]:
        """Store a fresh code; gives the challenge's record that points to it."""
        now = self._clock.now()
        fresh = record | {
            "serial": new_id(),
            "expires_at": (now + self._rule.lifetime).isoformat(),
            "resend_at": (now + self._rule.resend_wait).isoformat(),
        }
        self._store.put("otp_code", _code_id(challenge_id, fresh), {"mac": _mac(challenge_id, fresh, code)}, self._rule.lifetime)
        return fresh

    def _load(self, challenge_id: str) -> Loaded | None:
        return self._store.load("otp", challenge_id) if _CHALLENGE_ID.fullmatch(challenge_id) else None

    def _fail(self, purpose: Purpose, owner: str, error: errors.FieldError) -> NoReturn:
        self._audit.one_time_code_failed(_account_of(purpose, owner), purpose=purpose.value, reason=error.code)
        raise error


def _shown(challenge_id: str, record: dict[str, Any]) -> Challenge:
    return Challenge(
        id=challenge_id,
        phone_masked=PhoneNumber(record["phone"]).masked,
        expires_at=datetime.fromisoformat(record["expires_at"]),
        resend_at=datetime.fromisoformat(record["resend_at"]),
    )


def _wait(left: timedelta) -> errors.OtpWait:
    seconds = max(math.ceil(left.total_seconds()), 1)
    return errors.OtpWait(seconds=seconds, retry_after_seconds=seconds)


def _is_for(record: dict[str, Any], purpose: Purpose, owner: str) -> bool:
    return bool(record["purpose"] == purpose.value and record["owner"] == owner)


def _phone_id(purpose: Purpose, phone: PhoneNumber) -> str:
    return f"{purpose.value}:{phone.e164}"


def _code_id(challenge_id: str, record: dict[str, Any]) -> str:
    return f"{challenge_id}:{record['serial']}"


def _mac(challenge_id: str, record: dict[str, Any], code: str) -> str:
    """Bind a code to its challenge, whose id the store holds only as a hash: six digits under no key could be tried out at once."""
    message = "|".join((record["serial"], record["purpose"], record["owner"], code))
    return hmac.new(challenge_id.encode(), message.encode(), hashlib.sha256).hexdigest()


def _account_of(purpose: Purpose, owner: str) -> str | None:
    return owner if purpose is Purpose.SIGN_IN else None
