"""The picture code (captcha): six digits as a picture, or spoken in Vietnamese, good for one answer."""

import io
import secrets
import sys
import wave
from array import array
from datetime import timedelta
from functools import cache
from hmac import compare_digest
from importlib.resources import files

from captcha.image import ImageCaptcha

from idp.errors import CaptchaWrong
from idp.safety.sealed_store import SealedStore
from idp.values import new_secret

LENGTH = 6
ALPHABET = "023456789"  # a bent 1 looks like a bent 7
_KIND = "captcha"
_RENDERED = "captcha_rendered"
_INK = (17, 24, 39, 255)
_PAPER = (255, 255, 255)
_INK_BRIGHTNESS = 24  # of _INK as grey
# How opaque a stroke is drawn, by its brightness: the library's own table, made for light ink, leaves dark ink faint.
_OPACITY = [min(255, brightness * 255 // _INK_BRIGHTNESS) for brightness in range(256)]
_RATE = 16_000  # of the files in speech/: one channel, 16 bits
_SILENCE_AROUND_MS = 300
_SHORTEST_PAUSE_MS = 350
_LONGEST_PAUSE_MS = 700
_SOFTEST_PERCENT, _LOUDEST_PERCENT = 55, 100
_SLOWEST_PERCENT, _FASTEST_PERCENT = 88, 112
_LONGEST_OFFSET = 16  # samples: a thousandth of a second
_NOISE = 600  # of 32,767: as on a bad telephone line, it hides no digit; the recordings leave room for it
# The same digits drawn again and again could be averaged; a person needs a second look at most.
_MOST_RENDERED = 3


class Captcha:
    """Issues picture codes and checks the answers."""

    is_sandbox = False

    def __init__(self, store: SealedStore, lifetime: timedelta) -> None:
        """Take the store of the codes, and how long one lives."""
        self._store = store
        self._lifetime = lifetime

    def issue(self) -> str:
        """Make a new code; gives its id, which stands in the page."""
        captcha_id = new_secret()
        digits = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
        self._store.put(_KIND, captcha_id, {"digits": digits}, self._lifetime)
        return captcha_id

    def picture(self, captcha_id: str) -> bytes | None:
        """Give the code as a PNG, or None when it is used, expired, unknown or drawn too often."""
        digits = self._find_for("picture", captcha_id)
        return None if digits is None else _draw(digits)

    def speech(self, captcha_id: str) -> bytes | None:
        """Give the code spoken, as a WAV, or None when it is used, expired, unknown or spoken too often."""
        digits = self._find_for("speech", captcha_id)
        return None if digits is None else _speak(digits)

    def check(self, captcha_id: str | None, answer: str | None) -> None:
        """Compare the answer; right or wrong, the code is used up. Raises `CaptchaWrong`."""
        found = self._store.take(_KIND, captcha_id) if captcha_id else None
        given = "".join((answer or "").split())
        if found is None or not compare_digest(str(found["digits"]).encode(), given.encode()):
            raise CaptchaWrong

    def _find_for(self, way: str, captcha_id: str) -> str | None:
        """Count one more rendering of a kind; gives the digits while there may be one."""
        digits = self._find(captcha_id)
        if digits is None or self._store.count(_RENDERED, f"{way}:{captcha_id}", self._lifetime) > _MOST_RENDERED:
            return None
        return digits

    def _find(self, captcha_id: str) -> str | None:
        found = self._store.get(_KIND, captcha_id)
        return None if found is None else str(found["digits"])


def _draw(digits: str) -> bytes:
    """Draw dark digits on white, bent less than the library's own, for people who see poorly."""
    picture = ImageCaptcha(width=200, height=70, font_sizes=(42, 46, 50))
    picture.lookup_table = _OPACITY
    picture.character_rotate = (-20, 20)
    picture.character_warp_dx = (0.1, 0.2)
    picture.character_warp_dy = (0.1, 0.2)
    return picture.generate(digits, bg_color=_PAPER, fg_color=_INK).getvalue()


def _speak(digits: str) -> bytes:
    """Say the digits, each as loud, as fast and as late as nobody can foresee, over noise: no two recordings share a run of samples."""
    samples = array("h", _silence(_SILENCE_AROUND_MS))
    for digit in digits:
        samples.extend(_varied(_spoken(digit)))
        samples.extend(_silence(_between(_SHORTEST_PAUSE_MS, _LONGEST_PAUSE_MS)))
    samples.extend(_silence(_SILENCE_AROUND_MS))
    sound = io.BytesIO()
    with wave.open(sound, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(_RATE)
        out.writeframes(_little_endian(_noisy(samples)).tobytes())
    return sound.getvalue()


def _varied(samples: "array[int]") -> "array[int]":
    """Give a digit at another loudness, speed (with its pitch) and place, by linear interpolation."""
    gain, speed = _between(_SOFTEST_PERCENT, _LOUDEST_PERCENT), _between(_SLOWEST_PERCENT, _FASTEST_PERCENT)
    varied = array("h", bytes(2 * _between(0, _LONGEST_OFFSET)))
    for position in range(_between(0, speed), 100 * (len(samples) - 1), speed):  # in hundredths of a sample
        place, part = divmod(position, 100)
        varied.append((samples[place] * (100 - part) + samples[place + 1] * part) * gain // 10_000)
    return varied


def _noisy(samples: "array[int]") -> "array[int]":
    noise = array("h", secrets.token_bytes(2 * len(samples)))
    return array("h", [sample + (hiss * _NOISE >> 15) for sample, hiss in zip(samples, noise, strict=True)])


def _between(least: int, most: int) -> int:
    return least + secrets.randbelow(most - least + 1)


def _silence(milliseconds: int) -> "array[int]":
    return array("h", bytes(2 * (_RATE * milliseconds // 1000)))


@cache
def _spoken(digit: str) -> "array[int]":
    """Give the samples of one digit."""
    recording = files("idp.safety").joinpath("speech", f"{digit}.wav").read_bytes()
    with wave.open(io.BytesIO(recording), "rb") as file:
        return _little_endian(array("h", file.readframes(file.getnframes())))


def _little_endian(samples: "array[int]") -> "array[int]":
    """Turn samples from the byte order of the machine to that of a WAV, or back."""
    if sys.byteorder == "big":
        samples.byteswap()
    return samples
