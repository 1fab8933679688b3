"""Stand-ins for the outside world inside a test: a carrier that answers by table and a gateway that keeps its messages."""

import re

from idp.errors import SmsUnavailable
from idp.promises import CarrierAnswer, CarrierQuestion, CarrierVerdict, SmsMessage

ALL_FIELDS = ("phone", "id_number", "full_name", "birth_date")


class FakeCarrier:
    """A carrier whose answers a test sets by phone number; everybody else matches."""

    def __init__(self) -> None:
        self.answers: dict[str, CarrierAnswer] = {}
        self.questions: list[CarrierQuestion] = []

    def match(self, question: CarrierQuestion) -> CarrierAnswer:
        """Give the answer that was set for the phone, or a match of every field."""
        self.questions.append(question)
        return self.answers.get(question.phone, CarrierAnswer(CarrierVerdict.MATCH, "fake", ALL_FIELDS))

    def will_say(self, phone: str, verdict: CarrierVerdict) -> None:
        """Set the verdict for `phone`, in E.164."""
        self.answers[phone] = CarrierAnswer(verdict, "fake", ALL_FIELDS if verdict is CarrierVerdict.MATCH else ())


class FakeSms:
    """A gateway that keeps what it was given; `is_down` makes it refuse."""

    def __init__(self) -> None:
        self.messages: list[SmsMessage] = []
        self.is_down = False

    def send(self, message: SmsMessage) -> None:
        """Keep the message; raises `SmsUnavailable` while `is_down`."""
        if self.is_down:
            raise SmsUnavailable
        self.messages.append(message)

    def texts_to(self, phone: str) -> list[str]:
        """Give the texts to `phone`, in E.164, oldest first."""
        return [message.text for message in self.messages if message.to == phone]

    def last_code(self, phone: str) -> str:
        """Give the six digits in the newest text to `phone`."""
        found = re.findall(r"\b\d{6}\b", self.texts_to(phone)[-1])
        return str(found[0])
