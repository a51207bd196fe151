"""`grapevine merge`: each cluster's workloads apart, joined where a person says so, and read by the other commands."""

import json
from pathlib import Path
from typing import Any

import pytest

from grapevine.cli.main import main

SEEN = {"firstSeen": "2026-01-01T00:00:00Z", "lastSeen": "2026-01-02T00:00:00Z", "count": 2, "names": ["x"]}


def seen(target: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"target": target, "evidence": ["dns"], "state": "active", **SEEN, **more}


def snapshot(path: Path, **observed: list[dict[str, Any]]) -> str:
    items = [
        {
            "apiVersion": "k8s.otterize.com/v2beta1",
            "kind": "ClientIntents",
            "metadata": {"name": name, "namespace": "shop"},
            "spec": {"workload": {"name": name, "kind": "Deployment"}, "targets": [each["target"] for each in seen_]},
            "status": {"observed": seen_},
        }
        for name, seen_ in observed.items()
    ]
    path.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    return str(path)


@pytest.fixture
def clusters(tmp_path: Path) -> list[str]:
    cart = {"kubernetes": {"name": "cart", "kind": "Deployment"}}
    pay = seen({"service": {"name": "pay.money"}}, owners=[{"name": "v1.money", "kind": "Deployment"}])
    shop = {"internet": {"domains": ["shop.example.com"]}}
    eu = snapshot(tmp_path / "eu.json", web=[seen(cart), pay])
    us = snapshot(tmp_path / "us.json", web=[seen(cart), seen(shop)])
    return [f"eu={eu}", f"us={us}"]


def merged(clusters: list[str], tmp_path: Path, *flags: str) -> str:
    file = tmp_path / "merged.json"
    assert 0 == main(["merge", *clusters, "-o", str(file), *flags])
    return str(file)


def lines(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    capsys.readouterr()
    main(list(words))
    return capsys.readouterr().out.splitlines()


def test_each_cluster_keeps_its_own_workloads(
    clusters: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = merged(clusters, tmp_path)

    assert [
        "web in namespace eu:shop calls:",
        "  - cart in namespace eu:shop",
        "  - pay in namespace eu:money",
        "web in namespace us:shop calls:",
        "  - cart in namespace us:shop",
        "  - shop.example.com outside the cluster",
    ] == lines(capsys, "list", "-f", file)
    assert ["eu", "us"] == [
        each["metadata"]["labels"]["grapevine.dev/cluster"] for each in json.loads(Path(file).read_text())["items"]
    ]
    who = lines(capsys, "blast", "eu:money/Deployment/v1", "--down", "-o", "name", "-f", file)
    assert ["eu:shop/Deployment/web"] == who
    reached = lines(capsys, "blast", "us:shop/web", "--compromised", "-o", "name", "-f", file)
    assert ["/Domain/shop.example.com", "us:shop/Deployment/cart"] == reached


def test_a_name_outside_is_another_cluster_s_workload_where_a_person_says_so(
    clusters: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = merged(clusters, tmp_path, "--join", "shop.example.com=eu:shop/Deployment/web")

    reached = lines(capsys, "blast", "us:shop/web", "--compromised", "-o", "name", "-f", file)
    assert {"us:shop/Deployment/cart", "eu:shop/Deployment/web", "eu:shop/Deployment/cart"} < set(reached)
    assert 0 == main(["visualize", "-f", file, "-n", "us:shop", "-o", str(tmp_path / "map.svg")])
    assert 0 == main(["spof", "-f", file])
    apart = tmp_path / "apart"
    apart.mkdir()
    assert ["us:shop/Deployment/web"] == lines(capsys, "diff", merged(clusters, apart), file, "-o", "name")


def test_what_nothing_calls_joins_nothing(
    clusters: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    merged(clusters, tmp_path, "--join", "other.example.com=eu:shop/Deployment/web")

    assert "--join: nothing calls other.example.com" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["eu.json"], "'eu.json' names no cluster: give NAME=FILE"),
        (["a.b=x.json"], "'a.b=x.json' names no cluster"),
        (["eu=x.json", "eu=y.json"], "'eu' is given twice"),
        (["eu=x.json", "--join", "shop.example.com=eu:web"], "joins nothing: give DOMAIN=CLUSTER:NAMESPACE/KIND/NAME"),
        (["eu=x.json", "--join", "a.b=us:x/Deployment/y"], "'us' is not merged: give one of eu"),
        (["eu=nowhere.json"], "nowhere.json: there is no such file or directory"),
    ],
)
def test_says_what_is_wrong(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert 2 == main(["merge", *words])
    assert said in capsys.readouterr().err
