"""Settings of the operator and of offline runs."""

from grapevine.settings.components import (
    CLOUD_METADATA,
    ElectionSettings,
    GraphSettings,
    IngestSettings,
    OperatorSettings,
    OwnerKindName,
    ReconcileSettings,
    ResolverSettings,
    ScopeSettings,
    TlsSettings,
)
from grapevine.settings.environment import operator_settings, parse_name, parse_owner_kind
from grapevine.settings.webhook import WebhookSettings

__all__ = [
    "CLOUD_METADATA",
    "ElectionSettings",
    "GraphSettings",
    "IngestSettings",
    "OperatorSettings",
    "OwnerKindName",
    "ReconcileSettings",
    "ResolverSettings",
    "ScopeSettings",
    "TlsSettings",
    "WebhookSettings",
    "operator_settings",
    "parse_name",
    "parse_owner_kind",
]
