"""The past as the operator tells it, and as the objects in the cluster do, which a restart begins with."""

import json
import urllib.request
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from tests.support.processes import Operator, run_grapevine

from grapevine.model.timestamp import format_ms

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


def ask(operator: Operator, path: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"{operator.api_url}/api/v1/{path}", timeout=30) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


def grapevine(operator: Operator, code: int, *words: str) -> dict[str, Any]:
    done = run_grapevine(*words, "-o", "json", f"--kubeconfig={operator.kubeconfig}")
    assert done.returncode == code, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def ends(links: Iterable[dict[str, Any]]) -> set[tuple[str, str]]:
    return {(link["client"], link["target"]) for link in links}


def test_operator_and_objects_tell_the_same_of_the_past(heard_shop: Operator) -> None:
    calls = [link for link in ask(heard_shop, "edges")["links"] if link["relation"] == "calls"]
    firsts = sorted(link["first_ms"] for link in calls)
    since_ms = firsts[len(firsts) // 2]

    told = ask(heard_shop, f"diff?since={since_ms}")
    listed = grapevine(heard_shop, 1, "diff", "--since", format_ms(since_ms))

    later = {(link["client"], link["target"]) for link in calls if link["first_ms"] > since_ms}
    assert later
    assert later == {each for each in ends(told["added"]) if each in ends(calls)}
    assert (ends(told["added"]), told["came"]) == (ends(listed["added"]), listed["came"])
    assert (told["gone"], listed["gone"], told["changed"]) == ([], [], [])
    assert 0 == ask(heard_shop, f"diff?since={firsts[-1]}")["total"]["added"]


def test_a_snapshot_of_a_cluster_is_the_cluster(heard_shop: Operator, tmp_path: Path) -> None:
    file = tmp_path / "now.json"
    done = run_grapevine("snapshot", "-o", file, f"--kubeconfig={heard_shop.kubeconfig}")
    assert done.returncode == 0, done.stderr

    found = grapevine(heard_shop, 0, "diff", str(file), "cluster:")

    assert {0} == set(found["total"].values())
