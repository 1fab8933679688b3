from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx2
import pytest
from joserfc import jws

from tests.interop.conftest import SPEAKERS, NewPerson, Register
from tests.interop.person import Arrival
from tests.interop.portals import KINDS, REDIRECT_URI, SIGNED_OUT_URI, Kind, Portal, Refused, Registered

pytestmark = [pytest.mark.interop, pytest.mark.timeout(300)]  # the first test starts the sandbox

OpenPortal = Callable[[str, Registered], Portal]
LIBRARIES = tuple(SPEAKERS)
SAME = ("iss", "sub", "aud", "auth_time", "sid", "acr")  # after a refresh (OpenID Connect Core 12.2)


@contextmanager
def refusal(error: str) -> Iterator[None]:
    """Expect the portal to be refused with this OAuth error."""
    with pytest.raises(Refused) as refused:
        yield
    assert refused.value.error == error


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("library", LIBRARIES)
def test_a_portal_sees_the_whole_story(
    library: str, kind: Kind, register: Register, open_portal: OpenPortal, new_person: NewPerson
) -> None:
    portal, person = open_portal(library, register(kind)), new_person()

    # A newcomer registers on the way to the portal, and arrives at level 2.
    arrival = person.walk(portal.begin(), to=REDIRECT_URI)
    assert any(path.startswith("/register/draft/") for path in person.visited)
    assert (arrival.form is not None) is (kind.response_mode == "form_post")
    first = portal.finish(arrival)
    assert jws.extract_compact(first.id_token.encode()).headers()["alg"] == kind.id_token_alg
    assert first.claims["acr"] == "urn:senid:loa:2"
    assert set(first.claims["amr"]) >= {"pwd", "mfa"}
    assert first.scope.split() == ["openid", "profile", "phone", "assurance"]
    claims = portal.userinfo()
    assert (claims["name"], claims["proofing_level"], claims["authentication_level"]) == (person.knows["full_name"], 2, 2)
    assert claims["phone_number"].endswith(person.knows["phone"][1:])

    # Refresh tokens rotate: the old one is worth nothing, the new one works on.
    second = portal.refresh(first.refresh_token)
    assert second.refresh_token != first.refresh_token
    assert {name: second.claims[name] for name in SAME} == {name: first.claims[name] for name in SAME}
    assert portal.userinfo()["sub"] == first.claims["sub"]
    with refusal("invalid_grant"):
        portal.refresh(first.refresh_token)
    third = portal.refresh(second.refresh_token)

    # The portal signs the person out: they come back, and what was granted has ended.
    signed_out = person.walk(portal.sign_out("state-of-the-logout"), to=SIGNED_OUT_URI)
    assert signed_out.parameters == {"state": "state-of-the-logout"}
    with refusal("invalid_grant"):
        portal.refresh(third.refresh_token)
    with pytest.raises(Refused):
        portal.userinfo()

    # Next time password and code are asked for, and nothing else: the portal meets the same person.
    again = portal.finish(person.walk(portal.begin(), to=REDIRECT_URI))
    assert any("/one-time-code" in path for path in person.visited)
    assert not any("/consent/" in path or "/register/" in path for path in person.visited)
    assert again.claims["sub"] == first.claims["sub"]
    assert again.claims["sid"] != first.claims["sid"]


@pytest.mark.parametrize("library", LIBRARIES)
def test_what_the_libraries_watch_for(library: str, register: Register, open_portal: OpenPortal, new_person: NewPerson) -> None:
    registered = register(KINDS[0])
    portal, person = open_portal(library, registered), new_person()

    # A person who declines.
    declined = person.walk(portal.begin(), to=REDIRECT_URI, declines=True)
    with refusal("access_denied"):
        portal.finish(declined)

    # Answers that somebody changed on the way: another issuer, another state, none, and another code.
    arrival = person.walk(portal.begin(), to=REDIRECT_URI)
    for name, value in (("iss", "https://evil.example"), ("state", "x" * 43)):
        with pytest.raises(Refused, match=name):
            portal.finish(changed(arrival, name, value))
    with refusal("invalid_grant"):
        portal.finish(changed(arrival, "code", "x" * 43))
    received = portal.finish(arrival)

    # A code that is used twice ends what the first use gave.
    with refusal("invalid_grant"):
        portal.finish(arrival)
    with refusal("invalid_grant"):
        portal.refresh(received.refresh_token)

    # Signed in already: no page at all; and a question that must not show one is answered when nobody is there.
    portal.finish(person.walk(portal.begin(prompt="none"), to=REDIRECT_URI))
    assert person.visited == ["/authorize"]
    stranger = new_person().walk(portal.begin(prompt="none"), to=REDIRECT_URI)
    with refusal("login_required"):
        portal.finish(stranger)


@pytest.mark.parametrize(("library", "told"), [("openid-client", "401 basic"), ("authlib", "invalid_client")])
def test_a_portal_with_a_wrong_secret_is_told_so(
    library: str, told: str, register: Register, open_portal: OpenPortal, new_person: NewPerson
) -> None:
    registered = register(KINDS[0])
    impostor = Registered(registered.issuer, registered.kind, registered.client_id, client_secret="x" * 43)
    portal = open_portal(library, impostor)
    arrival = new_person().walk(portal.begin(), to=REDIRECT_URI)
    with refusal(told):
        portal.finish(arrival)


def test_openid_client_refuses_the_claims_of_somebody_else(register: Register, open_portal: OpenPortal, new_person: NewPerson) -> None:
    portal, person = open_portal("openid-client", register(KINDS[0])), new_person()
    portal.finish(person.walk(portal.begin(claims='{"userinfo":{"sub":null}}', login_hint=person.knows["id_number"]), to=REDIRECT_URI))
    assert portal.userinfo()["sub"]
    with pytest.raises(Refused, match="sub"):
        portal.userinfo(subject="somebody-else")  # type: ignore[call-arg]


def changed(arrival: Arrival, name: str, value: str) -> Arrival:
    """Give the same answer with one parameter changed."""
    assert name in arrival.parameters
    return Arrival(str(httpx2.URL(arrival.url).copy_set_param(name, value)))
