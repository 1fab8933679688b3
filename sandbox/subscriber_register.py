"""The carrier's register of subscribers: who owns which phone, and what it answers when it is asked about one."""

import threading
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from sandbox.people import Person

UNAVAILABLE_ANSWERS = 2  # how often the register cannot answer for a person of the case `unavailable`, before it can
_TONES = {
    "\N{COMBINING GRAVE ACCENT}",
    "\N{COMBINING ACUTE ACCENT}",
    "\N{COMBINING TILDE}",
    "\N{COMBINING HOOK ABOVE}",
    "\N{COMBINING DOT BELOW}",
}


@dataclass(frozen=True)
class Question:
    """What a carrier is asked: the phone in national form, the birth date as `yyyy-mm-dd` or `yyyy`."""

    phone: str
    id_number: str
    full_name: str
    birth_date: str


@dataclass(frozen=True)
class Answer:
    """The verdict, the carrier, the fields that agree in case of a match, and whether the register takes long to find it."""

    verdict: str
    carrier: str
    fields_matched: tuple[str, ...] = ()
    takes_long: bool = False


class SubscriberRegister:
    """Answers for the synthetic people. Thread-safe."""

    def __init__(self, people: Iterable[Person]) -> None:
        """Take the `people` that it knows at first."""
        self._lock = threading.Lock()
        self._by_phone: dict[str, list[Person]] = defaultdict(list)
        self._asked: Counter[str] = Counter()
        self.add(people)

    def add(self, people: Iterable[Person]) -> None:
        """Learn of `people`; who has the phone and the number of a known one takes their place."""
        with self._lock:
            for person in people:
                known = self._by_phone[person.phone]
                known[:] = [each for each in known if each.id_number != person.id_number] + [person]
                self._asked.pop(person.id_number, None)

    def people(self) -> list[Person]:
        """Give everybody, in the order of learning."""
        with self._lock:
            return [person for known in self._by_phone.values() for person in known]

    def answer(self, question: Question) -> Answer:
        """Compare `question` with the register."""
        with self._lock:
            known = list(self._by_phone.get(question.phone, ()))
            person = next((each for each in known if each.id_number == question.id_number), None)
            times = self._asked[question.id_number] = self._asked[question.id_number] + 1
        if not known:
            return Answer("not_found", "other")
        if person is None:
            return Answer("mismatch", known[0].carrier)
        return _answer_for(person, question, times)


def _answer_for(person: Person, question: Question, times: int) -> Answer:
    if person.case in {"mismatch", "old_document", "locked", "not_found"}:
        return Answer(person.case, person.carrier)
    if person.case == "unavailable" and times <= UNAVAILABLE_ANSWERS:
        return Answer("unavailable", person.carrier)
    # Who is slow is slow once: the register then knows the answer, so that asking again later helps.
    takes_long = person.case == "slow" and times == 1
    name = _name_field(person.full_name, question.full_name)
    if name is None or person.iso_birth_date != question.birth_date:
        return Answer("mismatch", person.carrier, takes_long=takes_long)
    return Answer("match", person.carrier, ("phone", "id_number", name, "birth_date"), takes_long=takes_long)


def _name_field(known: str, asked: str) -> str | None:
    """Say how the names agree, if they do: in full, or only without accents (domain facts, B6)."""
    if _strong_key(known) == _strong_key(asked):
        return "full_name"
    return "full_name_unaccented" if _weak_key(known) == _weak_key(asked) else None


def _strong_key(name: str) -> list[str]:
    """Give the words without regard to case, and with the tone of each behind it, so that `Hoà` is `Hòa`."""
    words = unicodedata.normalize("NFD", name.casefold()).split()
    return ["".join(sorted(word, key=lambda sign: sign in _TONES)) for word in words]


def _weak_key(name: str) -> list[str]:
    words = unicodedata.normalize("NFD", name.casefold()).replace("đ", "d").split()
    return ["".join(sign for sign in word if not unicodedata.combining(sign)) for word in words]
