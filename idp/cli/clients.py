"""`idp clients`: register portals and look after them."""

import json
from pathlib import Path
from typing import Any, BinaryIO, Literal

import click
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from idp.cli.terminal import config_option
from idp.cli.wiring import open_services
from idp.errors import ConfigError
from idp.protocol.clients import AUTH_METHODS, SCOPES, SIGNING_ALGORITHMS, Client, new_client_id, sector_of
from idp.values import LocalText

DEFAULT_SCOPES = ("openid", "profile", "email", "phone", "assurance", "offline_access")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")


@click.group()
def clients() -> None:
    """Register portals and look after them."""


@clients.command()
@config_option
@click.option("--name", required=True, help="Name shown to people, in Vietnamese.")
@click.option("--name-en", help="The same in English; else the Vietnamese one.")
@click.option("--redirect-uri", "redirect_uris", multiple=True, help="Exact address of answers; may be repeated.")
@click.option("--public", is_flag=True, help="A client that cannot keep a secret (an app, a page of scripts).")
@click.option("--auth-method", type=click.Choice(AUTH_METHODS), help="How it authenticates; client_secret_basic unless --public.")
@click.option("--jwks", type=click.File("rb"), help="File with its public keys, for private_key_jwt.")
@click.option("--jwks-uri", help="Address of its public keys, for private_key_jwt.")
@click.option("--pkce", type=click.Choice(["required", "optional"]), default="required", show_default=True)
@click.option("--scope", "scopes", multiple=True, type=click.Choice(SCOPES), help="May be repeated; openid is always allowed.")
@click.option("--machine-scope", "machine_scopes", multiple=True, help="What it may ask for itself, without a person; may be repeated.")
@click.option("--introspect", is_flag=True, help="It is an interface that may ask about every access token it is shown.")
@click.option("--min-level", type=click.IntRange(1, 4), default=1, show_default=True, help="Refuse people below this level.")
@click.option("--min-proofing", type=click.IntRange(1, 4), default=1, show_default=True, help="Refuse people proven less well.")
@click.option("--alg", type=click.Choice(SIGNING_ALGORITHMS), default="ES256", show_default=True, help="Signs its ID tokens.")
@click.option("--refresh-rotation/--no-refresh-rotation", default=True, show_default=True)
@click.option("--legal-basis", type=click.Choice(["consent", "notice"]), default="consent", show_default=True)
@click.option("--purpose", default="", help="Why it wants the data, in Vietnamese; shown on the consent page.")
@click.option("--purpose-en", default="", help="The same in English.")
@click.option("--subject-type", type=click.Choice(["pairwise", "public"]), help="Else what [subjects] default says.")
@click.option("--sector", help="Portals of one sector see the same sub; else the host of the redirect URIs.")
@click.option("--post-logout-redirect-uri", "post_logout_redirect_uris", multiple=True, help="May be repeated.")
@click.option("--backchannel-logout-uri", help="Where logout notices go.")
@click.option("--home-uri", help="The portal's own start page.")
@json_option
def add(config_path: Path | None, *, as_json: bool, **options: Any) -> None:  # noqa: ANN401 - one for each click option
    """Register a portal. The secret is printed this once and kept nowhere."""
    services = open_services(config_path)
    wanted = _client_of(options, default_subject=services.config.subjects.default)
    client, secret = services.clients.add(wanted)
    printed = {"client_id": client.client_id, **({"client_secret": secret} if secret else {})}
    _print(printed, as_json=as_json)


@clients.command(name="list")
@config_option
@json_option
def list_(config_path: Path | None, *, as_json: bool) -> None:
    """List the portals, disabled ones too."""
    found = open_services(config_path).clients.all()
    if as_json:
        click.echo(json.dumps([_shown(client) for client in found], ensure_ascii=False))
        return
    for client in found:
        click.echo(f"{client.client_id}  {'disabled' if client.disabled else 'active  '}  {client.auth_method:20}  {client.name.vi}")


@clients.command()
@config_option
@click.argument("client_id")
@json_option
def show(config_path: Path | None, client_id: str, *, as_json: bool) -> None:
    """Show everything that is registered of a portal, except its secret."""
    _print(_shown(open_services(config_path).clients.get_any(client_id)), as_json=as_json)


@clients.command(name="rotate-secret")
@config_option
@click.argument("client_id")
@json_option
def rotate_secret(config_path: Path | None, client_id: str, *, as_json: bool) -> None:
    """Give a portal a new secret; the old one ends at once."""
    secret = open_services(config_path).clients.rotate_secret(client_id)
    _print({"client_id": client_id, "client_secret": secret}, as_json=as_json)


@clients.command()
@config_option
@click.argument("client_id")
def disable(config_path: Path | None, client_id: str) -> None:
    """Refuse a portal from now on."""
    open_services(config_path).clients.disable(client_id)
    click.echo(f"ok: {client_id} is disabled")


def _client_of(options: dict[str, Any], *, default_subject: Literal["pairwise", "public"]) -> Client:
    redirect_uris = tuple(options["redirect_uris"])
    if options["public"] and options["auth_method"] not in {None, "none"}:
        raise ConfigError(["--public and --auth-method exclude each other"])
    return Client(
        client_id=new_client_id(),
        name=LocalText(options["name"], options["name_en"] or options["name"]),
        auth_method="none" if options["public"] else options["auth_method"] or "client_secret_basic",
        redirect_uris=redirect_uris,
        sector=options["sector"] or sector_of(redirect_uris) or "",
        post_logout_redirect_uris=tuple(options["post_logout_redirect_uris"]),
        grant_types=_grant_types(options),
        machine_scopes=tuple(dict.fromkeys(options["machine_scopes"])),
        may_introspect=options["introspect"],
        scopes=tuple(dict.fromkeys(("openid", *(options["scopes"] or DEFAULT_SCOPES)))),
        pkce=options["pkce"],
        refresh_rotation=options["refresh_rotation"],
        minimum_level=options["min_level"],
        minimum_proofing=options["min_proofing"],
        legal_basis=options["legal_basis"],
        purpose=LocalText(options["purpose"], options["purpose_en"] or options["purpose"]),
        subject_type=options["subject_type"] or default_subject,
        id_token_algorithm=options["alg"],
        jwks=_jwks(options["jwks"]),
        jwks_uri=options["jwks_uri"],
        home_uri=options["home_uri"],
        backchannel_logout_uri=options["backchannel_logout_uri"],
    )


def _grant_types(options: dict[str, Any]) -> tuple[str, ...]:
    """Give the grants that the options ask for: people sign in where there is an address for the answer."""
    asks_for_itself = bool(options["machine_scopes"]) or options["introspect"]
    of_people = ("authorization_code", "refresh_token") if options["redirect_uris"] or not asks_for_itself else ()
    return (*of_people, *(("client_credentials",) if options["machine_scopes"] else ()))


def _jwks(file: BinaryIO | None) -> dict[str, Any] | None:
    """Read public keys; a private or symmetric one in the file is refused, so that it cannot end in our database."""
    if file is None:
        return None
    try:
        keys = json.loads(file.read())["keys"]
        if any({"d", "k"} & set(key) for key in keys):
            raise ConfigError(["--jwks: holds a private or symmetric key; give the public keys alone"])
        KeySet.import_key_set({"keys": keys})
    except (ValueError, KeyError, TypeError, AttributeError, JoseError):
        raise ConfigError(["--jwks: not a JWK set"]) from None
    return {"keys": keys}


def _shown(client: Client) -> dict[str, Any]:
    hidden = {"secret_hash", "name", "purpose"}
    fields = {key: value for key, value in vars(client).items() if key not in hidden}
    texts = {"name_vi": client.name.vi, "name_en": client.name.en, "purpose_vi": client.purpose.vi, "purpose_en": client.purpose.en}
    return {**fields, **texts}


def _print(values: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(values, ensure_ascii=False))
        return
    for key, value in values.items():
        click.echo(f"{key}: {' '.join(value) if isinstance(value, (list, tuple)) else value}")
