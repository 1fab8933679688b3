"""The journeys in which a server dies: what happens on the way, what holds right after the crash, and how one gets through in the end."""

from abc import ABC, abstractmethod
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from typing import Any

import httpx2
from sqlalchemy import func, select

from idp.identity import documents
from idp.storage.tables import grants
from tests.abuse.walker import PATIENCE_SECONDS
from tests.crashes.citizen import TLS, Again, Citizen, Crashed
from tests.crashes.house import House
from tests.crashes.invariants import half_things
from tests.world import REDIRECT_URI, VERIFIER, token_request

BEHIND_THE_GRACE = timedelta(seconds=6)
READS = {"SELECT", "GET", "PTTL", "PING", ";"}
MOST_STARTS = 4
_serials = count(1)


class Journey(ABC):
    """One walk through a server that may die, by a person or a portal that has done nothing yet."""

    ways: tuple[Again, ...] = (Again.RESTART,)

    def __init__(self, house: House) -> None:
        self.house = house
        self.serial = next(_serials)
        self.prepare()

    @abstractmethod
    def prepare(self) -> None:
        """Do at the node that lives whatever comes before the journey."""

    @abstractmethod
    def walk(self) -> list[str]:
        """Walk the journey; gives the secrets that it was given. Raises `Crashed`."""

    @abstractmethod
    def judge(self, born: list[str]) -> None:
        """Look at what the crash has left, with every secret that was born in the server before it died."""

    @abstractmethod
    def get_through(self, again: Again) -> str:
        """Go on, or start again, and get to the end; gives how."""

    def close(self) -> None:  # noqa: B027 - most have nothing open
        """Give up what is open."""

    # --- what all ask ---

    def is_alive(self, access_token: str) -> bool:
        """Ask the node that lives whether a portal gets an answer for a token."""
        answer = self.house.world.browser().get("/userinfo", headers={"Authorization": f"Bearer {access_token}"})
        assert answer.status_code in {200, 401}, answer.text
        return answer.status_code == 200

    def redeem(self, code: str) -> dict[str, Any]:
        """Redeem a code at the node that lives; it has to be good for living tokens at level 2."""
        answer = self.house.world.redeem(self.house.world.browser(), self.house.client, self.house.secret, code)
        tokens = answer.json or {}
        assert answer.status_code == 200, answer.text
        assert self.is_alive(tokens["access_token"])
        assert self.house.world.claims(tokens["id_token"])["acr"] == "urn:senid:loa:2"
        return tokens

    def live_grants(self) -> int:
        """Count the grants of the journey's account that are not revoked."""
        question = select(func.count()).where(grants.c.account_id == self.account_id(), grants.c.revoked_at.is_(None))
        with self.house.world.services.database.reading() as connection:
            return connection.execute(question).scalar_one()

    def account_id(self) -> str | None:
        """Give the account that the journey is about, if it is there."""
        record = self.house.world.services.accounts.find_by_login(documents.parse(f"001090{self.serial:06}", accept_old=False))
        return record.account_id if record else None


# --- people -------------------------------------------------------------------------------------------------------------------------


class _Walk(Journey):
    """A person comes from the portal and gets back to it."""

    ways: tuple[Again, ...] = (Again.RELOAD, Again.RESTART, Again.ELSEWHERE)

    def prepare(self) -> None:
        self.citizen = Citizen(self.house.address, self.house.client, self.serial)

    def walk(self) -> list[str]:
        self.redeem(self.citizen.arrive())
        return [cookie.value or "" for cookie in self.citizen.cookies() if cookie.name == self.house.world.cookies.session]

    def judge(self, born: list[str]) -> None:
        assert half_things(self.house.world.services.database) == []
        sessions = (self.house.world.services.sessions.find(secret) for secret in born)
        # Whatever became a session has proven both: nobody is signed in by half.
        assert all({factor.method for factor in session.factors} == {"pwd", "sms"} for session in sessions if session)

    def get_through(self, again: Again) -> str:
        self.redeem(self.citizen.arrive_after_crash(again))
        assert half_things(self.house.world.services.database) == []
        account = self.house.world.services.accounts.find(self.account_id() or "")
        assert account is not None
        assert account.phone is not None
        assert account.phone.national == self.citizen.phone
        return again.value

    def close(self) -> None:
        self.citizen.close()


class Registration(_Walk):
    """Form, one-time code, carrier, password, account, session, consent, code."""

    ways = (Again.RELOAD, Again.RESTART, Again.ELSEWHERE, Again.RESUME)


class SignIn(_Walk):
    """Password, one-time code, session, code."""

    def prepare(self) -> None:
        super().prepare()
        account = self.house.world.account(self.citizen.id_number, self.citizen.phone)
        self.house.world.services.consents.record(account, self.house.client, self.house.client.scopes)
        self.citizen.has_account = True


# --- portals ------------------------------------------------------------------------------------------------------------------------


class _Call(Journey):
    """A portal with a signed-in person calls the token endpoint."""

    def prepare(self) -> None:
        self.browser = self.house.world.browser()
        self.house.world.sign_in(self.browser, self.house.world.account(f"001090{self.serial:06}", f"0977{self.serial:06}"))
        self.form = self.what_is_sent()

    @abstractmethod
    def what_is_sent(self) -> dict[str, str]:
        """Give the form of the token request."""

    def walk(self) -> list[str]:
        credentials = (self.house.client.client_id, self.house.secret)
        try:
            with httpx2.Client(trust_env=False, timeout=PATIENCE_SECONDS, verify=TLS) as software:
                answer = software.post(f"{self.house.address}/token", data=self.form, auth=credentials)
        except httpx2.TransportError as error:
            raise Crashed(type(error).__name__) from error
        assert answer.status_code == 200, answer.text
        self.tokens = answer.json()
        return [self.tokens["access_token"], self.tokens["refresh_token"]]

    def judge(self, born: list[str]) -> None:
        self.born = born
        assert half_things(self.house.world.services.database) == []
        # A token counts by its grant alone: without one in the database none of those that were made may be good.
        assert self.live_grants() or not any(map(self.is_alive, born))

    def send_again(self) -> dict[str, Any] | None:
        """Send the same form to the node that lives; gives the tokens, or None where it is spent."""
        answer = token_request(self.house.world.browser(), self.house.client, self.house.secret, {**self.form})
        body = answer.json or {}
        assert answer.status_code == 200 or (answer.status_code, body["error"]) == (400, "invalid_grant"), answer.text
        return body if answer.status_code == 200 else None

    def is_good_for_refresh(self, secret: str) -> bool:
        """Tell whether a secret refreshes."""
        form: dict[str, str | None] = {"grant_type": "refresh_token", "refresh_token": secret}
        return token_request(self.house.world.browser(), self.house.client, self.house.secret, form).status_code == 200

    def start_again(self) -> None:
        """Let the portal send the browser once more: the session is there, no page is shown."""
        self.redeem(self.house.world.code(self.browser, self.house.client, prompt="none"))


class Exchange(_Call):
    """A code becomes tokens."""

    def what_is_sent(self) -> dict[str, str]:
        code = self.house.world.code(self.browser, self.house.client)
        return {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT_URI, "code_verifier": VERIFIER}

    def get_through(self, again: Again) -> str:  # noqa: ARG002 - a portal has one way
        tokens = self.send_again()
        if tokens is not None:
            assert not any(map(self.is_alive, self.born))
            assert self.is_alive(tokens["access_token"])
            return "the code was not spent, and is good once more"
        # The portal's second try is a replay, which ends the grant of tokens that nobody was given.
        assert self.live_grants() == 0
        assert not any(map(self.is_alive, self.born))
        assert not any(map(self.is_good_for_refresh, self.born))
        self.start_again()
        return "the code was spent: no token of it lives, the session gives another code"


class Refresh(_Call):
    """A refresh token becomes new tokens."""

    def what_is_sent(self) -> dict[str, str]:
        self.first = self.redeem(self.house.world.code(self.browser, self.house.client))
        return {"grant_type": "refresh_token", "refresh_token": self.first["refresh_token"]}

    def get_through(self, again: Again) -> str:  # noqa: ARG002 - a portal has one way
        tokens = self.send_again()
        assert self.live_grants() == 1
        assert self.is_alive(self.first["access_token"])
        if tokens is not None:
            assert self.is_alive(tokens["access_token"])
            assert self.is_good_for_refresh(tokens["refresh_token"])
            return "the token was not spent, and is good once more"
        # Nobody was given the successor. The family lives on through the second try, and the session starts another one.
        self.start_again()
        database = self.house.world.services.database
        database.offset += BEHIND_THE_GRACE
        assert self.send_again() is None
        database.offset -= BEHIND_THE_GRACE
        assert not any(map(self.is_alive, [self.first["access_token"], *self.born]))
        assert not any(map(self.is_good_for_refresh, self.born))
        return "the token was spent: the family lives, the session gives another code"


# --- all of it ----------------------------------------------------------------------------------------------------------------------


@dataclass
class Tour:
    """What came of a journey in which servers died: how many storage calls it has, after how many of them one died, how it went on."""

    calls: int
    crashes: int = 0
    ends: dict[str, int] = field(default_factory=dict)


class CallsChanged(Exception):
    """A walk came by other storage calls than the one before: something that the server remembers for a while was over meanwhile."""


def tour(house: House, journey: type[Journey], *, every_call: bool) -> Tour:
    """Walk the journey once to count its storage calls, then let a server die after each call, and go on in one way after the other.

    In short, after each call that leaves something behind.
    """
    for _ in range(MOST_STARTS):
        with suppress(CallsChanged):
            return _tour(house, journey, every_call=every_call)
    raise AssertionError("the storage calls of this journey are never the same")


def _tour(house: House, journey: type[Journey], *, every_call: bool) -> Tour:
    calls = _calls_of(house, journey)
    result = Tour(len(calls))
    for number in range(1, len(calls) + 1) if every_call else changes(calls):
        end = _crash(house, journey, calls[:number], journey.ways[result.crashes % len(journey.ways)])
        result.crashes += 1
        result.ends[end] = result.ends.get(end, 0) + 1
    return result


def changes(calls: list[str]) -> list[int]:
    """Give the numbers of the calls that leave something behind: after any other one all is as it was, also within a transaction."""
    found: list[int] = []
    begun: set[str] = set()
    for number, call in enumerate(calls, 1):
        store, _, what = call.partition(": ")
        word = what.split(" ")[0]
        if word == "BEGIN":
            begun.add(store)
        elif word == "COMMIT" or (store not in begun and word not in READS):
            begun.discard(store)
            found.append(number)
    return found


def _calls_of(house: House, journey: type[Journey]) -> list[str]:
    """Walk undisturbed, twice, as the first walk of a house makes what later ones find."""
    calls: list[str] = []
    for _ in range(2):
        house.serve()
        walk = journey(house)
        house.tally.reset()
        given = walk.walk()
        calls = house.calls()
        assert given
        assert set(given) <= set(house.born()), "secrets are made in another way: teach tests/crashes/provider.py to note them"
        walk.close()
    return calls


def _crash(house: House, journey: type[Journey], calls: list[str], again: Again) -> str:
    """Let the server die after the last of these calls; gives how the journey ended all the same."""
    walk = journey(house)
    house.serve(end_at=len(calls))
    try:
        walk.walk()
    except Crashed:
        assert house.has_died(), "it broke off, and nobody was killed"
    if house.calls() != calls:
        raise CallsChanged
    walk.judge(house.born())
    house.serve()
    end = walk.get_through(again)
    walk.close()
    return end
