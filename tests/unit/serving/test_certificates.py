"""What is made, and what is read back from a Secret that anybody may have written to."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.tls import a_pair

from grapevine.serving.certificates import MAX_FORMER, data_of, material_of
from grapevine.serving.rotation import Material

ONE, OTHER = a_pair("one.svc", now_s=1_000), a_pair("other.svc", "two.svc", now_s=2_000)
FULL = Material(ONE, OTHER, (OTHER.authority, ONE.authority))


def test_tells_for_whom_and_for_how_long() -> None:
    assert (OTHER.names, OTHER.since_s, OTHER.until_s) == ({"other.svc", "two.svc"}, 2_000, 5_600)
    assert OTHER.authority.until_s == OTHER.until_s
    assert "PRIVATE" not in repr(FULL), "no key in a log"


@pytest.mark.parametrize("material", [Material(), Material(ONE), FULL])
def test_a_secret_gives_back_what_was_put_in(material: Material) -> None:
    assert material_of(data_of(material)) == material


@pytest.mark.parametrize(
    "wrong",
    [
        {"tls.key": OTHER.key_pem.encode()},
        {"ca.crt": OTHER.authority.pem.encode()},
        {"tls.crt": OTHER.certificate_pem.encode()},
        {"tls.crt": b""},
        {"tls.crt": ONE.authority.pem.encode()},
        {"tls.key": b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"},
        {"ca.crt": b"x" * 1_000_000},
    ],
)
def test_what_does_not_fit_together_is_not_there(wrong: dict[str, bytes]) -> None:
    held = material_of(data_of(FULL) | wrong)
    assert (held.current, held.successor, held.former) == (None, FULL.successor, FULL.former)


def test_reads_no_more_authorities_than_a_bound() -> None:
    many = "".join(a_pair("x.svc").authority.pem for _ in range(MAX_FORMER + 2)).encode()
    assert len(material_of({"former-ca.crt": many}).former) == MAX_FORMER


@settings(max_examples=200)
@given(st.sampled_from(sorted(data_of(FULL))), st.integers(0, 900), st.binary(max_size=12))
def test_no_bytes_in_a_secret_raise(key: str, at: int, put: bytes) -> None:
    data = data_of(FULL)
    data[key] = data[key][:at] + put + data[key][at + len(put) :]
    material_of(data)
