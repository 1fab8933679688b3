"""The picture code as picture and as speech."""

from datetime import timedelta

import flask

from idp.edge import browser
from idp.errors import PageNotFound
from idp.safety.caller import CALLER
from idp.safety.captcha import Captcha
from idp.safety.rate_limits import place_of

flow = flask.Blueprint("captcha", __name__)
MOST_A_MINUTE = 120  # from one address, behind which an office or a whole village may sit


@flow.get("/captcha/<captcha_id>.png")
def picture(captcha_id: str) -> flask.Response:
    """Give the code as a picture of digits."""
    return _file(_captcha().picture(captcha_id), "image/png")


@flow.get("/captcha/<captcha_id>.wav")
def speech(captcha_id: str) -> flask.Response:
    """Give the code spoken in Vietnamese."""
    return _file(_captcha().speech(captcha_id), "audio/wav")


def _captcha() -> Captcha:
    """Give the picture codes to a caller who has not asked too often: to render them is work. Raises `TooManyRequests`."""
    services, place = browser.services(), place_of(CALLER.get().address)
    services.rate_limits.hit("captcha_renders", place, most=MOST_A_MINUTE, window=timedelta(minutes=1))
    return services.captcha


def _file(content: bytes | None, kind: str) -> flask.Response:
    if content is None:
        raise PageNotFound("picture code used, expired, unknown or rendered too often")
    return flask.Response(content, mimetype=kind)
