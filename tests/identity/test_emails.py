"""E-mail addresses."""

import pytest

from idp import errors
from idp.identity import emails


@pytest.mark.requirement("A5.48")
@pytest.mark.requirement("A16.C4")
@pytest.mark.parametrize(
    "text, address",
    [
        ("lan@example.vn", "lan@example.vn"),
        (" Lan.Nguyen+dvc@Mail.EXAMPLE.com.vn ", "Lan.Nguyen+dvc@mail.example.com.vn"),
        ("a@xn--vit-nam-s1a.example", "a@xn--vit-nam-s1a.example"),
    ],
)
def test_an_address_is_kept_with_its_domain_in_lower_case(text: str, address: str) -> None:
    assert emails.parse(text) == address


@pytest.mark.requirement("A5.49")
@pytest.mark.parametrize(
    "text",
    [
        "",
        "lan",
        "@example.vn",
        "lan@",
        "lan@localhost",
        "lan@example..vn",
        "lan..a@example.vn",
        ".lan@example.vn",
        "lan@-example.vn",
        "lan@example.v",
        "lan@127.0.0.1",
        "lan a@example.vn",
        "lan@example.vn\nBcc: x@example.vn",
        "lan@example.vn\x00",
        "a@b@example.vn",
        '"lan"@example.vn',
        "lần@example.vn",
        "lan@vídụ.vn",
        "\ud800@example.vn",
        f"{'a' * 65}@example.vn",
        f"lan@{'a' * 64}.vn",
        "a" * 8192,
    ],
)
def test_what_no_mail_server_takes_is_refused(text: str) -> None:
    with pytest.raises(errors.InvalidEmail) as refused:
        emails.parse(text)
    assert refused.value.field == "email"
