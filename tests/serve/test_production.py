import json
import re
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
import pytest

from tests.cli import people
from tests.interop.person import Person
from tests.serve.installed import Installed
from tests.serve.portal import Portal
from tests.serve.server import Deployment, OwnRedis

pytestmark = pytest.mark.timeout(300)  # the first test builds, installs and starts


def owner(browser: httpx2.Client) -> Person:
    """Give the person with an account, at this browser."""
    return Person(browser, {"id_number": people.ID_NUMBER, "password": people.PASSWORD})


@contextmanager
def without_redis(own_redis: OwnRedis) -> Iterator[None]:
    own_redis.stop()
    try:
        yield
    finally:
        own_redis.start()


def test_the_server_is_the_installed_wheel_and_not_the_checkout(installed: Installed, production: Deployment) -> None:
    done = installed.run(installed.python, "-c", "import idp; print(idp.__file__)", cwd=production.folder)
    assert done.stdout.startswith(str(installed.folder))


def test_discovery_names_https_endpoints_that_answer(production: Deployment) -> None:
    with production.client() as software:
        document = software.get("/.well-known/openid-configuration").json()
        endpoints = {name: address for name, address in document.items() if name.endswith(("_endpoint", "_uri"))}
        assert document["issuer"] == production.address
        assert len(endpoints) >= 5
        assert [address for address in endpoints.values() if not address.startswith(f"{production.address}/")] == []
        assert {software.get(address).status_code for address in endpoints.values()} <= {200, 303, 400, 401, 405}
        assert {key["alg"] for key in software.get(document["jwks_uri"]).json()["keys"]} == {"ES256", "RS256"}


def test_pages_set_host_cookies_and_demand_tls_from_then_on(production: Deployment) -> None:
    with production.client() as browser:
        opened = browser.get("/register")
        page = browser.get(opened.headers["Location"])
        software = browser.get("/jwks")
    cookies = opened.headers.get_list("Set-Cookie")
    assert cookies
    for cookie in cookies:
        assert re.match(r"__Host-senid_\w+=[^;]+; Path=/; HttpOnly; SameSite=Lax(; Max-Age=\d+)?; Secure$", cookie), cookie
    for response in (opened, page, software):
        assert response.headers["Strict-Transport-Security"] == "max-age=63072000; includeSubDomains"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]


def test_plain_http_is_not_answered(production: Deployment) -> None:
    with pytest.raises(httpx2.TransportError):
        httpx2.get(f"http://localhost:{production.port}/healthz", trust_env=False, timeout=5)


def test_what_pages_are_made_of_came_with_the_wheel(production: Deployment) -> None:
    with production.client() as browser:
        start = browser.get("/")
        choice = browser.get("/register", follow_redirects=True)
        form = browser.get(f"{choice.url.path}/mobile-subscriber?subject=citizen")
        english = browser.get("/", headers={"Accept-Language": "en"})
        addresses = set(re.findall(r'(?:href|src)="(/(?:static|captcha)/[^"]+)"', start.text + form.text))
        kinds = {address.rpartition(".")[2]: browser.get(address) for address in addresses}
    assert 'lang="vi"' in start.text
    assert 'lang="en"' in english.text
    assert {"css", "js", "png", "wav"} <= kinds.keys()
    assert {kind: answer.status_code for kind, answer in kinds.items()} == dict.fromkeys(kinds, 200)
    assert kinds["css"].headers["Content-Type"].startswith("text/css")
    assert kinds["png"].content.startswith(b"\x89PNG")
    assert kinds["wav"].content.startswith(b"RIFF")
    assert len(kinds["wav"].content) > 50_000


KNOWN_PASSWORD = """\
from idp import config, errors
from idp.identity.passwords import Passwords
try:
    Passwords(config.load()).check("Abcd@1234", "Abcd@1234", words=[])
except errors.PasswordKnown:
    print("known")
"""


def test_the_known_passwords_came_with_the_wheel(production: Deployment) -> None:
    # Without the code the rule wants 14 characters, which no known password of the list has; so the rule with a code is asked.
    variables = {**production.variables, "SENID_ONE_TIME_CODES__REQUIRED_AT_SIGN_IN": "true"}
    done = production.installed.run(production.installed.python, "-c", KNOWN_PASSWORD, cwd=production.folder, **variables)
    assert done.stdout == "known\n", done.stderr


def test_people_and_software_get_through(production: Deployment, portal: Portal) -> None:
    with production.client() as browser, production.client() as software:
        tokens = portal.redeem(software, portal.code(owner(browser))).json()
        claims = software.get("/userinfo", headers={"Authorization": f"Bearer {tokens['access_token']}"}).json()
        assert {cookie.name for cookie in browser.cookies.jar} >= {"__Host-senid_browser", "__Host-senid_session", "__Host-senid_device"}
    assert claims["name"]


def test_metrics_are_for_this_machine_and_healthz_is_open(production: Deployment) -> None:
    with production.client() as software:
        assert software.get("/healthz").json() == {"status": "ok"}
        assert "senid_requests_total" in software.get("/metrics").text
        assert software.get("/metrics", headers={"X-Forwarded-For": "203.0.113.7"}).status_code == 200  # nobody is trusted to say so


def test_without_redis_the_answer_is_no_and_later_and_never_yes(production: Deployment, portal: Portal, own_redis: OwnRedis) -> None:
    with production.client() as browser, production.client() as software:
        assert software.get("/readyz").json() == {"status": "ready", "database": "up", "short_lived": "up"}
        code = portal.code(owner(browser))
        tokens = portal.redeem(software, code).json()
        unused = portal.code(owner(browser))
        bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
        with without_redis(own_redis):
            ready = software.get("/readyz")
            assert (ready.status_code, ready.json()["short_lived"], ready.json()["database"]) == (503, "down", "up")
            assert software.get("/healthz").status_code == 200
            for refused in (portal.redeem(software, unused), portal.redeem(software, code)):
                assert (refused.status_code, refused.json()["error"]) == (503, "temporarily_unavailable")
                assert int(refused.headers["Retry-After"]) > 0
            assert software.get("/userinfo", headers=bearer).status_code == 200
            refreshed = portal.refresh(software, tokens["refresh_token"]).json()
            assert software.get("/userinfo", headers={"Authorization": f"Bearer {refreshed['access_token']}"}).status_code == 200
            for page in (browser.get(portal.request()), browser.get("/register"), browser.get("/")):
                assert (page.status_code, page.headers["Content-Type"]) == (503, "text/html; charset=utf-8")
                assert 'data-error="unavailable"' in page.text
                assert int(page.headers["Retry-After"]) > 0
            for path in ("/jwks", "/.well-known/openid-configuration"):
                assert software.get(path).status_code == 200
        assert software.get("/readyz").status_code == 200
        assert portal.redeem(software, unused).json()["error"] == "invalid_grant"  # this Redis has forgotten it
        again = portal.refresh(software, refreshed["refresh_token"])
        assert again.status_code == 200, "a refresh token must survive an outage"
        assert again.json()["refresh_token"] != refreshed["refresh_token"]


def test_the_log_is_json_with_request_ids_and_without_secrets(production: Deployment, portal: Portal) -> None:
    with production.client() as browser, production.client() as software:
        tokens = portal.redeem(software, portal.code(owner(browser))).json()
        request_id = software.get("/userinfo", headers={"Authorization": f"Bearer {tokens['access_token']}"}).headers["X-Request-Id"]
    text = production.log.read_text(encoding="utf-8")
    assert [word for word in (*tokens.values(), portal.client_secret) if len(str(word)) > 20 and str(word) in text] == []
    lines = [line for line in text.splitlines() if line.strip()]
    assert [line for line in lines if not line.startswith("{")] == []
    assert request_id in {json.loads(line).get("request_id") for line in lines}
