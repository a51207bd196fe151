"""Otterize as a cluster has it: CRDs with versions that go, and its conversion webhook. Shapes, not copies.

What ClientIntents hold in each version is in `otterize_schema`; other kinds take anything here.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager

import yaml
from tests.support.api import Object
from tests.support.objects import CRD
from tests.support.otterize_schema import INTENTS_SCHEMAS
from tests.support.webhook import serving_webhook

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


def conversion_webhook() -> AbstractContextManager[Object]:
    """Return a webhook that converts as far as these tests need it; entered, the `clientConfig` that names it."""

    def convert(request: Object) -> Object:
        converted = [_converted(each, request["desiredAPIVersion"]) for each in request["objects"]]
        return {"convertedObjects": converted, "result": {"status": "Success"}}

    return serving_webhook(convert)


def _converted(resource: Object, wanted: str) -> Object:
    """Return the object in another version; v1alpha3 knows in-cluster calls alone here."""
    spec = resource["spec"]
    if wanted.endswith("v1alpha3") and "workload" in spec:
        calls = [next(iter(target.values())) for target in spec["targets"]]
        spec = {"service": spec["workload"], "calls": calls}
    elif not wanted.endswith("v1alpha3") and "service" in spec:
        spec = {"workload": spec["service"], "targets": [{"kubernetes": call} for call in spec["calls"]]}
    return {**resource, "apiVersion": wanted, "spec": spec}
