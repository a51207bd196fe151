"""Which pods the map is about, and what of a cloud's metadata service is noise."""

import pytest
from tests.support.builders import DOMAIN, a_dial, a_pod, a_service, an_index, an_observation

from grapevine.model.errors import PermanentInputError
from grapevine.model.lookup import Lookup
from grapevine.model.observation import Observation
from grapevine.resolver.metadata import CloudMetadata
from grapevine.resolver.noise import Reason, Unresolved
from grapevine.resolver.records import PodRecord
from grapevine.resolver.resolve import Resolver
from grapevine.resolver.scope import Namespaces, is_pod_in
from grapevine.settings import CLOUD_METADATA, ResolverSettings, ScopeSettings, operator_settings


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        (ScopeSettings(), ["kube-system", "shop", "team-a", "team-b"]),
        (ScopeSettings(namespaces=("shop",)), ["shop"]),
        (ScopeSettings(namespaces=("team-*", "shop")), ["shop", "team-a", "team-b"]),
        (ScopeSettings(excluded_namespaces=("kube-*",)), ["shop", "team-a", "team-b"]),
        (ScopeSettings(namespaces=("team-*",), excluded_namespaces=("*-b",)), ["team-a"]),
        (ScopeSettings(excluded_namespaces=("*",)), []),
    ],
)
def test_namespaces_are_included_by_pattern_and_excluded_before_that(scope: ScopeSettings, expected: list[str]) -> None:
    namespaces = Namespaces(scope)

    for _ in range(2):
        assert [n for n in ("kube-system", "shop", "team-a", "team-b") if namespaces.holds(n)] == expected


@pytest.mark.parametrize(
    ("scope", "labels", "annotations", "expected"),
    [
        (ScopeSettings(), {}, {}, True),
        (ScopeSettings(), {}, {"grapevine.dev/ignore": "true"}, False),
        (ScopeSettings(), {}, {"grapevine.dev/ignore": "True"}, False),
        (ScopeSettings(), {}, {"grapevine.dev/ignore": "false"}, True),
        (ScopeSettings(ignore_annotation="x/y"), {}, {"grapevine.dev/ignore": "true"}, True),
        (ScopeSettings(ignore_annotation="x/y"), {}, {"x/y": "1"}, False),
        (ScopeSettings(labels=("app",)), {}, {}, False),
        (ScopeSettings(labels=("app",)), {"app": ""}, {}, True),
        (ScopeSettings(labels=("tier=web", "tier=db")), {"tier": "db"}, {}, True),
        (ScopeSettings(labels=("tier=web",)), {"tier": "db"}, {}, False),
        (ScopeSettings(excluded_labels=("team=infra",)), {"team": "infra"}, {}, False),
        (ScopeSettings(excluded_labels=("team=infra",)), {"team": "shop"}, {}, True),
        (ScopeSettings(labels=("app",), excluded_labels=("team",)), {"app": "a", "team": "b"}, {}, False),
    ],
)
def test_a_pods_own_metadata_leaves_it_in_or_out(
    scope: ScopeSettings, labels: dict[str, str], annotations: dict[str, str], expected: bool
) -> None:
    assert is_pod_in(scope, labels, annotations) is expected


def resolve(observation: Observation, pod: PodRecord, scope: ScopeSettings | None = None) -> object:
    index = an_index(pod, a_service("cart"), a_service("instance-data"))
    scope = scope or ScopeSettings()
    return Resolver(index, cluster_domain=DOMAIN, metadata=CLOUD_METADATA, scope=scope).resolve(observation)


@pytest.mark.parametrize(
    ("pod", "scope"),
    [
        (a_pod(is_excluded=True), None),
        (a_pod(), ScopeSettings(excluded_namespaces=("shop",))),
        (a_pod(), ScopeSettings(namespaces=("other",))),
    ],
)
@pytest.mark.parametrize("observation", [an_observation(), a_dial("192.0.2.1", 443)])
def test_what_an_excluded_pod_asks_or_dials_is_counted_and_no_edge(
    observation: Observation, pod: PodRecord, scope: ScopeSettings | None
) -> None:
    assert resolve(observation, pod, scope) == Unresolved(Reason.EXCLUDED)


@pytest.mark.parametrize(
    ("name", "rcode", "expected"),
    [
        ("metadata.google.internal", "NOERROR", True),
        ("metadata.google.internal", "NXDOMAIN", True),
        ("metadata.google.internal.shop.svc.cluster.local", "NXDOMAIN", True),
        ("metadata.google.internal.corp.example", "NXDOMAIN", True),
        ("instance-data", "NXDOMAIN", True),
        ("instance-data.cluster.local", "NXDOMAIN", True),
        ("instance-data.shop.svc.cluster.local", "NOERROR", False),
        ("instance-data.example.com", "NOERROR", False),
        ("notmetadata.google.internal", "NOERROR", False),
        ("google.internal", "NOERROR", False),
    ],
)
def test_a_clouds_metadata_name_is_noise_but_no_service_of_that_name(name: str, rcode: str, expected: bool) -> None:
    found = resolve(an_observation(name, rcode=rcode, answers=("192.0.2.7",) if rcode == "NOERROR" else ()), a_pod())

    assert (found == Unresolved(Reason.METADATA)) is expected
    assert isinstance(found, Lookup) is not expected


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("169.254.169.254", True),
        ("fd00:ec2::254", True),
        ("169.254.20.10", False),
        ("192.0.2.1", False),
        ("no address", False),
    ],
)
def test_a_clouds_metadata_address_is_noise(address: str, expected: bool) -> None:
    found = resolve(a_dial(address, 80), a_pod())

    assert (found == Unresolved(Reason.METADATA)) is expected


def test_what_counts_as_metadata_is_a_setting() -> None:
    own = CloudMetadata(("meta.example", "198.51.100.0/24"), DOMAIN)

    assert (own.is_name("meta.example"), own.is_name("metadata.google.internal")) == (True, False)
    assert (own.is_address("198.51.100.7"), own.is_address("169.254.169.254")) == (True, False)


def test_settings_come_from_the_environment_and_a_flag_wins() -> None:
    environ = {
        "GRAPEVINE_INCLUDE_NAMESPACES": "shop, team-*",
        "GRAPEVINE_EXCLUDE_NAMESPACES": "team-x",
        "GRAPEVINE_INCLUDE_LABELS": "app",
        "GRAPEVINE_EXCLUDE_LABELS": "team=infra",
        "GRAPEVINE_IGNORE_ANNOTATION": "example.com/hidden",
        "GRAPEVINE_METADATA": "Meta.example.,198.51.100.7",
    }

    resolver = operator_settings(environ, include_namespaces="other").resolver

    assert resolver.scope == ScopeSettings(("other",), ("team-x",), ("app",), ("team=infra",), "example.com/hidden")
    assert resolver.metadata == ("meta.example", "198.51.100.7")
    assert operator_settings({"GRAPEVINE_METADATA": "none"}).resolver.metadata == ()
    assert ResolverSettings().metadata == CLOUD_METADATA


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ({"include_namespaces": "Shop"}, "'Shop' is no pattern of a namespace"),
        ({"exclude_namespaces": "a b"}, "'a b' is no pattern of a namespace"),
        ({"exclude_labels": "=x"}, "'=x' is no label"),
        ({"metadata": "10.0.0.0/33"}, "metadata: '10.0.0.0/33'"),
    ],
)
def test_a_setting_that_cannot_be_meant_is_refused_by_name(flags: dict[str, str], says: str) -> None:
    with pytest.raises(PermanentInputError, match=says):
        operator_settings({}, allow_plain_http=False, **flags)
