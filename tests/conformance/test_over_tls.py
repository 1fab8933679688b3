"""The server as the foundation's suite meets it: over TLS, with a known one-time code, walked without scripts."""

import fnmatch
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import httpx2
import pytest

from sandbox.programs import DemoTrouble
from tests.certificate import Certificate
from tests.conformance import judges
from tests.conformance.hand_run import ALIAS, CLIENTS, CODE, SUITE_URL, Plan, serving
from tests.conformance.plans import PASSED
from tests.conformance.suite import DISCOVERY, RegisteredClient, Suite, Visitor
from tests.instances import ROOT
from tests.interop import secure_sandbox
from tests.interop.page import Page

pytestmark = pytest.mark.timeout(300)  # the first test starts the server
START_SECONDS, STOP_SECONDS, ATTEMPTS = 150, 40, 5


@dataclass(frozen=True)
class Served:
    """The provider that the program started, as the configuration that it wrote tells of it."""

    configuration: Mapping[str, Any]
    certificate: Certificate

    @property
    def issuer(self) -> str:
        """Give the issuer."""
        return str(self.configuration["server"]["discoveryUrl"]).removesuffix(DISCOVERY)

    @property
    def clients(self) -> Mapping[str, RegisteredClient]:
        """Give the static clients."""
        place = f"{SUITE_URL}/test/a/{ALIAS}"
        addresses = {"redirect_uri": f"{place}/callback", "signed_out_uri": f"{place}/post_logout_redirect"}
        return {name: RegisteredClient(**self.configuration[name], **addresses, auth_method=method) for name, method in CLIENTS}

    def http(self) -> httpx2.Client:
        """Give connections of somebody new, who trusts this certificate and no other."""
        return httpx2.Client(verify=self.certificate.trusting(), trust_env=False, timeout=30)

    def now(self) -> float:
        """Give the time of this machine."""
        return time.time()

    def wait(self, seconds: int) -> None:
        """Let time pass."""
        time.sleep(seconds)

    def tasks(self, url: str, module: str = "") -> Sequence[Mapping[str, Any]]:
        """Give what the suite's browser is told to do from an address on: what stands in the first entry that fits."""
        entries = self.configuration["override"].get(module, self.configuration)["browser"]
        return next(list(entry["tasks"]) for entry in entries if fnmatch.fnmatchcase(url, entry["match"]))


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Give the server, started by the program that `scripts/conformance` runs."""
    place = tmp_path_factory.mktemp("served")
    for attempt in range(ATTEMPTS):  # somebody may take the same ports between our look and our start
        folder, out = place / str(attempt), place / f"{attempt}.json"
        with _started(folder, out) as process:
            if _is_ready(process, out):
                certificate = Certificate(folder / "localhost.pem", folder / "localhost.key")
                yield Served(json.loads(out.read_text(encoding="utf-8")), certificate)
                return
    pytest.fail(f"the server did not start: {(place / 'log').read_text(encoding='utf-8')}")


@contextmanager
def _started(folder: Path, out: Path) -> Iterator["subprocess.Popen[bytes]"]:
    base = str(secure_sandbox.free_port_base())
    program = [sys.executable, "-m", "tests.conformance.hand_run", "--end-with-starter"]
    with (out.parent / "log").open("ab") as log:
        process = subprocess.Popen(
            [*program, "--folder", str(folder), "--out", str(out), "--port-base", base],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        if process.stdin:
            process.stdin.close()
        process.wait(STOP_SECONDS)


def _is_ready(process: "subprocess.Popen[bytes]", out: Path) -> bool:
    give_up_at = time.monotonic() + START_SECONDS
    while not out.exists() and process.poll() is None and time.monotonic() < give_up_at:
        time.sleep(0.1)
    return out.exists()


@pytest.fixture
def suite(served: Served) -> Iterator[Suite]:
    """Give a run of the suite, with the person whom the configuration names at a browser without scripts."""
    typed = {field: value for task in served.tasks(served.issuer + "/authorize") for field, value in texts(task["commands"]).items()}
    with served.http() as browser:
        suite = Suite(served, Visitor(browser, typed))
        with closing(suite.http):
            yield suite


def test_oidcc_server_over_tls(suite: Suite) -> None:
    flow = suite.flow(scope="openid email")
    suite.judge(judges.claims_of(["openid", "email"], flow.userinfo))
    suite.judge(judges.minimal_id_token(flow.claims))
    assert suite.has_seen_login()
    assert suite.person.knows["otp"] == CODE
    assert suite.outcome == PASSED
    suite.flow(prompt="none")


def test_every_cookie_is_bound_to_the_host_and_to_tls(suite: Suite) -> None:
    set_cookies: list[str] = []
    suite.person.browser.event_hooks["response"].append(lambda response: set_cookies.extend(response.headers.get_list("Set-Cookie")))
    suite.code(suite.request())
    assert suite.http.get(suite.site.issuer + DISCOVERY).headers["Strict-Transport-Security"]
    cookies = {name: morsel for header in set_cookies for name, morsel in SimpleCookie(header).items()}
    assert {"__Host-senid_browser", "__Host-senid_session"} <= set(cookies)
    for name, morsel in cookies.items():
        assert name.startswith("__Host-")
        assert (bool(morsel["secure"]), bool(morsel["httponly"]), morsel["samesite"], morsel["path"]) == (True, True, "Lax", "/")
        assert morsel["domain"] == ""


@pytest.mark.parametrize("module", ["oidcc-server", "oidcc-prompt-login", "oidcc-max-age-1"])
def test_what_the_suites_browser_is_told_leads_from_the_request_to_the_callback(served: Served, suite: Suite, module: str) -> None:
    sent = suite.request()
    url = driven(suite.person.browser, suite.url(sent), served.tasks(suite.url(sent), module), back=sent.redirect_uri)
    assert httpx2.URL(url).params["state"] == sent.parameters["state"]
    assert "code" in httpx2.URL(url).params


def test_what_the_suites_browser_is_told_of_a_refused_address_finds_a_page(served: Served, suite: Suite) -> None:
    sent = suite.request(redirect_uri=served.clients["client"].redirect_uri + "/x")
    [task] = served.tasks(suite.url(sent), "oidcc-ensure-registered-redirect-uri")
    assert fnmatch.fnmatchcase(suite.url(sent), task["match"])
    assert suite.page(sent) == "invalid_redirect_uri"


@pytest.mark.parametrize("name", ["", "-no-params", "-no-post-logout-redirect-uri"])
def test_what_the_suites_browser_is_told_of_a_logout_leads_to_its_end(served: Served, suite: Suite, name: str) -> None:
    flow = suite.flow()
    back = served.clients["client"].signed_out_uri
    parameters = {"": {"id_token_hint": flow.tokens["id_token"], "post_logout_redirect_uri": back, "state": "of the logout"}}
    parameters["-no-post-logout-redirect-uri"] = {"id_token_hint": flow.tokens["id_token"]}
    url = str(httpx2.URL(suite.metadata["end_session_endpoint"], params=parameters.get(name, {})))
    end = driven(suite.person.browser, url, served.tasks(url, f"oidcc-rp-initiated-logout{name}"), back=back)
    assert httpx2.URL(end).path == ("/sign-out/done" if name else httpx2.URL(back).path)
    assert suite.error(suite.request(prompt="none")) == "login_required"


def test_an_earlier_run_is_not_taken_up_again(tmp_path: Path) -> None:
    (tmp_path / "config.toml").touch()
    plan = Plan(suite=SUITE_URL, alias=ALIAS, port_base=9400, folder=tmp_path, out=None)
    with pytest.raises(DemoTrouble, match="holds an earlier run"), serving(plan):
        pass


def driven(browser: httpx2.Client, url: str, tasks: Sequence[Mapping[str, Any]], *, back: str) -> str:
    """Do the tasks in their order, as the suite's browser does; gives the address where it ends."""
    url, page = opened(browser, browser.get(url), back)
    for task in tasks:
        if not fnmatch.fnmatchcase(url, task["match"]):
            assert task.get("optional"), (task["task"], url)
        elif page is not None:
            url, page = pressed(browser, url, page, task["commands"], back)
    return url


def pressed(browser: httpx2.Client, url: str, page: Page, commands: Sequence[Sequence[Any]], back: str) -> tuple[str, Page | None]:
    """Type what the commands say into the fields of these names and press the button with `id="submit"`, or look at the page alone."""
    if commands[-1][0] == "wait":
        return url, page
    form = page.main_form
    assert form is not None
    assert commands[-1] == ["click", "id", "submit"]
    target = httpx2.URL(url).join(form.action or url)
    response = browser.post(target, data=form.filled(texts(commands)), headers={"Origin": origin(url)})
    return opened(browser, response, back)


def origin(url: str) -> str:
    """Give the origin of an address."""
    parts = httpx2.URL(url)
    return f"{parts.scheme}://{parts.netloc.decode()}"


def texts(commands: Sequence[Sequence[Any]]) -> dict[str, str]:
    """Give what is typed, by the names of the fields."""
    return {command[2]: command[3] for command in commands if command[:2] == ["text", "name"]}


def opened(browser: httpx2.Client, response: httpx2.Response, back: str) -> tuple[str, Page | None]:
    """Follow redirects; gives the address with its page, or that of the client, which nobody serves here."""
    while response.status_code == httpx2.codes.SEE_OTHER:
        location = str(response.url.join(response.headers["Location"]))
        if location.partition("?")[0] == back:
            return location, None
        response = browser.get(location)
    page = Page(response.text)
    assert (response.status_code, page.errors) == (200, [])
    return str(response.url), page
