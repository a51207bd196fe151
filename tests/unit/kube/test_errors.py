"""What the API server says → our errors, with the remedy."""

import json

import pytest

from grapevine.kube import errors
from grapevine.model.errors import GrapevineError, PermanentInputError, RetryableError


def refusal(
    status: int, *, method: str = "GET", path: str = "/api/v1/pods", retry_after: str = "", **query: str
) -> GrapevineError:
    body = json.dumps({"kind": "Status", "message": "because\nof this"}).encode()
    return errors.refusal(method, path, query, status, body, retry_after)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, PermanentInputError),
        (401, RetryableError),
        (403, PermanentInputError),
        (404, errors.NotFoundError),
        (409, errors.ConflictError),
        (410, errors.ExpiredError),
        (422, PermanentInputError),
        (429, RetryableError),
        (500, RetryableError),
        (504, RetryableError),
    ],
)
def test_a_status_has_its_family_and_the_servers_words(status: int, kind: type[Exception]) -> None:
    error = refusal(status)

    assert isinstance(error, kind)
    assert str(error).startswith(f"GET /api/v1/pods: {status}: because of this")


@pytest.mark.parametrize(("retry_after", "after_s"), [("7", 7.0), ("", None), ("Wed, 21 Oct 2026 07:28:00 GMT", None)])
def test_a_busy_server_says_when_to_come_again(retry_after: str, after_s: float | None) -> None:
    error = refusal(429, retry_after=retry_after)

    assert isinstance(error, RetryableError)
    assert error.after_s == after_s


@pytest.mark.parametrize(
    ("method", "path", "query", "rule"),
    [
        ("GET", "/api/v1/pods", {}, 'apiGroups: [""], resources: [pods], verbs: [list]'),
        ("GET", "/api/v1/pods", {"watch": "true"}, 'apiGroups: [""], resources: [pods], verbs: [watch]'),
        ("GET", "/apis/batch/v1/cronjobs", {}, 'apiGroups: ["batch"], resources: [cronjobs], verbs: [list]'),
        ("GET", "/api/v1/namespaces/x", {}, 'apiGroups: [""], resources: [namespaces], verbs: [get]'),
        ("GET", "/apis/g/v1/namespaces/x/things/y", {}, 'apiGroups: ["g"], resources: [things], verbs: [get]'),
        ("PATCH", "/apis/g/v1/namespaces/x/things/y", {}, 'apiGroups: ["g"], resources: [things], verbs: [patch]'),
        ("PATCH", "/apis/g/v1/namespaces/x/things/y/status", {}, "resources: [things/status], verbs: [patch]"),
        ("GET", "/version", {}, "nonResourceURLs: [/version], verbs: [get]"),
    ],
)
def test_what_is_forbidden_names_the_rule(method: str, path: str, query: dict[str, str], rule: str) -> None:
    assert rule in str(refusal(403, method=method, path=path, **query))


@pytest.mark.parametrize(
    "said",
    [
        'admission webhook "intents.example.com" denied the request: no',
        "\"web\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no",
        '"web" is forbidden: exceeded quota: few, requested: 1, used: 1, limited: 1',
        '"web" is forbidden: unable to create new content in namespace a because it is being terminated',
    ],
)
def test_what_admission_forbids_names_no_rule(said: str) -> None:
    body = json.dumps({"kind": "Status", "message": said}).encode()

    error = errors.refusal("PATCH", "/apis/k8s.otterize.com/v2beta1/namespaces/a/clientintents/web", {}, 403, body, "")

    assert isinstance(error, PermanentInputError)
    assert str(error).endswith(said)


@pytest.mark.parametrize("body", [b"", b"<html>502</html>", b"\xff\xfe", b"[" * 100_000, b'{"message": 3}'])
def test_a_body_that_is_no_status_is_bounded_text(body: bytes) -> None:
    error = errors.refusal("GET", "/api/v1/pods", {}, 502, body, "")

    assert isinstance(error, RetryableError)
    assert len(str(error)) < 600
