"""The picture code: seen or heard, right once, and never known beforehand."""

import io
import threading
import wave
from array import array
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from importlib.resources import files

import pytest
from PIL import Image

from idp.errors import CaptchaWrong
from idp.safety import captcha as module
from idp.safety.captcha import Captcha
from idp.safety.encryption import Encryption
from idp.safety.sealed_store import SealedStore
from idp.storage.short_lived import EmbeddedShortLived, ShortLived
from tests.clock import MovableClock

LIFETIME = timedelta(minutes=5)


@pytest.fixture
def captcha(short_lived: ShortLived, encryption: Encryption) -> Captcha:
    return Captcha(SealedStore(short_lived, encryption), LIFETIME)


def digits_of(captcha: Captcha, captcha_id: str) -> str:
    digits = captcha._find(captcha_id)
    assert digits is not None
    return digits


def is_right(captcha: Captcha, captcha_id: str | None, answer: str | None) -> bool:
    try:
        captcha.check(captcha_id, answer)
    except CaptchaWrong:
        return False
    return True


def sound(content: bytes) -> wave.Wave_read:
    return wave.open(io.BytesIO(content), "rb")


def test_the_right_answer_is_right_once(captcha: Captcha) -> None:
    captcha_id = captcha.issue()
    digits = digits_of(captcha, captcha_id)
    assert is_right(captcha, captcha_id, digits)
    assert not is_right(captcha, captcha_id, digits)


@pytest.mark.parametrize("write", ["{} {}", " {}{}\n", "{}\u00a0{}"], ids=["in two groups", "spaces around", "hard space"])
def test_spaces_do_not_matter(captcha: Captcha, write: str) -> None:
    captcha_id = captcha.issue()
    digits = digits_of(captcha, captcha_id)
    assert is_right(captcha, captcha_id, write.format(digits[:3], digits[3:]))


def test_a_wrong_answer_uses_the_code_up(captcha: Captcha) -> None:
    captcha_id = captcha.issue()
    digits = digits_of(captcha, captcha_id)
    assert not is_right(captcha, captcha_id, "111111")
    assert not is_right(captcha, captcha_id, digits)
    assert captcha.picture(captcha_id) is None


@pytest.mark.parametrize("answer", [None, "", "sandbox", "1", "0" * 9000, "１２３４５６", "\0", "🙂"])  # noqa: RUF001 - as typed
def test_nonsense_is_wrong(captcha: Captcha, answer: str | None) -> None:
    assert not is_right(captcha, captcha.issue(), answer)


@pytest.mark.parametrize("captcha_id", [None, "", "unknown", "é"])
def test_an_unknown_code_is_wrong(captcha: Captcha, captcha_id: str | None) -> None:
    assert not is_right(captcha, captcha_id, "234567")
    assert captcha.picture(captcha_id or "") is None
    assert captcha.speech(captcha_id or "") is None


def test_a_code_expires(embedded_short_lived: EmbeddedShortLived, encryption: Encryption, clock: MovableClock) -> None:
    captcha = Captcha(SealedStore(embedded_short_lived, encryption), LIFETIME)
    captcha_id = captcha.issue()
    digits = digits_of(captcha, captcha_id)
    clock.move(LIFETIME)
    assert captcha.picture(captcha_id) is None
    assert not is_right(captcha, captcha_id, digits)


@pytest.mark.race
def test_of_fifty_right_answers_one_is_right(captcha: Captcha) -> None:
    captcha_id = captcha.issue()
    digits = digits_of(captcha, captcha_id)
    barrier = threading.Barrier(50)

    def race(_: int) -> bool:
        barrier.wait(30)
        return is_right(captcha, captcha_id, digits)

    with ThreadPoolExecutor(50) as pool:
        assert sum(pool.map(race, range(50))) == 1


def test_codes_are_six_digits_and_differ(captcha: Captcha) -> None:
    codes = [digits_of(captcha, captcha.issue()) for _ in range(30)]
    assert {len(code) for code in codes} == {6}
    assert set("".join(codes)) <= set("023456789")
    assert len(set(codes)) > 25


def test_the_product_never_issues_sandbox_codes(captcha: Captcha) -> None:
    assert captcha.is_sandbox is False


def test_the_picture_is_a_small_png_with_strong_contrast(captcha: Captcha) -> None:
    captcha_id = captcha.issue()
    content = captcha.picture(captcha_id)
    assert content is not None
    with Image.open(io.BytesIO(content)) as picture:
        assert (picture.format, picture.size) == ("PNG", (200, 70))
        brightness = sorted(picture.convert("L").tobytes())
    ink = brightness[len(brightness) // 20]  # the twentieth part of a picture is strokes
    paper = brightness[len(brightness) // 2]
    assert (paper, ink < 70) == (255, True)
    assert len(content) < 30_000


def test_two_pictures_of_one_code_differ(captcha: Captcha) -> None:
    captcha_id = captcha.issue()
    assert captcha.picture(captcha_id) != captcha.picture(captcha_id)


def spoken_by(captcha: Captcha, captcha_id: str) -> "array[int]":
    content = captcha.speech(captcha_id)
    assert content is not None
    with sound(content) as spoken:
        assert (spoken.getnchannels(), spoken.getsampwidth(), spoken.getframerate()) == (1, 2, 16_000)
        return array("h", spoken.readframes(spoken.getnframes()))


def test_the_speech_says_the_digits_in_their_order(captcha: Captcha, monkeypatch: pytest.MonkeyPatch) -> None:
    captcha_id = captcha.issue()
    for name, value in {"_NOISE": 0, "_SOFTEST_PERCENT": 100, "_SLOWEST_PERCENT": 100, "_between": lambda least, _: least}.items():
        monkeypatch.setattr(module, name, value)
    samples, position = spoken_by(captcha, captcha_id), 0
    assert 3 < len(samples) / 16_000 < 9
    for digit in digits_of(captcha, captcha_id):
        recording = module._spoken(digit)[:-1].tobytes()  # the last sample has no next one to be joined with
        position = samples.tobytes().index(recording, position) + len(recording)


def test_the_speech_varies_gently_and_is_never_distorted(captcha: Captcha) -> None:
    captcha_id = captcha.issue()
    samples = spoken_by(captcha, captcha_id)
    assert 3 < len(samples) / 16_000 < 9
    assert 12_000 < max(map(abs, samples)) < 32_767
    hiss = samples[: 16_000 // 5]  # nobody speaks yet
    assert 0 < max(map(abs, hiss)) <= 600


def test_the_speech_holds_no_piece_of_a_recording(captcha: Captcha) -> None:
    captcha_id = captcha.issue()
    samples = spoken_by(captcha, captcha_id).tobytes()
    for digit in digits_of(captcha, captcha_id):
        recording = module._spoken(digit)
        assert not any(recording[at : at + 16].tobytes() in samples for at in range(0, len(recording), 400) if any(recording[at : at + 16]))


def test_two_recordings_of_one_code_share_no_run_of_samples(captcha: Captcha) -> None:
    captcha_id = captcha.issue()
    first, second = spoken_by(captcha, captcha_id), spoken_by(captcha, captcha_id)
    assert not any(first[at : at + 16].tobytes() in second.tobytes() for at in range(0, len(first), 400))


def test_a_code_is_rendered_three_times_each_way_and_can_still_be_answered(captcha: Captcha) -> None:
    captcha_id = captcha.issue()
    for render in (captcha.picture, captcha.speech):
        assert [render(captcha_id) is not None for _ in range(5)] == [True] * 3 + [False] * 2
    assert is_right(captcha, captcha_id, digits_of(captcha, captcha_id))


def test_pauses_cannot_be_foreseen(captcha: Captcha) -> None:
    captcha_id = captcha.issue()
    assert len({len(captcha.speech(captcha_id) or b"") for _ in range(3)}) > 1


def test_every_digit_has_its_own_recording_in_the_package() -> None:
    recordings = [files("idp.safety").joinpath("speech", f"{digit}.wav").read_bytes() for digit in range(10)]
    assert len(set(recordings)) == 10
    assert sum(map(len, recordings)) < 300_000
    for recording in recordings:
        with sound(recording) as spoken:
            assert (spoken.getnchannels(), spoken.getsampwidth(), spoken.getframerate()) == (1, 2, 16_000)
            assert 0.2 < spoken.getnframes() / 16_000 < 0.8
