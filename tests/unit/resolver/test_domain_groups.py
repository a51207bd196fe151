"""Domains that are shown as one."""

import pytest
from tests.support.builders import DOMAIN, T0, a_service

from grapevine.model.errors import PermanentInputError
from grapevine.model.target import DomainDestination, InternetTarget, ServiceDestination
from grapevine.public_suffixes import registrable_domains
from grapevine.resolver.domain_groups import DomainGroups
from grapevine.resolver.index import ClusterIndex
from grapevine.settings import operator_settings

RULES = ("*.amazonaws.com", "*.s3.amazonaws.com", "*.s3.eu-west-1.amazonaws.com")


@pytest.mark.parametrize(
    ("domain", "expected"),
    [
        ("bucket.s3.amazonaws.com", "*.s3.amazonaws.com"),
        ("a.bucket.s3.amazonaws.com", "*.s3.amazonaws.com"),
        ("bucket.s3.eu-west-1.amazonaws.com", "*.s3.eu-west-1.amazonaws.com"),
        ("s3.eu-west-1.amazonaws.com", "*.amazonaws.com"),
        ("s3.amazonaws.com", "*.amazonaws.com"),
        ("*.bucket.s3.amazonaws.com", "*.s3.amazonaws.com"),
        ("*.s3.amazonaws.com", "*.s3.amazonaws.com"),
        ("amazonaws.com", "amazonaws.com"),
        ("notamazonaws.com", "notamazonaws.com"),
        ("api.example.com", "api.example.com"),
        ("redis", "redis"),
    ],
)
@pytest.mark.parametrize("rules", [RULES, RULES[::-1]])
def test_the_most_specific_rule_counts_in_whatever_order_they_stand(
    rules: tuple[str, ...], domain: str, expected: str
) -> None:
    assert DomainGroups(rules).group_of(domain) == expected


@pytest.mark.parametrize(
    ("domain", "expected"),
    [
        ("api.example.com", "*.example.com"),
        ("a.b.example.co.uk", "*.example.co.uk"),
        ("example.co.uk", "example.co.uk"),
        ("co.uk", "co.uk"),
        ("*.example.com", "*.example.com"),
        ("*.a.example.com", "*.example.com"),
        ("one.github.io", "one.github.io"),
        ("x.one.github.io", "*.one.github.io"),
        ("xn--bcher-kva.example.xn--p1ai", "*.example.xn--p1ai"),
        ("redis", "redis"),
        ("bucket.s3.amazonaws.com", "*.amazonaws.com"),
    ],
)
def test_what_no_rule_takes_is_grouped_by_who_registered_it(domain: str, expected: str) -> None:
    assert DomainGroups(("*.amazonaws.com",), registrable_domains()).group_of(domain) == expected


def test_a_group_is_the_target_of_a_name_and_of_an_external_name() -> None:
    index = ClusterIndex(DOMAIN, DomainGroups(("*.example.com",)).group_of)
    index.apply([a_service("mail", external_name="smtp.example.com")], T0)

    targets = [index.target_of(d) for d in (DomainDestination("api.example.com"), ServiceDestination("shop", "mail"))]

    assert targets == [InternetTarget("*.example.com")] * 2


def test_groups_are_settings() -> None:
    resolver = operator_settings({"GRAPEVINE_DOMAIN_RULES": "*.S3.amazonaws.com."}, group_by_suffix="1").resolver

    assert (resolver.domain_rules, resolver.groups_by_suffix) == (("*.s3.amazonaws.com",), True)
    assert (operator_settings({}).resolver.domain_rules, operator_settings({}).resolver.groups_by_suffix) == ((), False)
    assert operator_settings({"GRAPEVINE_MAX_DOMAINS": "7"}).graph.max_domains == 7


@pytest.mark.parametrize("rule", ["*", "example.com", "*.", "a.*.example.com", "*.exa mple.com"])
def test_a_rule_that_is_none_is_refused(rule: str) -> None:
    with pytest.raises(PermanentInputError, match="is no group: give it like"):
        operator_settings({"GRAPEVINE_DOMAIN_RULES": rule})
