"""Run beside a deployment: makes portals without refresh tokens, people, consents and signed-in browsers by the product's own verbs.

python -m bench.people COUNT REDIRECT_URI
"""

import json
import sys
from datetime import UTC, date, datetime

from idp import config as configuration
from idp import services as product
from idp.identity import birth_dates, documents, phone_numbers
from idp.identity.assurance import Factor
from idp.identity.proofing import NewEvidence
from idp.identity.registration_drafts import Applicant
from idp.promises import CarrierAnswer, CarrierVerdict
from idp.protocol.clients import SIGNING_ALGORITHMS, Client, new_client_id, sector_of
from idp.services import Services
from idp.storage.db import open_database
from idp.values import LocalText, new_secret, secret_hash

FIELDS = ("phone", "id_number", "full_name", "birth_date")


def register(services: Services, number: int) -> str:
    """Register a person as one whom the carrier confirmed; gives the account id."""
    applicant = Applicant(
        subject="citizen",
        id_number=documents.parse(f"033090{number:06}", accept_old=False),
        full_name="Nguyễn Thị Ánh Tuyết",
        birth_date=birth_dates.parse("01/02/1990", today=date(2026, 1, 1)),
        phone=phone_numbers.parse(f"0912{number:06}"),
        email=f"tuyet-{number}@example.vn",
    )
    draft = services.drafts.open(applicant, browser_hash=secret_hash(new_secret()), interaction_id=None)
    services.drafts.prove_phone(draft.id, phone=applicant.phone)
    services.drafts.settle(draft, CarrierAnswer(CarrierVerdict.MATCH, "viettel", FIELDS))
    return services.accounts.register(
        applicant,
        password_hash=services.passwords.hash(new_secret()),
        evidence=NewEvidence("mobile_subscriber", "viettel", "match", FIELDS, services.clock.now(), reference=draft.id),
        language="vi",
        phone_cap=services.config.registration.accounts_per_phone,
        draft_id=draft.id,
    )


def sign_in(services: Services, account_id: str) -> str:
    """Start a session by password and code, as the sign-in does; gives the secret of its cookie."""
    now = datetime.now(UTC)
    _session, secret = services.sessions.start(account_id, (Factor("pwd", now), Factor("sms", now)), replaces=None, language="vi")
    return secret


def add_portal(services: Services, redirect_uri: str, algorithm: str) -> dict[str, str]:
    """Register a portal that is given no refresh tokens, which `idp clients add` has no option for."""
    purpose = LocalText("Nộp hồ sơ trực tuyến", "Submit files online")
    wanted = Client(
        client_id=new_client_id(),
        name=LocalText(f"Codes {algorithm}", f"Codes {algorithm}"),
        auth_method="client_secret_basic",
        redirect_uris=(redirect_uri,),
        sector=sector_of((redirect_uri,)) or "",
        scopes=("openid", "profile", "email"),
        grant_types=("authorization_code",),
        purpose=purpose,
        id_token_algorithm=algorithm,
    )
    client, secret = services.clients.add(wanted)
    return {"client_id": client.client_id, "client_secret": secret or ""}


def main(count: int, redirect_uri: str) -> None:
    """Make them and print what the driver needs as JSON."""
    config = configuration.load()
    database = open_database(config.database.url.get_secret_value(), pool_size=2)
    services = product.build(config, database)
    portals = {algorithm: add_portal(services, redirect_uri, algorithm) for algorithm in SIGNING_ALGORITHMS}
    secrets = []
    for number in range(1, count + 1):
        account_id = register(services, number)
        for client in services.clients.all():
            services.consents.record(account_id, client, client.scopes)
        secrets.append(sign_in(services, account_id))
    database.close()
    sys.stdout.write(json.dumps({"sessions": secrets, "portals": portals}))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
