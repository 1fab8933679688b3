"""What the demo's provider is told before its first start: its two portals, and two people who have an account already."""

import argparse
import json
import os
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from idp import config as configuration
from idp import services as wiring
from idp.identity import birth_dates, documents, names, phone_numbers
from idp.identity.assurance import CONFIRMED
from idp.identity.proofing import NewEvidence
from idp.identity.registration_drafts import Applicant
from idp.promises import CarrierAnswer, CarrierVerdict
from idp.protocol.clients import Client, new_client_id
from idp.services import Services
from idp.storage import migrations
from idp.storage.db import open_database
from idp.values import LocalText, new_secret, secret_hash
from sandbox.addresses import Addresses
from sandbox.people import Person, everybody
from sandbox.portals import PORTALS, SCOPE, Portal
from sandbox.subscriber_register import Question, SubscriberRegister

PURPOSE = LocalText(
    "Tiếp nhận và giải quyết hồ sơ thủ tục hành chính của quý vị.",
    "To receive and handle your administrative procedures.",
)
PEOPLE_WITH_ACCOUNT = 2
PASSWORD = "Song-Hong-2026!"
METHOD = "mobile_subscriber"


def register(folder: Path, addresses: Addresses) -> None:
    """Register portals and people at the provider whose `config.toml` is in `folder`, and write down what they were given."""
    config = configuration.load(folder / "config.toml")
    database = open_database(config.database.url.get_secret_value())
    migrations.upgrade(database)
    services = wiring.build(config, database)
    # The last of the plain good people: whoever takes the first ones to register finds them without an account.
    people = [person for person in everybody() if person.case == "match"][-PEOPLE_WITH_ACCOUNT:]
    for person in people:
        _register_person(services, person)
    _write(folder / "accounts.json", {person.id_number: PASSWORD for person in people})
    portals = {portal.key: _register_portal(services, portal, addresses) for portal in PORTALS}
    _write(folder / "portals.json", {"port_base": addresses.port_base, "is_tls": addresses.is_tls, "portals": portals})


def _register_portal(services: Services, portal: Portal, addresses: Addresses) -> dict[str, str | None]:
    address = addresses.portal(portal.number)
    client, secret = services.clients.add(
        Client(
            client_id=new_client_id(),
            name=LocalText(f"{portal.name_vi} (Sandbox)", f"{portal.name_en} (Sandbox)"),
            auth_method=portal.auth_method,
            redirect_uris=(f"{address}/callback",),
            # Both portals are on one host; as two sectors they see different subjects, as two provinces would.
            sector=f"{portal.key.replace('_', '-')}.sandbox",
            post_logout_redirect_uris=(f"{address}/signed-out",),
            scopes=tuple(SCOPE.split()),
            legal_basis=portal.legal_basis,
            purpose=PURPOSE,
            id_token_algorithm=portal.id_token_algorithm,
            home_uri=f"{address}/",
        )
    )
    return {"client_id": client.client_id, "client_secret": secret, "cookie_key": secrets.token_urlsafe(32)}


def _register_person(services: Services, person: Person) -> None:
    """Walk the registration of a person to its end, as the flow does, with the answer of the sandbox's register."""
    applicant = _applicant(person)
    if services.accounts.exists_with(applicant.id_number):
        return
    services.passwords.check(PASSWORD, PASSWORD, words=[applicant.id_number.digits, applicant.full_name, applicant.phone.national])
    answer = _carrier_answer(person)
    draft = services.drafts.open(applicant, browser_hash=secret_hash(new_secret()), interaction_id=None)
    services.drafts.prove_phone(draft.id, phone=applicant.phone)
    services.drafts.settle(draft, answer)
    services.accounts.register(
        applicant,
        password_hash=services.passwords.hash(PASSWORD),
        evidence=NewEvidence(
            method=METHOD,
            source=answer.carrier,
            result=CONFIRMED,
            fields_matched=answer.fields_matched,
            checked_at=datetime.now(UTC),
        ),
        language="vi",
        phone_cap=services.config.registration.accounts_per_phone,
        draft_id=draft.id,
    )


def _applicant(person: Person) -> Applicant:
    return Applicant(
        subject="citizen",
        id_number=documents.parse(person.id_number, accept_old=False),
        full_name=names.parse(person.full_name),
        birth_date=birth_dates.parse(person.birth_date, today=datetime.now(UTC).date()),
        phone=phone_numbers.parse(person.phone),
        email=None,
    )


def _carrier_answer(person: Person) -> CarrierAnswer:
    question = Question(person.phone, person.id_number, person.full_name, person.iso_birth_date)
    found = SubscriberRegister([person]).answer(question)
    return CarrierAnswer(CarrierVerdict(found.verdict), found.carrier, found.fields_matched)


def _write(path: Path, content: dict[str, Any]) -> None:
    """Write a file that this user alone may read, whole or not at all."""
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        json.dump(content, file, indent=2)
    draft.replace(path)


def main() -> None:
    """Register."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--port-base", type=int, required=True)
    parser.add_argument("--tls", action="store_true")
    arguments = parser.parse_args()
    register(arguments.folder, Addresses(arguments.port_base, arguments.tls))


if __name__ == "__main__":
    main()
