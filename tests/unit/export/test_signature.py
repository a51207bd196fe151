"""Secrets and signatures of webhooks, against the example of the specification's own library."""

import base64

import pytest

from grapevine.export.signature import parse_secrets, sign
from grapevine.model.errors import PermanentInputError

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105 - the example of the specification
OTHER = base64.b64encode(bytes(range(32))).decode()


def test_signs_as_the_specifications_library_does() -> None:
    signed = sign(parse_secrets(SECRET), "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, b'{"test": 2432232314}')

    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_several_secrets_are_several_signatures() -> None:
    one, two = (sign(parse_secrets(text), "m", 1, b"") for text in (SECRET, OTHER))

    assert sign(parse_secrets(f"{SECRET}\n\n {OTHER} \r\n"), "m", 1, b"") == f"{one} {two}"


@pytest.mark.parametrize("text", ["", " \n", "whsec_", "whsec_\n"])
def test_a_file_without_a_secret_is_refused(text: str) -> None:
    with pytest.raises(PermanentInputError, match="it holds no secret"):
        parse_secrets(text)


@pytest.mark.parametrize(
    "line",
    ["hunter2!", "whsec_" + base64.b64encode(b"short").decode(), base64.b64encode(bytes(65)).decode()],
)
def test_what_is_no_secret_is_refused_by_its_line_and_not_shown(line: str) -> None:
    with pytest.raises(PermanentInputError, match="line 2 is no secret of 24 to 64 bytes") as refused:
        parse_secrets(f"{SECRET}\n{line}")

    assert line not in str(refused.value)
