"""Settings from `GRAPEVINE_*` environment variables and command-line flags; a flag wins."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace

from grapevine.model.errors import PermanentInputError
from grapevine.model.identity import ObjectName
from grapevine.model.write_policy import WritePolicy
from grapevine.settings.components import (
    DOMAIN,
    IGNORE_ANNOTATION,
    ElectionSettings,
    OperatorSettings,
    OwnerKindName,
    ReconcileSettings,
    ResolverSettings,
    ScopeSettings,
    TlsSettings,
)
from grapevine.settings.webhook import webhook_settings

_OWNER_KIND = re.compile(r"(?P<group>[a-z0-9.-]{1,253})/(?P<version>[a-z0-9]{1,63})/(?P<name>[A-Za-z0-9-]{1,63})")


def parse_address(text: str, what: str) -> tuple[str, int]:
    """Return host and port of `HOST:PORT`, `[V6]:PORT` or `:PORT` (every address).

    Raises:
        PermanentInputError: it is none of these; the text names `what` (a flag or a variable).
    """
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65_535:
        raise PermanentInputError(f"{what}: {text!r} is no address: give HOST:PORT, e.g. 127.0.0.1:8080")
    return host.strip("[]") or "0.0.0.0", int(port)  # noqa: S104 - asked for by leaving the host out


def parse_name(text: str, what: str) -> ObjectName:
    """Return the object named by `namespace/name`.

    Raises:
        PermanentInputError: it names none; the text names `what`.
    """
    namespace, _, name = text.strip().partition("/")
    if not DOMAIN.fullmatch(namespace) or not DOMAIN.fullmatch(name):
        raise PermanentInputError(f"{what}: {text!r} names no object: give NAMESPACE/NAME")
    return ObjectName(namespace, name)


def parse_owner_kind(text: str) -> OwnerKindName:
    """Return the kind named by `GROUP/VERSION/KIND`; the group without a name is `core`.

    Raises:
        PermanentInputError: it names none.
    """
    match = _OWNER_KIND.fullmatch(text.strip())
    if match is None:
        raise PermanentInputError(
            f"owner kinds: {text!r} names no kind: give GROUP/VERSION/KIND, like argoproj.io/v1alpha1/Rollout"
        )
    return OwnerKindName("" if match["group"] == "core" else match["group"], match["version"], match["name"])


def operator_settings(
    environ: Mapping[str, str], *, allow_plain_http: bool = False, resolv_conf: str = "", **flags: str | None
) -> OperatorSettings:
    """Join defaults, environment and flags; a flag that is None was not given.

    `resolv_conf` is the text of the process's own, whose search list tells the cluster's domain where no setting does.

    Flags: `kubeconfig`, `listen`, `tls_listen`, `health`, `api`, `api_tls_listen` (HOST:PORT), `leader_elect` (`on`,
    `off`), and those of `cli.map_arguments`.

    Raises:
        PermanentInputError: a value is not usable; the text names it.
    """
    given = {k: v for k, v in flags.items() if v is not None}

    def value(flag: str, variable: str) -> str | None:
        return given.get(flag) or environ.get(variable) or None

    allow_plain_http = allow_plain_http or environ.get("GRAPEVINE_ALLOW_PLAIN_HTTP", "").lower() in ("1", "true")
    settings = OperatorSettings(
        kubeconfig=value("kubeconfig", "GRAPEVINE_KUBECONFIG"), allow_plain_http=allow_plain_http
    )
    if listen := value("listen", "GRAPEVINE_LISTEN"):
        host, port = parse_address(listen, "--listen")
        settings = replace(settings, listen_host=host, listen_port=port)
    if health := value("health", "GRAPEVINE_HEALTH"):
        host, port = parse_address(health, "--health")
        settings = replace(settings, health_host=host, health_port=port)
    if api := value("api", "GRAPEVINE_API"):
        host, port = parse_address(api, "--api")
        settings = replace(settings, api_host=host, api_port=port)
    if stale_s := environ.get("GRAPEVINE_STALE_AFTER_S"):
        patience_ms = max(1_000 * _parse_count(stale_s, "GRAPEVINE_STALE_AFTER_S"), 1_000)
        settings = replace(settings, graph=replace(settings.graph, patience_ms=patience_ms))
    if learn_s := environ.get("GRAPEVINE_LEARN_S"):
        learning_ms = 1_000 * _parse_count(learn_s, "GRAPEVINE_LEARN_S")
        settings = replace(settings, graph=replace(settings.graph, learning_ms=learning_ms))
    if (events := environ.get("GRAPEVINE_EVENTS") or "on") not in ("on", "off"):
        raise PermanentInputError(f"GRAPEVINE_EVENTS: {events!r}: give on or off")
    settings = replace(settings, events=events == "on", webhook=webhook_settings(environ))
    resolver = _resolver_settings(environ, value, resolv_conf)
    if max_domains := value("max_domains", "GRAPEVINE_MAX_DOMAINS"):
        graph = replace(settings.graph, max_domains=_parse_count(max_domains, "--max-domains"))
        settings = replace(settings, graph=graph)
    tls = _tls_settings(
        environ,
        value("tls_listen", "GRAPEVINE_TLS_LISTEN"),
        value("api_tls_listen", "GRAPEVINE_API_TLS_LISTEN"),
        resolver,
    )
    election = _election_settings(environ, value("leader_elect", "GRAPEVINE_LEADER_ELECT"), tls)
    reconcile = _reconcile_settings(environ, settings.reconcile)
    return replace(settings, resolver=resolver, reconcile=reconcile, tls=tls, election=election)


def _resolver_settings(
    environ: Mapping[str, str], value: Callable[[str, str], str | None], resolv_conf: str
) -> ResolverSettings:
    resolver = ResolverSettings(scope=_scope_settings(environ, value))
    found = _domain_of(resolv_conf, environ.get("GRAPEVINE_NAMESPACE", ""))
    if domain := value("cluster_domain", "GRAPEVINE_CLUSTER_DOMAIN") or found:
        resolver = replace(resolver, cluster_domain=domain.strip(".").lower())
    if annotation := environ.get("GRAPEVINE_WORKLOAD_NAME_ANNOTATION"):
        resolver = replace(resolver, override_annotations=(annotation, *resolver.override_annotations))
    if kinds := value("owner_kinds", "GRAPEVINE_OWNER_KINDS"):
        resolver = replace(resolver, owner_kinds=tuple(parse_owner_kind(each) for each in _words(kinds)))
    if value("name_jobs_by_image", "GRAPEVINE_NAME_JOBS_BY_IMAGE") in ("1", "true"):
        resolver = replace(resolver, name_jobs_by_image=True)
    if settle_ms := environ.get("GRAPEVINE_SETTLE_MS"):
        resolver = replace(resolver, settle_ms=_parse_count(settle_ms, "GRAPEVINE_SETTLE_MS"))
    if park_ms := environ.get("GRAPEVINE_PARK_MS"):
        resolver = replace(resolver, park_ms=_parse_count(park_ms, "GRAPEVINE_PARK_MS"))
    if dns_servers := value("dns_servers", "GRAPEVINE_DNS_SERVERS"):
        resolver = replace(resolver, dns_servers=_words(dns_servers))
    if namespace := environ.get("GRAPEVINE_NAMESPACE"):
        resolver = replace(resolver, own_namespace=namespace)
    if rules := value("domain_rules", "GRAPEVINE_DOMAIN_RULES"):
        resolver = replace(resolver, domain_rules=tuple(word.lower().rstrip(".") for word in _words(rules)))
    if value("group_by_suffix", "GRAPEVINE_GROUP_BY_SUFFIX") in ("1", "true"):
        resolver = replace(resolver, groups_by_suffix=True)
    if metadata := value("metadata", "GRAPEVINE_METADATA"):
        words = () if metadata == "none" else tuple(word.lower().strip(".") for word in _words(metadata))
        resolver = replace(resolver, metadata=words)
    return resolver


def _domain_of(resolv_conf: str, namespace: str) -> str:
    """Return the domain in the search list that the kubelet gave a pod of that namespace; empty where it gave none.

    The kubelet writes `search <namespace>.svc.<domain> svc.<domain> <domain>` (Kubernetes: DNS for Services and Pods).
    """
    prefix = f"{namespace}.svc."
    for line in resolv_conf.splitlines():
        keyword, *suffixes = line.split() or [""]
        for suffix in suffixes if namespace and keyword == "search" else ():
            domain = suffix.removeprefix(prefix).rstrip(".").lower()
            if suffix.startswith(prefix) and DOMAIN.fullmatch(domain):
                return domain
    return ""


def _scope_settings(environ: Mapping[str, str], value: Callable[[str, str], str | None]) -> ScopeSettings:
    def words(flag: str) -> tuple[str, ...]:
        return _words(value(flag, f"GRAPEVINE_{flag.upper()}") or "")

    return ScopeSettings(
        namespaces=words("include_namespaces"),
        excluded_namespaces=words("exclude_namespaces"),
        labels=words("include_labels"),
        excluded_labels=words("exclude_labels"),
        ignore_annotation=environ.get("GRAPEVINE_IGNORE_ANNOTATION") or IGNORE_ANNOTATION,
    )


def _reconcile_settings(environ: Mapping[str, str], settings: ReconcileSettings) -> ReconcileSettings:
    if policy := environ.get("GRAPEVINE_WRITE_POLICY"):
        if policy not in list(WritePolicy):
            raise PermanentInputError(f"GRAPEVINE_WRITE_POLICY: {policy!r}: give {', '.join(WritePolicy)}")
        settings = replace(settings, policy=WritePolicy(policy))
    if grace_s := environ.get("GRAPEVINE_RECREATE_AFTER_S"):
        grace_ms = 1_000 * _parse_count(grace_s, "GRAPEVINE_RECREATE_AFTER_S")
        settings = replace(settings, recreate_after_ms=grace_ms)
    return settings


def _tls_settings(
    environ: Mapping[str, str], listen: str | None, api: str | None, resolver: ResolverSettings
) -> TlsSettings | None:
    """Return the TLS doors as asked for: with their Secret named there are some, without there can be none."""
    if not environ.get("GRAPEVINE_TLS_SECRET"):
        for given, flag in ((listen, "--tls-listen"), (api, "--api-tls-listen")):
            if given:
                raise PermanentInputError(f"{flag} needs a Secret for its key: GRAPEVINE_TLS_SECRET=NAMESPACE/NAME")
        return None
    secret = parse_name(environ["GRAPEVINE_TLS_SECRET"], "GRAPEVINE_TLS_SECRET")
    names = _words(environ.get("GRAPEVINE_TLS_NAMES", "")) or service_names(secret.namespace, resolver.cluster_domain)
    settings = TlsSettings(secret, names=names)
    if listen:
        host, port = parse_address(listen, "--tls-listen")
        settings = replace(settings, host=host, port=port)
    if api:
        settings = replace(settings, api=parse_address(api, "--api-tls-listen"))
    if configmaps := _words(environ.get("GRAPEVINE_CA_CONFIGMAP", "")):
        published = tuple(parse_name(each, "GRAPEVINE_CA_CONFIGMAP") for each in configmaps)
        settings = replace(settings, ca_configmaps=published)
    if accounts := _words(environ.get("GRAPEVINE_CAPTURE_SERVICE_ACCOUNTS", "")):
        named = tuple(parse_name(each, "GRAPEVINE_CAPTURE_SERVICE_ACCOUNTS") for each in accounts)
        settings = replace(settings, accounts=named)
    if lifetime_s := environ.get("GRAPEVINE_TLS_LIFETIME_S"):
        settings = replace(settings, lifetime_s=_parse_count(lifetime_s, "GRAPEVINE_TLS_LIFETIME_S"))
    return settings


def _election_settings(
    environ: Mapping[str, str], asked: str | None, tls: TlsSettings | None
) -> ElectionSettings | None:
    """Return the election as asked for: on where the manifests name the pod, off elsewhere."""
    pod, namespace = environ.get("GRAPEVINE_POD_NAME", ""), environ.get("GRAPEVINE_NAMESPACE", "")
    if asked not in (None, "on", "off"):
        raise PermanentInputError(f"--leader-elect {asked}: give on or off")
    if asked == "off" or (asked is None and not pod):
        return None
    for name, given in (("GRAPEVINE_POD_NAME", pod), ("GRAPEVINE_NAMESPACE", namespace)):
        if not given:
            raise PermanentInputError(f"--leader-elect on: {name} is not set; without it replicas cannot be told apart")
    ip = environ.get("GRAPEVINE_POD_IP", "")
    host = f"[{ip}]" if ":" in ip else ip
    return ElectionSettings(
        lease=ObjectName(namespace, "grapevine-operator"),
        pod=pod,
        uid=environ.get("GRAPEVINE_POD_UID", ""),
        address=f"{host}:{tls.port}" if tls and host else "",
    )


def service_names(namespace: str, cluster_domain: str, service: str = "grapevine-operator") -> tuple[str, ...]:
    """Return the names senders may know the operator's Service by."""
    full = f"{service}.{namespace}.svc"
    return (full, f"{full}.{cluster_domain}", f"{service}.{namespace}", service)


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _parse_count(text: str, what: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise PermanentInputError(f"{what}: {text!r} is no whole number")
    return int(text)
