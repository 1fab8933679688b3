"""The files of a picture code: rendered a few times a code, and not for whoever asks without end."""

import pytest

from idp.flows import captcha
from tests.flows.register.office import Office
from tests.flows.sign_in.person import Person


@pytest.mark.parametrize("ending", ["png", "wav"])
def test_code_is_rendered_three_times_and_then_not_found(office: Office, ending: str) -> None:
    person, captcha_id = office.person(), office.services.captcha.issue()
    answers = [person.browser.get(f"/captcha/{captcha_id}.{ending}").status_code for _ in range(4)]
    assert answers == [200, 200, 200, 404]


def test_one_address_has_a_number_of_renderings_a_minute(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(captcha, "MOST_A_MINUTE", 2)
    first, second = office.person("203.0.113.7"), office.person("203.0.113.8")

    def ask(person: Person) -> int:
        path = f"/captcha/{office.services.captcha.issue()}.png"
        return person.browser.get(path, environ_overrides={"REMOTE_ADDR": person.address}).status_code

    assert [ask(first) for _ in range(3)] == [200, 200, 429]
    assert ask(second) == 200
