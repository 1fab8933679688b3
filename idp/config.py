"""The configuration: one TOML file, with environment variables for secrets, typed and strict.

Unknown, missing and bad keys are collected and named, and nothing starts. Every key is documented in `config.example.toml`.
A value may come from the environment as `SENID_<SECTION>__<KEY>` (for example `SENID_DATABASE__URL`), which wins over the file.
"""

import os
import re
import ssl
import tomllib
from collections.abc import Mapping
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator

from idp.errors import ConfigError

ENVIRONMENT_PREFIX = "SENID_"
CONFIG_VARIABLE = "SENID_CONFIG"
LEAST_MEMORY_KIB = 19_456
HIGHEST_PORT = 65_535
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_LEVELS = Annotated[int, Field(ge=1, le=4)]


def _duration(value: object) -> timedelta:
    """Read `"90s"`, `"10m"`, `"24h"` or `"30d"`."""
    found = re.fullmatch(r"(\d{1,6})([smhd])", value) if isinstance(value, str) else None
    if not found:
        raise ValueError('a duration looks like "90s", "10m", "24h" or "30d"')
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def _network(value: object) -> str:
    return str(ip_network(str(value), strict=False))


Duration = Annotated[timedelta, BeforeValidator(_duration)]
Network = Annotated[str, BeforeValidator(_network)]
Subject = Literal["citizen", "business", "agency"]
PositiveInt = Annotated[int, Field(ge=1)]


class Section(BaseModel):
    """A table of the file: frozen, and closed to unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Server(Section):
    """Where and how the server listens."""

    listen: str = "127.0.0.1:8400"
    workers: PositiveInt = 1
    threads: PositiveInt = 32
    trusted_proxies: tuple[Network, ...] = ()
    metrics_from: tuple[Network, ...] = ("127.0.0.1/32", "::1/128")

    @property
    def address(self) -> tuple[str, int]:
        """Give host and port."""
        host, _, port = self.listen.rpartition(":")
        return host.strip("[]"), int(port)

    @property
    def people_at_once(self) -> int:
        """Give how many threads people's pages may hold: an eighth, at least one, is left to what software asks."""
        return max(self.threads - max(self.threads // 8, 1), 1)

    @model_validator(mode="after")
    def _check_listen(self) -> Self:
        if not re.fullmatch(r"(\[[0-9a-fA-F:]+\]|[^:\s]+):\d{1,5}", self.listen) or self.address[1] > HIGHEST_PORT:
            raise ValueError("listen is HOST:PORT")
        return self


class DatabaseSettings(Section):
    """Where lasting state lives."""

    url: SecretStr = SecretStr("sqlite:///var/senid.db")
    pool_size: PositiveInt = 8

    @field_validator("url")
    @classmethod
    def _check_url(cls, url: SecretStr) -> SecretStr:
        kind, mark, _ = url.get_secret_value().partition("://")
        if not mark or kind.partition("+")[0] not in {"sqlite", "postgresql"}:
            raise ValueError(f"{kind if mark else 'this'} is neither sqlite nor postgresql")
        return url


class ShortLivedSettings(Section):
    """Where short-lived state lives: `sqlite:///FILE`, `redis://`, `rediss://` or `unix://`."""

    url: SecretStr = SecretStr("sqlite:///var/short-lived.db")


class Keys(Section):
    """Where the key-encryption, field-encryption and index keys live."""

    folder: Path = Path("keys")


class Tokens(Section):
    """Lifetimes of what a portal receives."""

    code_lifetime: Duration = timedelta(seconds=60)
    access_token_lifetime: Duration = timedelta(minutes=10)
    id_token_lifetime: Duration = timedelta(minutes=10)
    refresh_token_lifetime: Duration = timedelta(days=30)
    refresh_race_grace: Duration = timedelta(seconds=5)


class Sessions(Section):
    """How long a signed-in browser lasts."""

    idle_lifetime: Duration = timedelta(minutes=30)
    absolute_lifetime: Duration = timedelta(hours=8)
    interaction_lifetime: Duration = timedelta(hours=1)


class Subjects(Section):
    """What `sub` is: `pairwise` (random per account and sector) or `public` (one per account)."""

    default: Literal["pairwise", "public"] = "pairwise"


class Assurance(Section):
    """The table from method to proofing level, and the spelling of `acr`."""

    acr_prefix: str = "urn:senid:loa:"
    proofing_levels: dict[str, _LEVELS] = Field(
        default_factory=lambda: {
            "self_asserted": 1,
            "mobile_subscriber": 2,
            "social_insurance": 2,
            "post_office": 3,
            "sim_signature": 3,
            "usb_signature": 3,
            "vneid_1": 2,
            "vneid_2": 4,
            "counter_chip_card": 4,
        }
    )


class Passwords(Section):
    """The password rule and the work of one hash."""

    minimum_length: PositiveInt = 8
    minimum_length_without_otp: PositiveInt = 14
    memory_kib: Annotated[int, Field(ge=8)] = LEAST_MEMORY_KIB
    iterations: PositiveInt = 2
    parallel_hashes: PositiveInt = 2


class OneTimeCodes(Section):
    """Codes sent to phones."""

    required_at_sign_in: bool = True
    lifetime: Duration = timedelta(minutes=2)
    tries: PositiveInt = 5
    resend_wait: Duration = timedelta(seconds=60)
    codes_per_phone_and_day: PositiveInt = 15
    tries_per_account_and_day: PositiveInt = 30


class PictureCode(Section):
    """When the picture code (captcha) is asked for."""

    sign_in: Literal["always", "risk", "never"] = "risk"
    registration: Literal["always", "never"] = "always"
    lifetime: Duration = timedelta(minutes=5)


class SignIn(Section):
    """Limits on guessing."""

    free_tries: PositiveInt = 5
    picture_code_after: Annotated[int, Field(ge=0)] = 2
    longest_delay: Duration = timedelta(minutes=15)
    tries_per_address_and_minute: PositiveInt = 60
    known_device_lifetime: Duration = timedelta(days=180)


class Registration(Section):
    """Who may register and how."""

    methods: dict[str, tuple[Subject, ...]] = {"mobile_subscriber": ("citizen",)}
    accept_old_id_numbers: bool = False
    accounts_per_phone: PositiveInt = 5
    draft_lifetime: Duration = timedelta(hours=24)
    carrier_asks_per_phone_and_day: PositiveInt = 5
    carrier_retry_every: Duration = timedelta(seconds=30)
    starts_per_address_and_hour: PositiveInt = 200


class Gateway(Section):
    """One outside system reached over HTTP."""

    name: str
    url: str
    token: SecretStr | None = None
    timeout: Duration = timedelta(seconds=3)
    ca_file: str = ""

    @field_validator("ca_file")
    @classmethod
    def _check_ca_file(cls, ca_file: str) -> str:
        if not ca_file:
            return ca_file
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(ca_file)
        except OSError:  # as which ssl tells what is no certificate, too
            raise ValueError(f"{ca_file} cannot be read or holds no certificate (PEM)") from None
        return ca_file


class Outside(Section):
    """The outside systems."""

    carrier: Gateway
    sms: tuple[Gateway, ...] = Field(min_length=1)


class Log(Section):
    """What is logged."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"


class Help(Section):
    """Where people get help; shown in pages and text messages."""

    hotline: str = "18001096"
    counter_vi: str = "quầy giao dịch của Trung tâm Phục vụ hành chính công"
    counter_en: str = "the counter of the Public Administration Service Centre"


class Config(Section):
    """The whole configuration."""

    mode: Literal["production", "sandbox"] = "production"
    issuer: str
    service_name_vi: str = "Cổng Dịch vụ công"
    service_name_en: str = "Public Service Portal"
    server: Server = Server()
    database: DatabaseSettings = DatabaseSettings()
    short_lived: ShortLivedSettings = ShortLivedSettings()
    keys: Keys = Keys()
    tokens: Tokens = Tokens()
    sessions: Sessions = Sessions()
    subjects: Subjects = Subjects()
    assurance: Assurance = Assurance()
    passwords: Passwords = Passwords()
    one_time_codes: OneTimeCodes = OneTimeCodes()
    picture_code: PictureCode = PictureCode()
    sign_in: SignIn = SignIn()
    registration: Registration = Registration()
    outside: Outside
    log: Log = Log()
    help: Help = Help()

    @property
    def secure_cookies(self) -> bool:
        """Tell whether people reach us over TLS, so that cookies carry `Secure` and the `__Host-` prefix."""
        return self.issuer.startswith("https://")

    @model_validator(mode="after")
    def _check_issuer(self) -> Self:
        """Hold OpenID Connect Discovery 3: a URL without query and fragment."""
        url = urlsplit(self.issuer)
        if url.scheme not in {"https", "http"} or not url.netloc or url.query or url.fragment or self.issuer.endswith("/"):
            raise ValueError("issuer is a URL without query, fragment and trailing slash")
        return self

    @model_validator(mode="after")
    def _check_production(self) -> Self:
        """Refuse in production what only a sandbox may have: plain http, and hashes cheaper than OWASP asks of Argon2id."""
        if self.mode != "production":
            return self
        gateways = (self.outside.carrier, *self.outside.sms)
        problems = [
            f"outside gateway {one.name!r} has to be https in production mode" for one in gateways if not one.url.startswith("https://")
        ]
        if not self.secure_cookies:
            problems.append("issuer has to be https in production mode")
        if self.passwords.memory_kib < LEAST_MEMORY_KIB:
            problems.append(f"passwords.memory_kib has to be {LEAST_MEMORY_KIB} or more in production mode")
        if problems:
            raise ValueError("; ".join(problems))
        return self


def load(path: Path | None = None) -> Config:
    """Read the file at `path` (or the one that `SENID_CONFIG` names) and the environment.

    Relative paths in the file count from the file's own folder. Raises `ConfigError`, which names every problem.
    """
    path = path or Path(os.environ.get(CONFIG_VARIABLE, "config.toml"))
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError([f"{path}: no such file; copy config.example.toml and set {CONFIG_VARIABLE}"]) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError([f"{path}: {error}"]) from None
    if problems := _merge_environment(table):
        raise ConfigError(problems)
    try:
        config = Config.model_validate(table)
    except ValidationError as error:
        raise ConfigError([f"{path}: {_problem(dict(item))}" for item in error.errors(include_url=False, include_input=False)]) from None
    return _anchored(config, path.resolve().parent)


def _merge_environment(table: dict[str, Any]) -> list[str]:
    """Lay `SENID_<SECTION>__<KEY>` over the table (an entry of a list by its number); gives what fits nowhere."""
    problems = []
    for name, value in sorted(os.environ.items()):
        if not name.startswith(ENVIRONMENT_PREFIX) or name == CONFIG_VARIABLE:
            continue
        *sections, key = name.removeprefix(ENVIRONMENT_PREFIX).lower().split("__")
        place = _place_in(table, sections)
        if place is None or isinstance(place.get(key), dict | list):
            problems.append(f"{name}: names no key of the configuration")
        else:
            place[key] = value
    return problems


def _place_in(table: dict[str, Any], sections: list[str]) -> dict[str, Any] | None:
    """Give the table that the sections lead to, making missing ones; None where something else stands in the way."""
    place: Any = table
    for section in sections:
        if isinstance(place, list):
            place = place[int(section)] if section.isdecimal() and int(section) < len(place) else None
        else:
            place = place.setdefault(section, {}) if isinstance(place, dict) else None
    return place if isinstance(place, dict) else None


def _problem(item: Mapping[str, Any]) -> str:
    key = ".".join(str(part) for part in item["loc"]) or "(file)"
    reason = {"extra_forbidden": "unknown key", "missing": "missing"}.get(item["type"], item["msg"].removeprefix("Value error, "))
    return f"{key}: {reason}"


def _anchored(config: Config, folder: Path) -> Config:
    """Give the config with its relative file paths counted from `folder`."""
    return config.model_copy(
        update={
            "keys": config.keys.model_copy(update={"folder": folder / config.keys.folder}),
            "database": config.database.model_copy(update={"url": _anchored_url(config.database.url, folder)}),
            "short_lived": config.short_lived.model_copy(update={"url": _anchored_url(config.short_lived.url, folder)}),
        }
    )


def _anchored_url(url: SecretStr, folder: Path) -> SecretStr:
    text = url.get_secret_value()
    if not text.startswith("sqlite:///") or text.startswith("sqlite:////"):
        return url
    return SecretStr(f"sqlite:///{folder / text.removeprefix('sqlite:///')}")
