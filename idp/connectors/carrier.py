"""The mobile carrier's register of subscribers, asked over HTTP whether a person is the one whom it knows."""

import re

import structlog

from idp.config import Gateway
from idp.connectors.gateway import GatewayTrouble, OutsideGateway
from idp.promises import CarrierAnswer, CarrierQuestion, CarrierVerdict

TRIES = 2
# What a carrier can say that it compared; a name that agrees only without its accents is said so (weak).
COMPARABLE_FIELDS = ("phone", "id_number", "full_name", "full_name_unaccented", "birth_date")
_NEEDED = frozenset({"phone", "id_number", "birth_date"})
_NAMES = frozenset({"full_name", "full_name_unaccented"})

_log = structlog.get_logger("senid.connectors")


class HttpCarrier:
    """Asks a carrier, or a hub of several, for match or no match; nothing of the carrier's own data is asked for or taken over."""

    def __init__(self, gateway: OutsideGateway) -> None:
        """Take the `gateway` to the register."""
        self._gateway = gateway

    @classmethod
    def configured(cls, settings: Gateway) -> "HttpCarrier":
        """Give the carrier that `settings` describe."""
        return cls(OutsideGateway(settings))

    def match(self, question: CarrierQuestion) -> CarrierAnswer:
        """Compare the question with the register; trouble of any kind is the verdict `unavailable`."""
        content = {
            "phone": question.phone,
            "id_number": question.id_number,
            "full_name": question.full_name,
            "birth_date": question.birth_date,
        }
        try:
            # Asking is idempotent: the register changes nothing, and the reference makes a repeated question the same one.
            found = self._gateway.ask("/match", content, reference=question.reference, tries=TRIES)
        except GatewayTrouble as trouble:
            _log.warning("no verdict of the carrier", gateway=self._gateway.name, reason=str(trouble))
            return self._unavailable()
        return self._answer(found)

    def close(self) -> None:
        """Close the idle connections."""
        self._gateway.close()

    def _answer(self, found: dict[str, object]) -> CarrierAnswer:
        verdict = _verdict(found.get("verdict"))
        fields = _fields(found.get("fields_matched")) if verdict is CarrierVerdict.MATCH else ()
        # A match that leaves out who it is about is no evidence.
        if verdict is None or (verdict is CarrierVerdict.MATCH and not _is_whole(fields)):
            _log.warning("no verdict of the carrier", gateway=self._gateway.name, reason="nonsense")
            return self._unavailable()
        return CarrierAnswer(verdict, self._name(found.get("carrier")), fields)

    def _unavailable(self) -> CarrierAnswer:
        return CarrierAnswer(CarrierVerdict.UNAVAILABLE, self._gateway.name)

    def _name(self, value: object) -> str:
        """Give the carrier's name: a hub says which one answered."""
        is_name = isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,39}", value)
        return str(value) if is_name else self._gateway.name


def _verdict(value: object) -> CarrierVerdict | None:
    return CarrierVerdict(value) if isinstance(value, str) and value in set(CarrierVerdict) else None


def _fields(value: object) -> tuple[str, ...]:
    return tuple(field for field in COMPARABLE_FIELDS if field in value) if isinstance(value, list) else ()


def _is_whole(fields: tuple[str, ...]) -> bool:
    """Tell whether all that was asked agreed, the name at least without its accents."""
    return _NEEDED.issubset(fields) and not _NAMES.isdisjoint(fields)
