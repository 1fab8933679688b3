import json
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import ECKey

from idp.errors import InvalidClient
from idp.protocol.clients import SCOPES, ClientCredentials
from idp.services import Services
from tests.cli.command import Outcome, run_idp

REDIRECT_URI = "https://dichvucong.example/callback"
NEEDED = ("--name", "Cổng tỉnh", "--redirect-uri", REDIRECT_URI)


def add(*options: str | Path) -> dict[str, Any]:
    """Add a portal with `--json` and give what was printed."""
    outcome = run_idp("clients", "add", *NEEDED, *options, "--json")
    assert outcome.code == 0, outcome
    assert outcome.err == ""
    printed: dict[str, Any] = json.loads(outcome.out)
    return printed


def shown(client_id: str) -> dict[str, Any]:
    outcome = run_idp("clients", "show", client_id, "--json")
    assert outcome.code == 0, outcome
    fields: dict[str, Any] = json.loads(outcome.out)
    return fields


def proves(services: Services, printed: dict[str, Any], method: Any = "client_secret_basic") -> bool:
    """Tell whether the server takes the secret that was printed."""
    services.clients._cache.clear()
    try:
        services.clients.authenticate(ClientCredentials(method, printed["client_id"], secret=printed.get("client_secret")))
    except InvalidClient:
        return False
    return True


def events(services: Services, client_id: str) -> list[tuple[str, str]]:
    """Give what the audit says of a portal, and of whom."""
    found = services.audit.events(most=50)
    return [(event.event, event.actor.partition(":")[0]) for event in reversed(found) if event.client_id == client_id]


@pytest.fixture
def jwks(tmp_path: Path) -> Path:
    path = tmp_path / "jwks.json"
    path.write_text(json.dumps({"keys": [ECKey.generate_key("P-256").as_dict(private=False)]}), encoding="utf-8")
    return path


def test_what_is_needed_is_enough_and_json_holds_id_and_secret_alone(operated_everywhere: Services) -> None:
    printed = add()
    assert set(printed) == {"client_id", "client_secret"}
    assert len(printed["client_secret"]) >= 43
    assert proves(operated_everywhere, printed)
    assert events(operated_everywhere, printed["client_id"]) == [("client_added", "operator")]
    fields = shown(printed["client_id"])
    assert (fields["auth_method"], fields["pkce"], fields["refresh_rotation"]) == ("client_secret_basic", "required", True)
    assert (fields["minimum_level"], fields["id_token_algorithm"], fields["subject_type"]) == (1, "ES256", "pairwise")
    assert (fields["sector"], fields["legal_basis"], fields["disabled"]) == ("dichvucong.example", "consent", False)
    assert (fields["name_vi"], fields["name_en"]) == ("Cổng tỉnh", "Cổng tỉnh")
    assert "id_number" not in fields["scopes"]


def test_every_option_is_kept(operated: Services, jwks: Path) -> None:
    options = {
        "--name-en": "Province portal",
        "--auth-method": "private_key_jwt",
        "--jwks": str(jwks),
        "--jwks-uri": "https://dichvucong.example/jwks",
        "--pkce": "optional",
        "--min-level": "2",
        "--min-proofing": "3",
        "--alg": "RS256",
        "--legal-basis": "notice",
        "--purpose": "Nộp hồ sơ",
        "--purpose-en": "Submit files",
        "--subject-type": "public",
        "--sector": "province.example",
        "--backchannel-logout-uri": "https://dichvucong.example/logged-out",
        "--home-uri": "https://dichvucong.example/",
    }
    words = [word for pair in options.items() for word in pair]
    several = ["--redirect-uri", "http://127.0.0.1:9000/callback", "--scope", "id_number", "--scope", "assurance", "--scope", "id_number"]
    after = ["--post-logout-redirect-uri", "https://dichvucong.example/out", "--post-logout-redirect-uri", "https://dichvucong.example/bye"]
    printed = add(*words, *several, *after, "--no-refresh-rotation")
    assert set(printed) == {"client_id"}
    fields = shown(printed["client_id"])
    keys = fields.pop("jwks")["keys"]
    assert [set(key) & {"kty", "crv", "x", "y", "d"} for key in keys] == [{"kty", "crv", "x", "y"}]
    assert fields == {
        "client_id": printed["client_id"],
        "auth_method": "private_key_jwt",
        "redirect_uris": [REDIRECT_URI, "http://127.0.0.1:9000/callback"],
        "sector": "province.example",
        "post_logout_redirect_uris": ["https://dichvucong.example/out", "https://dichvucong.example/bye"],
        "scopes": ["openid", "id_number", "assurance"],
        "grant_types": ["authorization_code", "refresh_token"],
        "machine_scopes": [],
        "may_introspect": False,
        "pkce": "optional",
        "refresh_rotation": False,
        "minimum_level": 2,
        "minimum_proofing": 3,
        "legal_basis": "notice",
        "subject_type": "public",
        "id_token_algorithm": "RS256",
        "jwks_uri": "https://dichvucong.example/jwks",
        "home_uri": "https://dichvucong.example/",
        "backchannel_logout_uri": "https://dichvucong.example/logged-out",
        "disabled": False,
        "version": 1,
        "name_vi": "Cổng tỉnh",
        "name_en": "Province portal",
        "purpose_vi": "Nộp hồ sơ",
        "purpose_en": "Submit files",
    }
    assert operated.clients.get_any(printed["client_id"]).minimum_level == 2


@pytest.mark.parametrize(
    ("options", "method", "has_secret"),
    [
        (["--public"], "none", False),
        (["--public", "--auth-method", "none"], "none", False),
        (["--auth-method", "none"], "none", False),
        (["--auth-method", "client_secret_post"], "client_secret_post", True),
        (["--auth-method", "client_secret_basic"], "client_secret_basic", True),
    ],
)
def test_a_client_that_cannot_keep_a_secret_gets_none(operated: Services, options: list[str], method: str, *, has_secret: bool) -> None:
    printed = add(*options)
    assert ("client_secret" in printed) is has_secret
    assert shown(printed["client_id"])["auth_method"] == method
    assert proves(operated, printed, method)


def test_people_read_it_line_by_line(operated: Services) -> None:
    outcome = run_idp("clients", "add", *NEEDED)
    first, second = outcome.out.splitlines()
    client_id, secret = first.removeprefix("client_id: "), second.removeprefix("client_secret: ")
    assert proves(operated, {"client_id": client_id, "client_secret": secret})
    lines = run_idp("clients", "show", client_id).out.splitlines()
    assert f"redirect_uris: {REDIRECT_URI}" in lines
    assert "name_vi: Cổng tỉnh" in lines


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("http://dichvucong.example/callback", "is http beyond loopback"),
        ("https://dichvucong.example/callback#part", "has a fragment"),
        ("https://dichvucong.example/callback#", "has a fragment"),
        ("https://*.example/callback", "holds a character that is not allowed"),
        ("https://dichvucong.example/call back", "holds a character that is not allowed"),
        ("https://dịchvụcông.example/callback", "holds a character that is not allowed"),
        ("https://user:secret@dichvucong.example/callback", "or holds credentials"),
        ("https:///callback", "or holds credentials"),
        ("javascript:alert(1)", "is neither https nor http"),
        ("vn.gov.app:/callback", "is neither https nor http"),
        ("//dichvucong.example/callback", "is neither https nor http"),
        ("callback", "is neither https nor http"),
        ("", "is neither https nor http"),
        ("https://[::1/callback", ""),
        ("https://dichvucong.example:port/callback", ""),
        ("https://dichvucong.example:99999/callback", ""),
    ],
)
def test_a_bad_redirect_uri_is_refused_with_words(operated: Services, uri: str, reason: str) -> None:
    outcome = run_idp("clients", "add", "--name", "x", "--redirect-uri", REDIRECT_URI, "--redirect-uri", uri, "--sector", "x", "--json")
    [problem] = outcome.problems
    assert problem.startswith("redirect_uri ")
    assert reason in problem
    assert operated.clients.all() == []


def test_a_bad_logout_address_is_refused_like_a_bad_redirect_uri(operated: Services) -> None:
    [problem] = run_idp("clients", "add", *NEEDED, "--post-logout-redirect-uri", "http://dichvucong.example/").problems
    assert problem == "post_logout_redirect_uri http://dichvucong.example/: is http beyond loopback"
    assert operated.clients.all() == []


@pytest.mark.parametrize(
    "options",
    [
        ["--home-uri", "javascript:alert(1)"],
        ["--home-uri", "dichvucong.example"],
        ["--backchannel-logout-uri", "ftp://dichvucong.example/"],
        ["--auth-method", "private_key_jwt", "--jwks-uri", "http://dichvucong.example/jwks"],
        ["--auth-method", "private_key_jwt", "--jwks-uri", "file:///etc/passwd"],
    ],
)
def test_every_other_address_is_checked_too(operated: Services, options: list[str]) -> None:
    assert len(run_idp("clients", "add", *NEEDED, *options).problems) == 1
    assert operated.clients.all() == []


def test_every_problem_of_a_registration_is_named(operated: Services) -> None:
    uris = ["--redirect-uri", "http://one.example/", "--redirect-uri", "https://two.example/#"]
    problems = run_idp("clients", "add", "--name", "x", *uris, "--auth-method", "private_key_jwt").problems
    assert [problem.split(":")[0] for problem in problems] == ["redirect_uri http", "redirect_uri https", "sector", "jwks"]
    assert operated.clients.all() == []


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--public", "--auth-method", "client_secret_basic"], "--public and --auth-method exclude each other"),
        (["--public", "--pkce", "optional"], "pkce: a public client cannot go without"),
        (["--auth-method", "private_key_jwt"], "jwks: private_key_jwt needs the client's public keys"),
    ],
)
def test_options_that_do_not_go_together_are_refused(operated: Services, options: list[str], reason: str) -> None:
    assert run_idp("clients", "add", *NEEDED, *options).problems == [reason]
    assert operated.clients.all() == []


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"no json", "--jwks: not a JWK set"),
        (b"[]", "--jwks: not a JWK set"),
        (b'{"keys": 1}', "--jwks: not a JWK set"),
        (b'{"keys": ["x"]}', "--jwks: not a JWK set"),
        (b'{"keys": [{"kty": "EC", "crv": "P-256"}]}', "--jwks: not a JWK set"),
        (b'{"keys": []}', "--jwks: not a JWK set"),
        (b"\xff", "--jwks: not a JWK set"),
        (json.dumps({"keys": [ECKey.generate_key("P-256").as_dict(private=True)]}).encode(), "--jwks: holds a private or symmetric key"),
        (b'{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}', "--jwks: holds a private or symmetric key"),
    ],
)
def test_a_bad_file_of_keys_is_refused(operated: Services, tmp_path: Path, content: bytes, reason: str) -> None:
    file = tmp_path / "keys.json"
    file.write_bytes(content)
    [problem] = run_idp("clients", "add", *NEEDED, "--auth-method", "private_key_jwt", "--jwks", file).problems
    assert problem.startswith(reason)
    assert operated.clients.all() == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["add", "--redirect-uri", REDIRECT_URI],
        ["add", *NEEDED, "--auth-method", "client_secret_jwt"],
        ["add", *NEEDED, "--pkce", "never"],
        ["add", *NEEDED, "--scope", "admin"],
        ["add", *NEEDED, "--min-level", "5"],
        ["add", *NEEDED, "--alg", "HS256"],
        ["add", *NEEDED, "--alg", "none"],
        ["add", *NEEDED, "--jwks", "/nowhere"],
        ["show"],
        ["bogus"],
    ],
)
def test_wrong_usage_is_told_by_the_command_line(config_file: Path, arguments: list[str]) -> None:
    outcome: Outcome = run_idp("clients", *arguments)
    assert outcome.code == 2
    assert "Usage: idp clients" in outcome.err
    assert outcome.out == ""
    assert not (config_file.parent / "new.db").exists()


def test_scopes_of_the_contract_are_all_known() -> None:
    assert {"openid", "profile", "email", "phone", "address", "assurance", "id_number", "organisation"} <= set(SCOPES)


def test_list_shows_every_portal_and_no_secret(operated_everywhere: Services) -> None:
    assert run_idp("clients", "list").out == ""
    assert json.loads(run_idp("clients", "list", "--json").out) == []
    kept, disabled = add(), add("--public")
    run_idp("clients", "disable", disabled["client_id"])
    lines = run_idp("clients", "list").out.splitlines()
    assert {tuple(line.split()[:3]) for line in lines} == {
        (kept["client_id"], "active", "client_secret_basic"),
        (disabled["client_id"], "disabled", "none"),
    }
    listed = run_idp("clients", "list", "--json").out
    assert {client["client_id"] for client in json.loads(listed)} == {kept["client_id"], disabled["client_id"]}
    hidden = (kept["client_secret"], operated_everywhere.clients.get_any(kept["client_id"]).secret_hash or "?", "secret_hash")
    everything = listed + "".join(run_idp("clients", "show", kept["client_id"], *more).out for more in ([], ["--json"]))
    assert [word for word in hidden if word in everything] == []


def test_a_new_secret_ends_the_old_one(operated_everywhere: Services) -> None:
    first = add()
    outcome = run_idp("clients", "rotate-secret", first["client_id"], "--json")
    second = json.loads(outcome.out)
    assert set(second) == {"client_id", "client_secret"}
    assert second["client_id"] == first["client_id"]
    assert proves(operated_everywhere, second)
    assert not proves(operated_everywhere, first)
    assert shown(first["client_id"])["version"] == 2
    assert ("client_changed", "operator") in events(operated_everywhere, first["client_id"])


def test_a_client_without_a_secret_gets_no_new_one(operated: Services) -> None:
    client_id = add("--public")["client_id"]
    assert run_idp("clients", "rotate-secret", client_id).problems == [f"{client_id}: a client with none has no secret"]
    assert operated.clients.get_any(client_id).secret_hash is None


def test_a_disabled_portal_is_refused_and_still_shown(operated_everywhere: Services) -> None:
    printed = add()
    for _ in range(2):
        assert run_idp("clients", "disable", printed["client_id"]).out == f"ok: {printed['client_id']} is disabled\n"
    assert shown(printed["client_id"])["disabled"] is True
    assert not proves(operated_everywhere, printed)
    assert ("client_disabled", "operator") in events(operated_everywhere, printed["client_id"])


@pytest.mark.parametrize("client_id", ["nobody", "", "ế", "x" * 1000, "a\nb", "' OR 1=1 --"])
@pytest.mark.parametrize("command", ["show", "rotate-secret", "disable"])
def test_an_unknown_portal_is_told_in_words(operated: Services, command: str, client_id: str) -> None:
    assert run_idp("clients", command, client_id).problems == ["unknown client"]
    assert operated.clients.all() == []


def test_an_interface_and_a_machine_are_registered_without_an_address_for_people(operated: Services) -> None:
    machine = _added("--machine-scope", "records.read", "--machine-scope", "records.write")
    interface = _added("--introspect")
    both = add("--machine-scope", "records.read")
    assert [(one["grant_types"], one["machine_scopes"], one["may_introspect"]) for one in map(shown, _ids(machine, interface, both))] == [
        (["client_credentials"], ["records.read", "records.write"], False),
        ([], [], True),
        (["authorization_code", "refresh_token", "client_credentials"], ["records.read"], False),
    ]


@pytest.mark.parametrize(
    "options, reason",
    [
        (["--name", "x"], "redirect_uri: at least one is needed"),
        ([*NEEDED, "--public", "--machine-scope", "records.read"], "a public client can neither ask for itself nor introspect"),
        ([*NEEDED, "--public", "--introspect"], "a public client can neither ask for itself nor introspect"),
        ([*NEEDED, "--machine-scope", "profile"], "machine scope profile: is no scope of its own"),
        ([*NEEDED, "--machine-scope", 'a"b'], 'machine scope a"b: is no scope of its own'),
        ([*NEEDED, "--machine-scope", "x" * 65], "machine scope"),
    ],
)
def test_rights_that_do_not_go_together_are_refused(operated: Services, options: list[str], reason: str) -> None:
    problems = run_idp("clients", "add", *options).problems
    assert any(problem.startswith(reason) for problem in problems), problems
    assert operated.clients.all() == []


def _added(*options: str) -> dict[str, str]:
    outcome = run_idp("clients", "add", "--name", "Máy", *options, "--json")
    assert outcome.code == 0, outcome
    return dict(json.loads(outcome.out))


def _ids(*printed: dict[str, str]) -> list[str]:
    return [one["client_id"] for one in printed]
