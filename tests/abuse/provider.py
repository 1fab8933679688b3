"""A provider that breaks when it is asked to, as a program: what its log says of a defect is read by the tests."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from idp import app
from idp import config as configuration
from idp.cli.serve import run
from idp.edge import logs
from idp.identity.passwords import Passwords
from idp.protocol.access_tokens import AccessTokens
from idp.protocol.tokens import Tokens
from idp.services import Services
from sandbox import provider
from sandbox.web_server import end_with_parent_process, end_with_starter

TARGET = "tests.abuse.provider:application"
BREAKING_PASSWORD = "Gay-loi-2026-Ngay"
BREAKING_TOKEN = "token-that-breaks-0123456789-abcdefghij"


class BreakingPasswords(Passwords):
    """Fails for one password, and says which in its message, as a library might."""

    def matches(self, hash: str | None, password: str) -> bool:  # noqa: A002 - the name of the parent
        """Compare, or break."""
        if password == BREAKING_PASSWORD:
            raise RuntimeError(f"cannot compare {password!r} with {hash!r}")
        return super().matches(hash, password)


class BreakingTokens(Tokens):
    """Fails for one token, and says which."""

    def userinfo_claims(self, value: str) -> tuple[str, dict[str, Any]] | None:
        """Look up, or break."""
        if value == BREAKING_TOKEN:
            raise RuntimeError(f"cannot read {value!r}") from ValueError(value)
        return super().userinfo_claims(value)


def adjust(services: Services) -> Services:
    """Put the sandbox's parts and the breaking ones in the place of the real ones."""
    tokens = BreakingTokens(
        config=services.config,
        database=services.database,
        accounts=services.accounts,
        grants=services.grants,
        access_tokens=AccessTokens(services.encryption),
        signing_keys=services.signing_keys,
        audit=services.audit,
    )
    return replace(provider.adjust(services), passwords=BreakingPasswords(services.config), tokens=tokens)


def application() -> Callable[..., object]:
    """Build the application in a worker process."""
    end_with_parent_process()
    config = configuration.load()
    logs.configure(config.log.level)
    return app.create_app(config, adjust=adjust)


if __name__ == "__main__":
    end_with_starter()
    run(configuration.load(), TARGET)
