"""Signatures of webhooks: HMAC-SHA256 over id, time and body. Pure.

Source: Standard Webhooks 1.0, "Signature scheme" and "Signing secret serialization".
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence

from grapevine.model.errors import PermanentInputError

_PREFIX = "whsec_"
_MIN_BYTES, _MAX_BYTES = 24, 64


def parse_secrets(text: str) -> tuple[bytes, ...]:
    """Return the secrets of a text, one a line, base64 with `whsec_` in front or not; more than one while they change.

    Raises:
        PermanentInputError: there is none, or a line is no secret of 24 to 64 bytes; the text tells nothing of it.
    """
    secrets = []
    for number, line in enumerate(text.split("\n"), 1):
        if not (encoded := line.strip().removeprefix(_PREFIX)):
            continue
        try:
            secret = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            secret = b""
        if not _MIN_BYTES <= len(secret) <= _MAX_BYTES:
            raise PermanentInputError(
                f"line {number} is no secret of {_MIN_BYTES} to {_MAX_BYTES} bytes in base64: "
                f'make one with: echo "{_PREFIX}$(head -c 32 /dev/urandom | base64)"'
            )
        secrets.append(secret)
    if not secrets:
        raise PermanentInputError("it holds no secret")
    return tuple(secrets)


def sign(secrets: Sequence[bytes], message_id: str, timestamp_s: int, body: bytes) -> str:
    """Return the value of `webhook-signature`: one signature a secret, a blank between."""
    content = f"{message_id}.{timestamp_s}.".encode() + body
    digests = (hmac.digest(secret, content, hashlib.sha256) for secret in secrets)
    return " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests)
