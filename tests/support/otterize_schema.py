"""The fields of Otterize's ClientIntents by version, after its public reference of the resource: no rule, no bound."""

from tests.support.api import Object

_TEXT: Object = {"type": "string"}
_HTTP_METHODS = ("GET", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "CONNECT")
_KAFKA = (
    "all",
    "consume",
    "produce",
    "create",
    "alter",
    "delete",
    "describe",
    "ClusterAction",
    "DescribeConfigs",
    "AlterConfigs",
    "IdempotentWrite",
)
_SQL = ("ALL", "SELECT", "INSERT", "UPDATE", "DELETE")


def _fields(*required: str, **of: Object) -> Object:
    return {"type": "object", "properties": of, **({"required": list(required)} if required else {})}


def _items(of: Object) -> Object:
    return {"type": "array", "items": of}


def _one_of(*values: str) -> Object:
    return {"type": "string", "enum": list(values)}


_TEXTS = _items(_TEXT)
_HTTP = _items(_fields("path", "methods", path=_TEXT, methods=_items(_one_of(*_HTTP_METHODS))))
_TOPICS = _items(_fields("name", "operations", name=_TEXT, operations=_items(_one_of(*_KAFKA))))
_DATABASES = _items(_fields("databaseName", databaseName=_TEXT, table=_TEXT, operations=_items(_one_of(*_SQL))))
_KEY_VAULT = _fields(
    certificatePermissions=_TEXTS, keyPermissions=_TEXTS, secretPermissions=_TEXTS, storagePermissions=_TEXTS
)
_INTERNET = _fields(domains=_TEXTS, ips=_TEXTS, ports=_items({"type": "integer"}))
_WORKLOAD = _fields("name", name=_TEXT, kind=_TEXT)
_TARGET = _fields(
    kubernetes=_fields("name", name=_TEXT, kind=_TEXT, http=_HTTP),
    service=_fields("name", name=_TEXT, http=_HTTP),
    kafka=_fields("name", name=_TEXT, topics=_TOPICS),
    sql=_fields("name", name=_TEXT, privileges=_DATABASES),
    aws=_fields(arn=_TEXT, actions=_TEXTS),
    gcp=_fields(resource=_TEXT, permissions=_TEXTS),
    azure=_fields(scope=_TEXT, roles=_TEXTS, actions=_TEXTS, dataActions=_TEXTS, keyVaultPolicy=_KEY_VAULT),
    internet=_INTERNET,
)
_OLD_CALL = {
    "name": _TEXT,
    "kind": _TEXT,
    "type": _one_of("http", "kafka", "database", "aws", "gcp", "azure", "internet"),
    "HTTPResources": _HTTP,
    "kafkaTopics": _TOPICS,
    "databaseResources": _DATABASES,
    "awsActions": _TEXTS,
    "gcpPermissions": _TEXTS,
    "azureRoles": _TEXTS,
    "azureKeyVaultPolicy": _KEY_VAULT,
    "internet": _INTERNET,
}
_FIRST_CALL = {
    "name": _TEXT,
    "type": _one_of("http", "kafka", "database"),
    "resources": _HTTP,
    "topics": _TOPICS,
    "databaseResources": _DATABASES,
}
_UP_TO_DATE: Object = {"type": "boolean"}
_STATUS = _fields(
    upToDate=_UP_TO_DATE,
    observedGeneration={"type": "integer", "format": "int64"},
    resolvedIPs=_items(_fields(dns=_TEXT, ips=_TEXTS)),
)


def _object(spec: Object, status: Object) -> Object:
    return _fields(apiVersion=_TEXT, kind=_TEXT, metadata={"type": "object"}, spec=spec, status=status)


_V2 = _object(_fields("workload", "targets", workload=_WORKLOAD, targets=_items(_TARGET)), _STATUS)


def _v1(call: Object, status: Object, service: Object = _WORKLOAD) -> Object:
    return _object(_fields("service", "calls", service=service, calls=_items(call)), status)


INTENTS_SCHEMAS: dict[str, Object] = {
    "v1alpha2": _v1(_fields("name", **_FIRST_CALL), _fields(upToDate=_UP_TO_DATE), _fields("name", name=_TEXT)),
    "v1alpha3": _v1(_fields(**_OLD_CALL), _STATUS),
    "v1beta1": _v1(_fields(**_OLD_CALL, azureActions=_TEXTS, azureDataActions=_TEXTS), _STATUS),
    "v2alpha1": _V2,
    "v2beta1": _V2,
}
"""`openAPIV3Schema` of each version; v2alpha1 and v2beta1 have one."""
