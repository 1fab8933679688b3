"""The demo's provider: the real one, with a picture code that a machine can answer and, if asked for, one-time codes that it can know."""

import argparse
import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from idp import app
from idp import config as configuration
from idp.cli.serve import run
from idp.edge import logs
from idp.identity.one_time_codes import OneTimeCodes
from idp.safety.captcha import Captcha
from idp.services import Services
from sandbox.web_server import end_with_parent_process, end_with_starter

TARGET = "sandbox.provider:application"
PICTURE_CODE_WORD = "sandbox"
FIXED_OTP_VARIABLE = "FIXED_OTP"


class SandboxCaptcha(Captcha):
    """A picture code that the word `sandbox` always answers."""

    is_sandbox = True

    def check(self, captcha_id: str | None, answer: str | None) -> None:
        """Accept the word; compare anything else as the real one does."""
        if (answer or "").strip().casefold() != PICTURE_CODE_WORD:
            super().check(captcha_id, answer)


class FixedOneTimeCodes(OneTimeCodes):
    """One-time codes that are all the same, for automated browsers that cannot read a phone."""

    is_sandbox = True


def adjust(services: Services) -> Services:
    """Put the sandbox's parts in the place of the real ones."""
    adjusted = replace(services, captcha=SandboxCaptcha(services.store, services.config.picture_code.lifetime))
    code = os.environ.get(FIXED_OTP_VARIABLE, "")
    if not code:
        return adjusted
    if not re.fullmatch(r"[0-9]{6}", code):
        raise SystemExit(f"{FIXED_OTP_VARIABLE} has to be six digits")
    fixed = FixedOneTimeCodes(
        config=services.config,
        store=services.store,
        limits=services.rate_limits,
        sms=services.sms,
        audit=services.audit,
        clock=services.clock,
        generate=lambda: code,
    )
    return replace(adjusted, one_time_codes=fixed)


def application() -> Callable[..., object]:
    """Build the application in a worker process."""
    end_with_parent_process()
    config = configuration.load()
    logs.configure(config.log.level)
    return app.create_app(config, adjust=adjust)


def main() -> None:
    """Serve until SIGTERM, by the configuration that SENID_CONFIG names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tls-cert", type=Path)
    parser.add_argument("--tls-key", type=Path)
    parser.add_argument("--end-with-starter", action="store_true", help="end when standard input is closed")
    arguments = parser.parse_args()
    if arguments.end_with_starter:
        end_with_starter()
    run(configuration.load(), TARGET, tls_cert=arguments.tls_cert, tls_key=arguments.tls_key)


if __name__ == "__main__":
    main()
