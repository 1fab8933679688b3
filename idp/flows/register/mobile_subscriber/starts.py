"""The limit on how often one address may begin: each beginning can cost a text message."""

from datetime import timedelta

from idp.edge import browser
from idp.safety.caller import CALLER
from idp.safety.rate_limits import place_of

HOUR = timedelta(hours=1)


def check_limit() -> None:
    """Count one more beginning from the caller's address; raises `TooManyRequests`."""
    services = browser.services()
    most = services.config.registration.starts_per_address_and_hour
    services.rate_limits.hit("registration_starts", place_of(CALLER.get().address), most=most, window=HOUR)
