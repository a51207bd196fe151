"""The shop, running: its 20 workloads as manifests for a real cluster. Who calls whom: tests/data/shop/truth.yaml.

Every container is the program in traffic/, which resolves names as Go does and calls each URL every five seconds.
`dns://name` is resolved and not called.
"""

import json
from typing import Any

Object = dict[str, Any]


def shop() -> str:
    """Return the manifests, one JSON list that kubectl takes."""
    namespaces = [
        _object("v1", "Namespace", "", name) for name in ("storefront", "orders", "payments", "batch", "tools")
    ]
    items = [*namespaces, *_storefront(), *_orders(), *_payments(), *_batch(), *_tools()]
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items})


def _storefront() -> list[Object]:
    asks = ("http://catalog", "http://cart.orders", "dns://cdn.example.net", "dns://reccomendations")
    return [
        _workload("Deployment", "storefront", "web", _pod("web", *asks), replicas=2),
        _service("storefront", "web", type="NodePort"),
        _workload("DaemonSet", "storefront", "catalog", _pod("catalog", "dns://mybucket.s3.us-east-1.amazonaws.com")),
        _service("storefront", "catalog"),
    ]


def _orders() -> list[Object]:
    asks = ("http://cart", "http://payment.payments.svc.cluster.local", "dns://mail")
    mail = {"type": "ExternalName", "externalName": "www.example.org"}
    return [
        _workload("Deployment", "orders", "cart", _pod("cart", "http://redis-0.redis:8080")),
        _service("orders", "cart"),
        _workload("StatefulSet", "orders", "redis", _pod("redis"), replicas=2, serviceName="redis"),
        _service("orders", "redis", port=8080, clusterIP="None"),
        _workload("Deployment", "orders", "checkout", _pod("checkout", *asks)),
        _service("orders", "checkout"),
        {**_object("v1", "Service", "orders", "mail"), "spec": mail},
    ]


def _payments() -> list[Object]:
    family = {"family": "payment"}  # one Service before two workloads
    outside = "dns://api.payments.example.com"
    payment = _pod("payment", outside, "dns://sqs.us-east-1.amazonaws.com", labels=family)
    canary = _pod("payment-canary", outside, labels=family)
    return [
        _workload("Deployment", "payments", "payment", payment),
        _workload("Deployment", "payments", "payment-canary", canary),
        _service("payments", "payment", selector=family),
    ]


def _batch() -> list[Object]:
    report = _pod("report", "http://cart.orders", "http://catalog.storefront", once=True, restartPolicy="Never")
    migrate = _pod("migrate", "http://redis.orders:8080", once=True, restartPolicy="Never")
    wait = {**_container("http://redis.orders:8080", once=True), "name": "wait"}
    asks = ("dns://_http._tcp.redis.orders.svc.cluster.local", "http://checkout.orders")
    schedule = {"schedule": "* * * * *", "successfulJobsHistoryLimit": 1}
    return [
        {
            **_object("batch/v1", "CronJob", "batch", "report"),
            "spec": {**schedule, "jobTemplate": {"spec": {"template": report}}},
        },
        {**_object("batch/v1", "Job", "batch", "migrate"), "spec": {"template": migrate}},
        _workload("Deployment", "batch", "worker", _pod("worker", *asks, initContainers=[wait])),
    ]


def _tools() -> list[Object]:
    annotated = {"intents.otterize.com/workload-name": "billing-ui"}
    named = _pod("named", "http://web.storefront", annotations=annotated)
    over_tcp = {"options": [{"name": "use-vc"}]}
    overtcp = _pod("overtcp", "http://cart.orders", "dns://api.payments.example.com", dnsConfig=over_tcp)
    hostnet = _pod("hostnet", "http://catalog.storefront", hostNetwork=True, dnsPolicy="ClusterFirstWithHostNet")
    hostnet["spec"]["containers"][0]["args"] += ["-listen", ":18080"]
    hostnet["spec"]["containers"][0].pop("ports")
    debug = _pod("debug", "http://web.storefront")
    debug["metadata"] |= {"name": "debug", "namespace": "tools"}
    return [
        _workload("Deployment", "tools", "named", named),
        _workload("Deployment", "tools", "overtcp", overtcp),
        _workload("Deployment", "tools", "api-user", _pod("api-user", "https://kubernetes.default")),
        _workload("DaemonSet", "tools", "hostnet", hostnet),
        {"apiVersion": "v1", "kind": "Pod", **debug},
    ]


def pod(namespace: str, name: str, *asks: str, once: bool = False) -> str:
    """Return the manifest of one more pod that asks, every five seconds or once in its life."""
    made = _pod(name, *asks, once=once, restartPolicy="Never")
    made["metadata"] |= {"name": name, "namespace": namespace}
    return json.dumps({"apiVersion": "v1", "kind": "Pod", **made})


def _object(api_version: str, kind: str, namespace: str, name: str) -> Object:
    metadata = {"name": name, "namespace": namespace} if namespace else {"name": name}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata}


def _container(*asks: str, once: bool = False) -> Object:
    args = ["-every", "5s", *(["-call", ",".join(asks)] if asks else []), *(["-once"] if once else [])]
    ports = [{"containerPort": 8080}]
    return {"name": "app", "image": "localhost/traffic:1", "imagePullPolicy": "Never", "args": args, "ports": ports}


def _pod(
    app: str,
    *asks: str,
    once: bool = False,
    labels: Object | None = None,
    annotations: Object | None = None,
    **spec: Any,
) -> Object:
    return {
        "metadata": {"labels": {"app": app, **(labels or {})}, "annotations": annotations or {}},
        "spec": {"terminationGracePeriodSeconds": 1, "containers": [_container(*asks, once=once)], **spec},
    }


def _workload(kind: str, namespace: str, name: str, template: Object, **spec: Any) -> Object:
    body = {"selector": {"matchLabels": {"app": name}}, "template": template, **spec}
    return {**_object("apps/v1", kind, namespace, name), "spec": body}


def _service(namespace: str, name: str, *, selector: Object | None = None, port: int = 80, **spec: Any) -> Object:
    ports = [{"name": "http", "port": port, "targetPort": 8080}]
    return {
        **_object("v1", "Service", namespace, name),
        "spec": {"selector": selector or {"app": name}, "ports": ports, **spec},
    }
