"""Text messages over HTTP gateways, with fail-over from one to the next."""

from collections.abc import Sequence

import structlog

from idp.config import Gateway
from idp.connectors.gateway import GatewayTrouble, OutsideGateway
from idp.errors import SmsUnavailable
from idp.promises import SmsMessage

LONGEST_TEXT = 160  # one message of the GSM alphabet; a longer or accented text would be split, cost more and miss its template

_log = structlog.get_logger("senid.connectors")


class HttpSmsGateway:
    """Hands messages to one gateway."""

    def __init__(self, gateway: OutsideGateway) -> None:
        """Take the `gateway`."""
        self._gateway = gateway

    @property
    def name(self) -> str:
        """Give the gateway's name."""
        return self._gateway.name

    def send(self, message: SmsMessage) -> None:
        """Hand the message over; raises `GatewayTrouble` unless the gateway says that it accepted it."""
        # One try: the next gateway is a better second chance for a person who waits.
        content = {"to": message.to, "text": message.text}
        answer = self._gateway.ask("/messages", content, reference=message.reference, tries=1)
        if answer.get("status") != "accepted":
            raise GatewayTrouble("not_accepted")

    def close(self) -> None:
        """Close the idle connections."""
        self._gateway.close()


class FailoverSms:
    """Hands each message to the first gateway that takes it."""

    def __init__(self, gateways: Sequence[HttpSmsGateway]) -> None:
        """Take the `gateways` in the order of preference."""
        self._gateways = tuple(gateways)

    @classmethod
    def configured(cls, settings: Sequence[Gateway]) -> "FailoverSms":
        """Give the gateways that `settings` describe, in their order."""
        return cls([HttpSmsGateway(OutsideGateway(each)) for each in settings])

    def send(self, message: SmsMessage) -> None:
        """Hand the message over.

        Raises `SmsUnavailable` when no gateway took it, and `ValueError` for a text that is not one unaccented message.
        """
        if not message.text.isascii() or len(message.text) > LONGEST_TEXT:
            raise ValueError(f"a text message is ASCII of at most {LONGEST_TEXT} characters")
        if not any(self._is_taken_by(gateway, message) for gateway in self._gateways):
            raise SmsUnavailable("no gateway took the message")

    def close(self) -> None:
        """Close the idle connections."""
        for gateway in self._gateways:
            gateway.close()

    def _is_taken_by(self, gateway: HttpSmsGateway, message: SmsMessage) -> bool:
        try:
            gateway.send(message)
        except GatewayTrouble as trouble:
            _log.warning("message not taken", gateway=gateway.name, reason=str(trouble))
            return False
        return True
