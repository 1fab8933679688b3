"""The outside world in one program: the carrier's register, two SMS gateways, the phone that shows what they delivered, and controls."""

import argparse
import hmac
import json
import socket
import threading
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Literal, cast, get_args

from flask import Blueprint, Flask, current_app, jsonify, redirect, render_template, request
from flask.typing import ResponseReturnValue

from sandbox import pages
from sandbox.addresses import DEFAULT_PORT_BASE, OUTSIDE_DISTANCE, Addresses
from sandbox.people import CASES, Case, Person, everybody
from sandbox.subscriber_register import Answer, Question, SubscriberRegister
from sandbox.web_server import end_with_starter, serve

System = Literal["carrier", "sms_a", "sms_b"]
Behaviour = Literal["normal", "slow", "down", "nonsense", "unavailable"]
SYSTEMS: tuple[System, ...] = get_args(System)
BEHAVIOURS: tuple[Behaviour, ...] = get_args(Behaviour)

TOKEN = "sandbox"  # what the provider's configuration gives as the gateways' bearer token
SLOW_SECONDS = 5.0  # longer than the provider waits
VIETNAM = timezone(timedelta(hours=7))
MOST_TEXTS = 5000
LARGEST_BODY = 1024 * 1024
LONGEST_FIELD = 200

routes = Blueprint("outside", __name__)


@dataclass(frozen=True)
class Text:
    """A delivered text message; `to` is in national form."""

    to: str
    text: str
    at: str


class OutsideWorld:
    """What the program remembers. Thread-safe."""

    def __init__(self, people: Iterable[Person], *, slow_seconds: float) -> None:
        """Take the synthetic `people` and how long what is slow takes."""
        self.register = SubscriberRegister(people)
        self.slow_seconds = slow_seconds
        self._lock = threading.Lock()
        self._texts: deque[Text] = deque(maxlen=MOST_TEXTS)
        self._delivered: deque[tuple[str, str]] = deque(maxlen=MOST_TEXTS)
        self._behaviours: dict[System, Behaviour] = dict.fromkeys(SYSTEMS, "normal")

    def behaviours(self) -> dict[System, Behaviour]:
        """Tell how each system behaves."""
        with self._lock:
            return dict(self._behaviours)

    def set_behaviour(self, system: System, behaviour: Behaviour) -> None:
        """Make `system` behave so from now on."""
        with self._lock:
            self._behaviours[system] = behaviour

    def deliver(self, gateway: str, *, key: str, to: str, text: str) -> None:
        """Put a text on the phone, once for each idempotency `key` of a gateway."""
        with self._lock:
            if key and (gateway, key) in self._delivered:
                return
            self._delivered.append((gateway, key))
            self._texts.appendleft(Text(to, text, datetime.now(UTC).isoformat(timespec="milliseconds")))

    def texts(self, to: str = "") -> list[Text]:
        """Give the texts to one number, or to all, newest first."""
        with self._lock:
            return [each for each in self._texts if not to or each.to == to]


def create_app(addresses: Addresses, *, people: Iterable[Person] | None = None, slow_seconds: float = SLOW_SECONDS) -> Flask:
    """Give the program; tests give few `people` and little slowness."""
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_BODY
    app.extensions["outside"] = OutsideWorld(everybody() if people is None else people, slow_seconds=slow_seconds)
    pages.set_up(app, cookie="sandbox_language")
    app.jinja_env.globals.update(addresses=addresses)
    app.jinja_env.filters["vietnam_time"] = lambda at: f"{datetime.fromisoformat(at).astimezone(VIETNAM):%H:%M:%S}"
    app.register_blueprint(routes)
    return app


def _world() -> OutsideWorld:
    return cast("OutsideWorld", current_app.extensions["outside"])


# --- The carrier and the gateways, as the provider meets them -------------------------------------------------------------------------


@routes.post("/carrier/match")
def match() -> ResponseReturnValue:
    """Answer whether the register knows the person as the owner of the phone."""
    if not _has_token():
        return {"error": "unauthorized"}, 401
    content = _content("phone", "id_number", "full_name", "birth_date")
    if content is None:
        return {"error": "bad_request"}, 400
    answer = _world().register.answer(Question(**{**content, "phone": national(content["phone"])}))
    return _misbehaviour("carrier", {"verdict": "unavailable"}, 200) or _carrier_answer(answer)


def _carrier_answer(answer: Answer) -> ResponseReturnValue:
    if answer.takes_long:
        time.sleep(_world().slow_seconds)
    return {"verdict": answer.verdict, "carrier": answer.carrier, "fields_matched": list(answer.fields_matched)}


@routes.post("/sms/<any(a, b):letter>/messages")
def take_message(letter: str) -> ResponseReturnValue:
    """Take a text message and deliver it to the phone."""
    if not _has_token():
        return {"error": "unauthorized"}, 401
    content = _content("to", "text")
    if content is None:
        return {"error": "bad_request"}, 400
    gateway: System = "sms_a" if letter == "a" else "sms_b"
    trouble = _misbehaviour(gateway, {"error": "unavailable"}, 503)
    if trouble is not None:
        return trouble
    key = request.headers.get("Idempotency-Key", "")
    _world().deliver(gateway, key=key, to=national(content["to"]), text=content["text"])
    return {"id": key, "status": "accepted"}, 202


def _has_token() -> bool:
    return hmac.compare_digest(request.headers.get("Authorization", "").encode(), f"Bearer {TOKEN}".encode())


def _content(*fields: str) -> dict[str, str] | None:
    """Give the named texts of the JSON body, or None for a body that is not so."""
    body = request.get_json(silent=True)
    if not isinstance(body, dict):
        return None
    content = {field: body.get(field) for field in fields}
    is_good = all(isinstance(each, str) and 0 < len(each) <= LONGEST_FIELD for each in content.values())
    return cast("dict[str, str]", content) if is_good else None


def _misbehaviour(system: System, unavailable: dict[str, str], status: int) -> ResponseReturnValue | None:
    """Behave as the controls say; None means to go on."""
    behaviour = _world().behaviours()[system]
    if behaviour == "down":
        _cut_connection()
        return "", 500
    if behaviour == "nonsense":
        return "<html><body>Xin lỗi, hệ thống đang bảo trì &amp; nâng cấp"
    if behaviour == "unavailable":
        return unavailable, status
    if behaviour == "slow":
        time.sleep(_world().slow_seconds)
    return None


def _cut_connection() -> None:
    connection = request.environ.get("werkzeug.socket")
    if isinstance(connection, socket.socket):
        connection.shutdown(socket.SHUT_RDWR)


def national(phone: str) -> str:
    """Give a phone in national form, whichever of the two it is in; a `+` that a query made a blank is understood."""
    digits = phone.strip().removeprefix("+")
    return f"0{digits.removeprefix('84')}" if digits.startswith("84") else digits


# --- What tests and automated browsers ask --------------------------------------------------------------------------------------------


@routes.get("/sandbox/sms")
def list_texts() -> ResponseReturnValue:
    """Give the texts to a number as JSON, newest first."""
    return jsonify([asdict(each) for each in _world().texts(national(request.args.get("to", "")))])


@routes.get("/sandbox/people")
def list_people() -> ResponseReturnValue:
    """Give the synthetic people as JSON."""
    return jsonify([person.as_json() for person in _world().register.people()])


@routes.post("/sandbox/people")
def add_people() -> ResponseReturnValue:
    """Add a person, or a list of them, for a test."""
    body = request.get_json(silent=True)
    people = [_person(item) for item in (body if isinstance(body, list) else [body])]
    if None in people:
        return {"error": "a person has case, id_number, full_name, birth_date and phone"}, 400
    added = [person for person in people if person is not None]
    _world().register.add(added)
    return jsonify([person.as_json() for person in added]), 201


def _person(item: object) -> Person | None:
    if not isinstance(item, dict):
        return None
    fields = {name: item.get(name) for name in ("id_number", "full_name", "birth_date", "phone")}
    password = item.get("password")
    case = item.get("case", "match")
    is_good = all(isinstance(value, str) and 0 < len(value) <= LONGEST_FIELD for value in fields.values())
    if not is_good or case not in CASES or not isinstance(password, str | None):
        return None
    texts = cast("dict[str, str]", fields)
    return Person(case=cast("Case", case), password=password, **{**texts, "phone": national(texts["phone"])})


@routes.get("/sandbox/control")
def tell_behaviours() -> ResponseReturnValue:
    """Give each system's behaviour as JSON."""
    return jsonify(_world().behaviours())


@routes.post("/sandbox/control")
def control() -> ResponseReturnValue:
    """Make a system behave well or badly."""
    system, behaviour = request.form.get("system"), request.form.get("behaviour")
    if system not in SYSTEMS or behaviour not in BEHAVIOURS:
        return {"error": f"system is one of {SYSTEMS}, behaviour one of {BEHAVIOURS}"}, 400
    _world().set_behaviour(system, behaviour)
    return redirect("/control", 303)


@routes.get("/healthz")
def healthz() -> ResponseReturnValue:
    """Say that the program answers."""
    return {"status": "ok"}


# --- Pages ----------------------------------------------------------------------------------------------------------------------------


@routes.get("/")
def start() -> ResponseReturnValue:
    """Show where everything is and who to be."""
    people = _world().register.people()
    ready = [person for person in people if person.password]
    good = [person for person in people if person.case == "match" and not person.password]
    others = [next(person for person in people if person.case == case) for case in CASES[1:] if any(p.case == case for p in people)]
    return render_template("outside/start.html", people=[*ready, *good[:4], *others])


@routes.get("/phone")
def phone() -> ResponseReturnValue:
    """Show the phone: the messages of one number, or the numbers that have some."""
    number = national(request.args.get("to", ""))
    texts = _world().texts(number)
    newest = {text.to: text for text in reversed(texts)}
    return render_template("outside/phone.html", number=number, texts=texts, newest=list(reversed(newest.values())))


@routes.get("/control")
def controls() -> ResponseReturnValue:
    """Show how each system behaves, with buttons to change it."""
    return render_template("outside/control.html", behaviours=_world().behaviours(), choices=BEHAVIOURS)


def main() -> None:
    """Serve the outside world on its port."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port-base", type=int, default=DEFAULT_PORT_BASE)
    parser.add_argument("--tls", action="store_true", help="the provider is reached over TLS")
    parser.add_argument("--end-with-starter", action="store_true", help="end when standard input is closed")
    parser.add_argument("--accounts", type=Path, help="the JSON file with the passwords of people who have an account already")
    arguments = parser.parse_args()
    if arguments.end_with_starter:
        end_with_starter()
    passwords = json.loads(arguments.accounts.read_text(encoding="utf-8")) if arguments.accounts else {}
    people = [replace(person, password=passwords.get(person.id_number)) for person in everybody()]
    serve(create_app(Addresses(arguments.port_base, arguments.tls), people=people), arguments.port_base + OUTSIDE_DISTANCE)


if __name__ == "__main__":
    main()
