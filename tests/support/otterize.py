"""Otterize as a cluster has it: CRDs with versions that go, and its conversion webhook. Shapes, not copies.

What ClientIntents hold in each version is in `otterize_schema`; other kinds take anything here.
"""

import base64
import json
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import yaml
from tests.support.api import Object
from tests.support.objects import CRD
from tests.support.otterize_schema import INTENTS_SCHEMAS
from tests.support.tls import a_pair, server_context

OURS: Object = yaml.safe_load(CRD.read_text())
NAME: str = OURS["metadata"]["name"]
WEBHOOK = {"namespace": "otterize-system", "name": "intents-operator-webhook-service"}
SERVICE_CONFIG: Object = {"service": {**WEBHOOK, "path": "/convert", "port": 443}}
VERSIONS = ("v1alpha3", "v2beta1", "v2alpha1")

_LAX: Object = {
    "served": True,
    "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
    "subresources": {"status": {}},
}


def otterizes_crd(
    kind: str = "ClientIntents",
    plural: str = "clientintents",
    *,
    storage: str = "v2alpha1",
    client_config: Object = SERVICE_CONFIG,
    versions: Sequence[str] = VERSIONS,
    is_lax: bool = True,
) -> Object:
    """Return a CRD shaped as Otterize's: more versions than ours, and a webhook that converts between them.

    `is_lax` takes any field; otherwise ClientIntents have the documented ones alone.
    """
    return {
        "apiVersion": OURS["apiVersion"],
        "kind": OURS["kind"],
        "metadata": {"name": f"{plural}.k8s.otterize.com", "labels": {"app.kubernetes.io/part-of": "otterize"}},
        "spec": {
            "group": "k8s.otterize.com",
            "scope": "Namespaced",
            "names": {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": kind.lower()},
            "conversion": {
                "strategy": "Webhook",
                "webhook": {"conversionReviewVersions": ["v1"], "clientConfig": client_config},
            },
            "versions": [
                {
                    **_LAX,
                    "name": name,
                    "storage": name == storage,
                    **({} if is_lax else {"schema": {"openAPIV3Schema": INTENTS_SCHEMAS[name]}}),
                }
                for name in versions
            ],
        },
    }


@contextmanager
def conversion_webhook() -> Iterator[Object]:
    """Run a webhook that converts as far as these tests need it, and yield the `clientConfig` that names it."""
    pair = a_pair("localhost")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            request = review["request"]
            converted = [_converted(each, request["desiredAPIVersion"]) for each in request["objects"]]
            review["response"] = {
                "uid": request["uid"],
                "convertedObjects": converted,
                "result": {"status": "Success"},
            }
            body = json.dumps({**review, "request": None}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            pass

    server = ThreadingHTTPServer(("localhost", 0), Handler)
    server.daemon_threads = True
    context: ssl.SSLContext = server_context(pair)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    bundle = base64.b64encode(pair.authority.pem.encode()).decode()
    try:
        yield {"url": f"https://localhost:{server.server_port}/convert", "caBundle": bundle}
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _converted(resource: Object, wanted: str) -> Object:
    """Return the object in another version; v1alpha3 knows in-cluster calls alone here."""
    spec = resource["spec"]
    if wanted.endswith("v1alpha3") and "workload" in spec:
        calls = [next(iter(target.values())) for target in spec["targets"]]
        spec = {"service": spec["workload"], "calls": calls}
    elif not wanted.endswith("v1alpha3") and "service" in spec:
        spec = {"workload": spec["service"], "targets": [{"kubernetes": call} for call in spec["calls"]]}
    return {**resource, "apiVersion": wanted, "spec": spec}
