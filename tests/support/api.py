"""The smallest client of the Kubernetes API that the tests need: JSON over one kept-alive HTTPS connection.

Deliberately not the client under test, and synchronous: what a test arranges and reads back must not share the
operator's code or its event loop.
"""

import http.client
import json
import ssl
import time
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode, urlsplit

Object = dict[str, Any]
"""A Kubernetes object as JSON has it."""

MERGE = "application/merge-patch+json"
APPLY = "application/apply-patch+yaml"  # JSON is YAML

BUSY = 429
BUSY_S = 30.0
"""As long as a server that is busy is asked again: one whose CRD has just changed says so for a second or two."""


class ApiError(Exception):
    """The API server refused a request."""

    def __init__(self, method: str, path: str, status: int, body: Object) -> None:
        super().__init__(f"{method} {path}: {status} {body.get('reason', '')}: {body.get('message', body)}")
        self.status = status
        """HTTP status code."""
        self.message = str(body.get("message", ""))
        """The server's own words, as kubectl shows them."""


class Api:
    """One user's connection to an API server. Not for use by several threads."""

    def __init__(self, server: str, *, token: str, ca_pem: str, timeout_s: float = 30.0) -> None:
        url = urlsplit(server)
        context = ssl.create_default_context(cadata=ca_pem)
        self._connection = http.client.HTTPSConnection(url.hostname or "", url.port, timeout=timeout_s, context=context)
        self._headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        self._resources: dict[str, dict[str, tuple[str, bool]]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; the next request opens a new one."""
        self._connection.close()

    def request(
        self, method: str, path: str, body: Object | None = None, *, content_type: str = "application/json"
    ) -> Object:
        """Send one request, again where the server asks for that, and return the decoded answer.

        Raises:
            ApiError: The answer's status is 400 or higher.
            OSError: Nobody answers.
        """
        payload = None if body is None else json.dumps(body).encode()
        ends_s = time.monotonic() + BUSY_S
        while True:
            try:
                status, raw, again_s = self._exchange(method, path, payload, content_type)
            except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
                self._connection.close()  # the server closed an idle connection, or is another one since
                status, raw, again_s = self._exchange(method, path, payload, content_type)
            if status != BUSY or time.monotonic() > ends_s:
                break
            time.sleep(again_s)
        try:
            answer = json.loads(raw)
        except ValueError:
            answer = {"message": raw.decode(errors="replace")}
        if status >= 400:
            raise ApiError(method, path, status, answer)
        return answer if isinstance(answer, dict) else {"message": answer}

    def _exchange(self, method: str, path: str, payload: bytes | None, content_type: str) -> tuple[int, bytes, int]:
        """Return an answer's status, its body, and the seconds after which the server wants to be asked again."""
        headers = self._headers if payload is None else {**self._headers, "Content-Type": content_type}
        try:
            self._connection.request(method, path, payload, headers)
            response = self._connection.getresponse()
            return response.status, response.read(), int(response.headers.get("Retry-After", "1"))
        except BaseException:
            self._connection.close()
            raise

    def path(self, api_version: str, kind: str, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """Return the URL path of a kind's collection or, with `name`, of one object; asks the server's discovery once.

        Raises:
            ApiError: The server does not serve `api_version`.
            LookupError: It does, but has no such kind.
        """
        root = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
        if kind not in self._resources.get(api_version, {}):
            listed = self.request("GET", root)["resources"]
            self._resources[api_version] = {
                entry["kind"]: (entry["name"], entry["namespaced"]) for entry in listed if "/" not in entry["name"]
            }
        if kind not in self._resources[api_version]:
            raise LookupError(f"{api_version} has no kind {kind}")
        plural, namespaced = self._resources[api_version][kind]
        parts = [root, f"namespaces/{namespace}" if namespaced and namespace else "", plural, name, subresource]
        return "/".join(part for part in parts if part)

    def path_of(self, obj: Object, subresource: str = "") -> str:
        """Return the URL path of an existing object."""
        meta = obj["metadata"]
        return self.path(obj["apiVersion"], obj["kind"], meta.get("namespace", ""), meta["name"], subresource)

    def create(self, obj: Object) -> Object:
        """Create an object and return it as stored; a status in it is ignored by the server for most kinds."""
        path = self.path(obj["apiVersion"], obj["kind"], obj["metadata"].get("namespace", ""))
        return self.request("POST", path, obj)

    def replace_status(self, obj: Object) -> Object:
        """Replace the status of an existing object; without a resourceVersion, whatever its state is."""
        return self.request("PUT", self.path_of(obj, "status"), obj)

    def merge_status(self, obj: Object, status: Object) -> Object:
        """Merge `status` into the status of an existing object."""
        return self.request("PATCH", self.path_of(obj, "status"), {"status": status}, content_type=MERGE)

    def apply(self, obj: Object, *, manager: str, subresource: str = "", force: bool = False) -> Object:
        """Server-side apply `obj` for a field manager and return the object as stored.

        Raises:
            ApiError: 409 where another manager owns a field and `force` is not set.
        """
        query = urlencode({"fieldManager": manager, "force": str(force).lower()})
        return self.request("PATCH", f"{self.path_of(obj, subresource)}?{query}", obj, content_type=APPLY)

    def get(self, api_version: str, kind: str, namespace: str, name: str) -> Object:
        """Return one object."""
        return self.request("GET", self.path(api_version, kind, namespace, name))

    def list(self, api_version: str, kind: str, namespace: str = "") -> list[Object]:
        """Return every object of a kind, in one namespace or in all of them."""
        items: list[Object] = self.request("GET", self.path(api_version, kind, namespace))["items"]
        return items

    def delete(self, obj: Object) -> None:
        """Delete an object now: no grace period. One that is gone already is fine."""
        try:
            self.request(
                "DELETE", self.path_of(obj), {"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0}
            )
        except ApiError as error:
            if error.status != 404:
                raise
