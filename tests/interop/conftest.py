"""A provider over TLS, the portals that register there, and the people who come."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx2
import pytest

from sandbox.people import PersonJson
from tests.certificate import Certificate, make_certificate
from tests.cli.command import run_idp
from tests.interop.authlib_client import AuthlibPortal
from tests.interop.openid_client import OpenidClientPortal
from tests.interop.person import Person
from tests.interop.portals import REDIRECT_URI, SIGNED_OUT_URI, Kind, Portal, Registered, Speaker, new_key
from tests.interop.secure_sandbox import secure_sandbox
from tests.live import LiveSandbox

PASSWORD = "qZ7!vB3#kW9x"  # holds no part of anybody's name or number
SPEAKERS: dict[str, Speaker] = {"openid-client": OpenidClientPortal, "authlib": AuthlibPortal}

Register = Callable[[Kind], Registered]
NewPerson = Callable[[], Person]


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """Give the provider's certificate, which the portals are told to trust."""
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="session")
def provider(tmp_path_factory: pytest.TempPathFactory, certificate: Certificate) -> Iterator[LiveSandbox]:
    """Give the sandbox, whose provider is reached over TLS."""
    with secure_sandbox(tmp_path_factory.mktemp("secure"), certificate) as sandbox:
        yield sandbox


@pytest.fixture
def register(provider: LiveSandbox, tmp_path: Path) -> Register:
    """Give what registers a portal by the operator's command."""

    def add(kind: Kind) -> Registered:
        options = ["--auth-method", kind.auth_method, "--alg", kind.id_token_alg]
        key = new_key(kind.assertion_alg) if kind.auth_method == "private_key_jwt" else None
        if key is not None:
            file = tmp_path / "jwks.json"
            file.write_text(json.dumps({"keys": [key.as_dict(private=False)]}), encoding="utf-8")
            options += ["--jwks", str(file)]
        addresses = ["--redirect-uri", REDIRECT_URI, "--post-logout-redirect-uri", SIGNED_OUT_URI]
        outcome = run_idp("clients", "add", "--config", provider.config, "--name", f"Cổng {kind}", *addresses, *options, "--json")
        assert outcome.code == 0, outcome.err
        return Registered(provider.provider, kind, key=key, **json.loads(outcome.out))

    return add


@pytest.fixture
def open_portal(certificate: Certificate) -> Iterator[Callable[[str, Registered], Portal]]:
    """Give what opens a portal that speaks by the named library; it is closed after the test."""
    with ExitStack() as stack:

        def speak(library: str, registered: Registered) -> Portal:
            portal = SPEAKERS[library](registered, certificate.cert)
            stack.callback(portal.close)
            return portal

        yield speak


@pytest.fixture(scope="session")
def newcomers(provider: LiveSandbox) -> Iterator[PersonJson]:
    """Give people without an account, each once."""
    return iter([person for person in provider.people() if person["password"] is None])


@pytest.fixture
def new_person(provider: LiveSandbox, certificate: Certificate, newcomers: Iterator[PersonJson]) -> Iterator[NewPerson]:
    """Give what brings a person who has no account yet, with a browser of their own."""
    with ExitStack() as stack:

        def bring() -> Person:
            browser = httpx2.Client(verify=certificate.trusting(), trust_env=False, timeout=30)
            stack.enter_context(browser)
            details = next(newcomers)
            phone = details["phone"]
            knows = {name: str(details[name]) for name in ("id_number", "full_name", "birth_date", "phone")}
            knows |= {"captcha": "sandbox", "password": PASSWORD, "password_confirm": PASSWORD}
            return Person(browser, knows, read_code=lambda: provider.last_code(phone), has_account=False)

        yield bring
