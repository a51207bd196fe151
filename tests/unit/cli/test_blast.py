"""`grapevine blast`, `spof` and `advise tracing`, on files."""

import json
from pathlib import Path

import pytest
import yaml
from tests.support.golden import check_golden

from grapevine.cli.main import main

SEEN = {"firstSeen": "2026-01-01T00:00:00Z", "lastSeen": "2026-01-02T00:00:00Z", "count": 2, "names": ["x"]}
CALLS = {
    "front/web": [("orders/cart", ["connection", "dns"]), ("cdn\u202e.example.net", ["dns"])],
    "batch/report": [("orders/cart", ["dns"])],
    "orders/cart": [("orders/redis", ["connection"]), ("pay/svc", ["dns"])],
    "pay/v1": [("bank.example.com", ["dns"])],
}


@pytest.fixture
def shop(tmp_path: Path) -> str:
    items = []
    for client, targets in CALLS.items():
        namespace, name = client.split("/")
        items.append(
            {
                "apiVersion": "k8s.otterize.com/v2beta1",
                "kind": "ClientIntents",
                "metadata": {"name": name, "namespace": namespace},
                "spec": {"workload": {"name": name, "kind": "Deployment"}, "targets": []},
                "status": {"observed": [observed(target, evidence) for target, evidence in targets]},
            }
        )
    file = tmp_path / "shop.json"
    file.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    return str(file)


def observed(target: str, evidence: list[str]) -> dict[str, object]:
    namespace, _, name = target.rpartition("/")
    found: dict[str, object] = {"evidence": evidence, "state": "active", **SEEN}
    if not namespace:
        return found | {"target": {"internet": {"domains": [target]}}}
    if name == "svc":
        owners = [{"name": f"{each}.pay", "kind": "Deployment"} for each in ("v1", "v2")]
        return found | {"target": {"service": {"name": "svc.pay"}}, "owners": owners}
    return found | {"target": {"kubernetes": {"name": f"{name}.{namespace}", "kind": "Deployment"}}}


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert 0 == main(list(words))
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("blast-both", ["blast", "orders/cart"]),
        ("blast-down", ["blast", "v1.pay", "--down"]),
        ("blast-outside", ["blast", "bank.example.com", "--down"]),
        ("blast-near", ["blast", "front/web", "--compromised", "--depth", "1", "--min-confidence", "75"]),
        ("spof", ["spof"]),
        ("advise-tracing", ["advise", "tracing"]),
    ],
)
def test_prints_chains_and_ranks(name: str, words: list[str], shop: str, capsys: pytest.CaptureFixture[str]) -> None:
    check_golden(f"cli/{name}.txt", printed(capsys, *words, "-f", shop))


def test_json_has_every_link_of_a_chain(shop: str, capsys: pytest.CaptureFixture[str]) -> None:
    (down,) = json.loads(printed(capsys, "blast", "pay/v1", "--down", "-f", shop, "-o", "json"))

    assert ("down", "pay/Deployment/v1", []) == (down["cause"], down["root"]["id"], down["circle"])
    nearest = down["reached"][0]
    assert ("orders/Deployment/cart", 75.0, 1, True) == tuple(
        nearest[key] for key in ("id", "sure", "calls", "partial")
    )
    assert ["calls", "behind"] == [link["relation"] for link in nearest["chain"]]
    assert ["dns"] == nearest["chain"][0]["evidence"]


def test_rankings_are_cut_and_can_be_json(shop: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert 1 == len(json.loads(printed(capsys, "spof", "-f", shop, "--top", "1", "-o", "json")))
    assert 2 == len(
        json.loads(printed(capsys, "spof", "-f", shop, "--top", "0", "--min-confidence", "90", "-o", "json"))
    )
    steps = json.loads(printed(capsys, "advise", "tracing", "-f", shop, "-o", "json"))
    assert 100.0 == steps[-1]["shows"]


@pytest.mark.parametrize(
    ("words", "first"),
    [
        (["spof"], ["3", "1", "3", "Deployment", "orders/redis"]),
        (["advise", "tracing"], ["67", "%", "4", "2", "2"]),
        (["blast", "orders/redis", "--down"], ["down", "90", "%", "1", "Deployment", "orders/cart"]),
    ],
)
def test_comes_in_every_form_that_kubectl_has(
    words: list[str], first: list[str], shop: str, capsys: pytest.CaptureFixture[str]
) -> None:
    table = printed(capsys, *words, "-f", shop, "-o", "table", "--no-headers")
    wide = printed(capsys, *words, "-f", shop, "-o", "wide")
    names = printed(capsys, *words, "-f", shop, "-o", "name").splitlines()

    assert first == table.split()[: len(first)]
    assert len(wide.splitlines()) == len(table.splitlines()) + 1
    assert all(len(longer) > len(row) for longer, row in zip(wide.splitlines()[1:], table.splitlines(), strict=True))
    assert len(table.splitlines()) == len(names)
    assert all(name.split("/")[-1] in row for name, row in zip(names, table.splitlines(), strict=True))
    in_json = json.loads(printed(capsys, *words, "-f", shop, "-o", "json"))
    assert in_json == yaml.safe_load(printed(capsys, *words, "-f", shop, "-o", "yaml"))


def test_a_ranking_of_nothing_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nothing = tmp_path / "nothing.json"
    nothing.write_text('{"apiVersion": "v1", "kind": "List", "items": []}')

    assert 0 == main(["spof", "-f", str(nothing)])
    said = capsys.readouterr()
    assert "" == said.out
    assert "No connections found." in said.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["blast", "nobody"], "nothing in the map is called 'nobody'"),
        (["blast", "a/b/c/d"], "WORKLOAD: 'a/b/c/d' names no workload"),
        (["blast", "front/web", "--depth", "0"], "--depth: 0 is not between 1 and 100: leave it out for as far as"),
        (["spof", "--top", "-1"], "--top: -1 is less than nothing: give how many are wanted, or 0 for all"),
        (["spof", "--min-confidence", "101"], "--min-confidence: 101 is no percent: give 0 to 100"),
    ],
)
def test_says_what_is_wrong(words: list[str], said: str, shop: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert 2 == main([*words, "-f", shop])
    assert said in capsys.readouterr().err
