"""Starts the provider for the foundation's own suite: TLS, known one-time codes, static clients, a person, the suite's configuration."""

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import httpx2

from sandbox.addresses import OUTSIDE_DISTANCE, Addresses
from sandbox.demo import CONFIG
from sandbox.people import everybody
from sandbox.programs import Child, DemoTrouble, Program, await_all, check_port, start, stop, watch
from sandbox.provider import FIXED_OTP_VARIABLE, PICTURE_CODE_WORD
from sandbox.web_server import end_with_starter
from tests.certificate import Certificate, make_certificate
from tests.cli.command import run_idp
from tests.conformance.suite import RegisteredClient
from tests.interop.page import Page
from tests.interop.person import MOST_STEPS, REDIRECTS

CODE = "000000"
PASSWORD = "qZ7!vB3#kW9x"  # holds no part of the person's name or number
EMAIL = "person@example.vn"
SCOPES = ("openid", "profile", "email", "phone", "address", "offline_access")
CLIENTS = (("client", "client_secret_basic"), ("client2", "client_secret_basic"), ("client_secret_post", "client_secret_post"))
SUITE_URL = "https://localhost.emobix.co.uk:8443"
ALIAS = "senid"
# One person signs in for every module of a plan, so the limits on one phone and one account would end the run.
CALM_LIMITS = """
[one_time_codes]
codes_per_phone_and_day = 10000
tries_per_account_and_day = 10000
"""


@dataclass(frozen=True)
class Plan:
    """What a run is told: where the suite is, where we listen, and where to write."""

    suite: str
    alias: str
    port_base: int
    folder: Path
    out: Path | None

    @property
    def addresses(self) -> Addresses:
        """Give the addresses of the provider and the phone."""
        return Addresses(self.port_base, is_tls=True)

    @property
    def place(self) -> str:
        """Give the address under which the suite runs a module."""
        return f"{self.suite}/test/a/{self.alias}"


@dataclass(frozen=True)
class Ready:
    """What stands when everything answers."""

    issuer: str
    certificate: Certificate
    clients: Mapping[str, RegisteredClient]
    person: Mapping[str, str]


@contextmanager
def serving(plan: Plan) -> Iterator[tuple[Ready, Sequence[Child]]]:
    """Run the provider and the phone for the time of the block."""
    if (plan.folder / "config.toml").exists():
        raise DemoTrouble(f"{plan.folder} holds an earlier run; remove it, or name another with --folder")
    plan.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    certificate = make_certificate(plan.folder)
    config = plan.folder / "config.toml"
    addresses = plan.addresses
    text = CONFIG.format(provider=addresses.provider, outside=addresses.outside, port_base=addresses.port_base)
    config.write_text(text + CALM_LIMITS, encoding="utf-8")
    _run("db", "upgrade", "--config", config)
    clients = {name: _register(plan, config, name, auth_method) for name, auth_method in CLIENTS}
    children: list[Child] = []
    try:
        for program in _programs(plan, certificate):
            check_port(program)
            children.append(start(program, plan.folder, _environment(config, certificate)))
        await_all(children)
        yield Ready(addresses.provider, certificate, clients, _person(addresses.provider, certificate)), children
    finally:
        stop(children)


def _programs(plan: Plan, certificate: Certificate) -> tuple[Program, Program]:
    base = plan.port_base
    tls = ("--tls-cert", str(certificate.cert), "--tls-key", str(certificate.key))
    return (
        Program("phone", ("sandbox.outside", "--port-base", str(base), "--tls", "--end-with-starter"), base + OUTSIDE_DISTANCE),
        Program("provider", ("sandbox.provider", "--end-with-starter", *tls), base, "/readyz", certificate.cert),
    )


def _environment(config: Path, certificate: Certificate) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("SENID_")}
    ours = {"SENID_CONFIG": str(config), FIXED_OTP_VARIABLE: CODE, "REQUESTS_CA_BUNDLE": str(certificate.cert)}
    return {**inherited, "NO_PROXY": "localhost,127.0.0.1", **ours}


def _register(plan: Plan, config: Path, name: str, auth_method: str) -> RegisteredClient:
    """Register a static client by the operator's command."""
    addresses = ("--redirect-uri", f"{plan.place}/callback", "--post-logout-redirect-uri", f"{plan.place}/post_logout_redirect")
    policy = ("--pkce", "optional", "--alg", "RS256", "--auth-method", auth_method)
    scopes = [word for scope in SCOPES for word in ("--scope", scope)]
    printed = _run("clients", "add", "--config", config, "--name", f"Suite {name}", *addresses, *policy, *scopes, "--json")
    found = json.loads(printed)
    return RegisteredClient(found["client_id"], found["client_secret"], f"{plan.place}/callback", auth_method)


def _run(*arguments: str | Path) -> str:
    outcome = run_idp(*arguments)
    if outcome.code != 0:
        raise DemoTrouble(f"idp {arguments[0]} {arguments[1]}: {outcome.err}")
    return outcome.out


def _person(issuer: str, certificate: Certificate) -> dict[str, str]:
    """Register somebody by the pages, with an address for e-mail, which the modules about scopes ask for."""
    somebody = next(person for person in everybody() if person.case == "match" and "/" in person.birth_date)
    knows = {"id_number": somebody.id_number, "full_name": somebody.full_name, "birth_date": somebody.birth_date, "phone": somebody.phone}
    knows |= {"email": EMAIL, "captcha": PICTURE_CODE_WORD, "otp": CODE, "password": PASSWORD, "password_confirm": PASSWORD}
    with httpx2.Client(verify=certificate.trusting(), trust_env=False, timeout=30) as browser:
        if not _walk(browser, f"{issuer}/register", knows):
            raise DemoTrouble("the person could not be registered")
    return {name: knows[name] for name in ("id_number", "password", "phone")}


def _walk(browser: httpx2.Client, url: str, knows: dict[str, str]) -> bool:
    """Go through the pages of a registration by their main buttons until a session is there."""
    response = browser.get(url)
    for _ in range(MOST_STEPS):
        if any("senid_session" in name for name in browser.cookies):
            return True
        if response.status_code in REDIRECTS:
            response = browser.get(response.url.join(response.headers["Location"]))
            continue
        page = Page(response.text)
        form = page.main_form
        if form is None or page.errors:
            # The carrier is being asked: the page leads on by its own link, or shows what it waits for.
            time.sleep(0.2)
            response = browser.get(response.url.join(page.links.get("submit", str(response.url))))
            continue
        target = response.url.join(form.action or response.url.path)
        origin = f"{response.url.scheme}://{response.url.netloc.decode()}"
        response = browser.post(target, data=form.filled(knows), headers={"Origin": origin})
    return False


# --- The suite's configuration ------------------------------------------------------------------------------------------------------


def suite_configuration(plan: Plan, ready: Ready) -> dict[str, object]:
    """Give the JSON that the suite is started with; its browser knows our pages by the names of their fields."""
    issuer = ready.issuer
    after = [_code(issuer), _consent(issuer), _form_post(issuer), _callback()]
    login = {"match": f"{issuer}/authorize*", "tasks": [_sign_in(issuer, ready.person), *after]}
    seen_again = {"match": f"{issuer}/authorize*", "tasks": [_sign_in(issuer, ready.person, is_photographed=True), *after]}
    refused = {
        "match": f"{issuer}/authorize*",
        "tasks": [_task("Refusal", f"{issuer}/authorize*", [_photograph("update-image-placeholder")])],
    }
    logout = {"match": f"{issuer}/end_session*", "tasks": [_task("Back", "*/test/*/post_logout_redirect*", [])]}
    return {
        "alias": plan.alias,
        "description": "SenID",
        "server": {"discoveryUrl": f"{issuer}/.well-known/openid-configuration", "login_hint": ready.person["id_number"]},
        **{name: {"client_id": client.client_id, "client_secret": client.client_secret} for name, client in ready.clients.items()},
        "browser": [login, logout],
        "override": {
            "oidcc-prompt-login": {"browser": [seen_again]},
            "oidcc-max-age-1": {"browser": [seen_again]},
            "oidcc-ensure-registered-redirect-uri": {"browser": [refused]},
            **_logout_pages(issuer, login),
        },
        "options": {"browsercontrol_css_enable": False},
    }


def _logout_pages(issuer: str, login: Mapping[str, object]) -> dict[str, object]:
    """Give what is done in the logout modules that end with a page of ours."""
    photograph = _photograph("update-image-placeholder")
    refusal = _task("Refusal", f"{issuer}/end_session*", [photograph])
    confirmation = _task("Confirmation", f"{issuer}/sign-out/*", [["click", "id", "submit"]])
    done = _task("Done", f"{issuer}/sign-out/done*", [photograph])
    pages = {
        "bad-post-logout-redirect-uri": [refusal],
        "query-added-to-post-logout-redirect-uri": [refusal],
        "modified-id-token-hint": [refusal],
        "bad-id-token-hint": [refusal],
        "no-id-token-hint": [refusal],
        "no-params": [confirmation, done],
        "only-state": [confirmation, done],
        "no-post-logout-redirect-uri": [done],
    }
    ends = {name: {"match": f"{issuer}/end_session*", "tasks": tasks} for name, tasks in pages.items()}
    return {f"oidcc-rp-initiated-logout-{name}": {"browser": [login, end]} for name, end in ends.items()}


def _task(name: str, match: str, commands: list[list[object]], *, optional: bool = False) -> dict[str, object]:
    return {"task": name, **({"optional": True} if optional else {}), "match": match, "commands": commands}


def _typed(field: str, value: str) -> list[object]:
    return ["text", "name", field, value, "optional"]


def _photograph(placeholder: str) -> list[object]:
    return ["wait", "xpath", "//*", 10, ".*", placeholder]


def _sign_in(issuer: str, person: Mapping[str, str], *, is_photographed: bool = False) -> dict[str, object]:
    photograph = [_photograph("update-image-placeholder-optional")] if is_photographed else []
    typed = [_typed("id_number", person["id_number"]), _typed("password", person["password"]), _typed("captcha", PICTURE_CODE_WORD)]
    return _task("Sign in", f"{issuer}/sign-in/*/password", [*photograph, *typed, ["click", "id", "submit"]], optional=True)


def _code(issuer: str) -> dict[str, object]:
    return _task("One-time code", f"{issuer}/sign-in/*/one-time-code", [_typed("otp", CODE), ["click", "id", "submit"]], optional=True)


def _consent(issuer: str) -> dict[str, object]:
    return _task("Consent", f"{issuer}/consent/*", [["click", "id", "submit"]], optional=True)


def _form_post(issuer: str) -> dict[str, object]:
    """Press the button of the page that posts the answer, where its script has not done so."""
    return _task("Form post", f"{issuer}/authorize*", [["click", "id", "submit", "optional"]], optional=True)


def _callback() -> dict[str, object]:
    return _task("Callback", "*/test/*/callback*", [["wait", "id", "submission_complete", 10]])


# --- The program --------------------------------------------------------------------------------------------------------------------


def main() -> None:
    """Serve until SIGTERM or SIGINT, or until a program ends."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _interrupt)
    plan, ends_with_starter = _plan()
    if ends_with_starter:
        end_with_starter()
    try:
        with serving(plan) as (ready, children):
            _tell(plan, ready)
            watch(children)
    except DemoTrouble as trouble:
        print(f"conformance: {trouble}", file=sys.stderr)  # noqa: T201 - it talks to the terminal
        sys.exit(1)
    except KeyboardInterrupt:
        print("conformance: stopped")  # noqa: T201 - as above


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _plan() -> tuple[Plan, bool]:
    parser = argparse.ArgumentParser(prog="scripts/conformance", description=__doc__)
    parser.add_argument("--suite", default=SUITE_URL, help="base URL of the suite (%(default)s)")
    parser.add_argument("--alias", default=ALIAS, help="alias under which the suite runs its modules (%(default)s)")
    parser.add_argument("--port-base", type=int, default=9400, help="port of the provider (%(default)s)")
    parser.add_argument(
        "--folder", type=Path, default=Path("build/conformance"), help="databases, keys, certificate and logs (%(default)s)"
    )
    parser.add_argument("--out", type=Path, help="write the suite's configuration there instead of printing it")
    parser.add_argument("--end-with-starter", action="store_true", help="end when standard input is closed")
    given = parser.parse_args()
    plan = Plan(given.suite.rstrip("/"), given.alias, given.port_base, given.folder.absolute(), given.out)
    return plan, given.end_with_starter


def _tell(plan: Plan, ready: Ready) -> None:
    """Write or print the configuration: it holds the secrets of the clients, so the file is this user's alone."""
    text = json.dumps(suite_configuration(plan, ready), indent=2, ensure_ascii=False)
    if plan.out is None:
        print(text, flush=True)  # noqa: T201 - the output of the program
        return
    draft = plan.out.with_name(plan.out.name + ".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    draft.replace(plan.out)
    print(f"conformance: {ready.issuer} answers; the suite's configuration is in {plan.out}", flush=True)  # noqa: T201 - as above


if __name__ == "__main__":
    main()
