"""The sandbox's parts of the provider, and that production refuses them."""

from dataclasses import replace

import pytest

from idp import app
from idp.config import Config
from idp.errors import CaptchaWrong, ConfigError, OtpWrong
from idp.identity import phone_numbers
from idp.identity.one_time_codes import Purpose
from idp.services import Services
from sandbox.provider import FIXED_OTP_VARIABLE, SandboxCaptcha, adjust
from tests.fakes import FakeSms

PHONE = phone_numbers.parse("0912345678")


@pytest.fixture(autouse=True)
def without_fixed_codes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(FIXED_OTP_VARIABLE, raising=False)


@pytest.mark.parametrize("answer", ["sandbox", " Sandbox "])
def test_the_word_answers_every_picture_code_any_number_of_times(services: Services, answer: str) -> None:
    adjusted = adjust(services)
    captcha_id = adjusted.captcha.issue()
    for given_id in (captcha_id, captcha_id, "unknown", None):
        adjusted.captcha.check(given_id, answer)


@pytest.mark.parametrize("answer", ["", None, "123456", "sandboxes"])
def test_anything_else_is_compared_as_the_real_one_does(services: Services, answer: str | None) -> None:
    adjusted = adjust(services)
    with pytest.raises(CaptchaWrong):
        adjusted.captcha.check(adjusted.captcha.issue(), answer)


def test_one_time_codes_stay_real_unless_a_fixed_one_is_asked_for(services: Services) -> None:
    adjusted = adjust(services)
    assert adjusted.one_time_codes is services.one_time_codes
    assert adjusted.sandbox_parts() == ["captcha"]


def test_a_fixed_code_is_sent_and_accepted(services: Services, sms: FakeSms, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FIXED_OTP_VARIABLE, "000000")
    adjusted = adjust(services)
    challenge = adjusted.one_time_codes.send(Purpose.SIGN_IN, phone=PHONE, owner="account-1", language="vi")
    assert sms.last_code(PHONE.e164) == "000000"
    with pytest.raises(OtpWrong):
        adjusted.one_time_codes.verify(challenge.id, "000001", purpose=Purpose.SIGN_IN, owner="account-1")
    adjusted.one_time_codes.verify(challenge.id, "000000", purpose=Purpose.SIGN_IN, owner="account-1")
    assert sorted(adjusted.sandbox_parts()) == ["captcha", "one_time_codes"]


@pytest.mark.parametrize("code", ["1", "12345x", "0000000"])
def test_a_fixed_code_that_is_none_is_refused(services: Services, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    monkeypatch.setenv(FIXED_OTP_VARIABLE, code)
    with pytest.raises(SystemExit, match="six digits"):
        adjust(services)


def test_production_refuses_the_parts_of_the_sandbox(config: Config) -> None:
    outside = config.outside.model_copy(
        update={
            "carrier": config.outside.carrier.model_copy(update={"url": "https://carrier.example"}),
            "sms": tuple(each.model_copy(update={"url": "https://sms.example"}) for each in config.outside.sms),
        }
    )
    production = config.model_copy(update={"mode": "production", "issuer": "https://id.example.gov.vn", "outside": outside})
    with pytest.raises(ConfigError, match="captcha"):
        app.create_app(production, adjust=adjust, with_jobs=False)


def test_the_sandbox_s_own_part_is_what_is_refused(services: Services) -> None:
    part = SandboxCaptcha(services.store, services.config.picture_code.lifetime)
    assert services.sandbox_parts() == []
    assert replace(services, captcha=part).sandbox_parts() == ["captcha"]
