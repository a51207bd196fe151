"""Tokens as they would be after they expired."""

import base64
import json
import time

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from tests.support.controlplane import ControlPlane


def expired(plane: ControlPlane, token: str) -> str:
    """Return the token as it would be an hour after it expired, signed by the API server's own key."""
    header, claims, _ = token.split(".")
    fields = json.loads(base64.urlsafe_b64decode(claims + "=="))
    fields |= {"exp": int(time.time()) - 3_600, "iat": int(time.time()) - 7_200, "nbf": int(time.time()) - 7_200}
    signed = f"{header}.{base64.urlsafe_b64encode(json.dumps(fields).encode()).decode().rstrip('=')}"
    key = serialization.load_pem_private_key((plane.directory / "service-account.key").read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    r, s = decode_dss_signature(key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
    signature = base64.urlsafe_b64encode(r.to_bytes(32) + s.to_bytes(32)).decode().rstrip("=")
    return f"{signed}.{signature}"
