"""docs/reference/openapi.yaml against the server, by schemathesis: any query, no 5xx, and answers as described."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import schemathesis
import schemathesis.specs.openapi.checks as openapi
from hypothesis import HealthCheck, given, settings
from tests.support.builders import a_workload
from tests.support.maps import HOSTILE, a_map, call, ref
from tests.support.web import FixedMap, an_api, served

from grapevine.insight.explain import Explanation, Verdict
from grapevine.model.account import Account
from grapevine.model.finding import Finding
from grapevine.view.servicemap import Link
from grapevine.web.api import ROUTES
from grapevine.web.graph import GraphAnswers

DESCRIPTION = Path(__file__).parents[2] / "docs" / "reference" / "openapi.yaml"
SCHEMA = schemathesis.openapi.from_path(DESCRIPTION)
OPERATIONS = {operation.ok().path: operation.ok() for operation in SCHEMA.get_all_operations()}
CHECKS = (
    schemathesis.checks.not_a_server_error,
    openapi.status_code_conformance,
    openapi.content_type_conformance,
    openapi.response_headers_conformance,
    openapi.response_schema_conformance,
)
"""Not that all that looks valid is accepted: `NAMESPACE/NAME` and the like are described in words."""
NAMES = [name.encode("utf-8", "replace").decode() for name in HOSTILE]


class SomeViews:
    """Answers what is not under test here."""

    def explain(self, namespace: str, name: str, kind: str, asked: str) -> Explanation:
        return Explanation(Verdict.NOT_SEEN, a_workload(name, namespace=namespace, kind=kind), asked)

    def findings(self) -> list[Finding]:
        return []

    def accounts(self) -> dict[str, Account]:
        return {}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    links = [call("shop/web", "shop/cart"), *(Link(ref("shop/web"), ref(name.replace("/", ""))) for name in NAMES)]
    maps = FixedMap(a_map(*links))
    maps.intents["shop", "Deployment", "web"] = "kind: ClientIntents\n"
    with served(lambda: an_api(SomeViews(), maps=maps)) as url:
        yield url


def test_every_path_is_described() -> None:
    assert {*ROUTES, *GraphAnswers(FixedMap()).routes()} == OPERATIONS.keys()


@pytest.mark.parametrize("path", OPERATIONS)
def test_any_query_is_answered_as_described(path: str, url: str) -> None:
    @given(case=OPERATIONS[path].as_strategy())
    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    def ask(case: schemathesis.Case) -> None:
        case.call_and_validate(base_url=url, checks=CHECKS)

    ask()
