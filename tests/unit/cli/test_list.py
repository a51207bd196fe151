"""`grapevine list` on files: the forms, what is selected, and text that is not what it looks like."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.support.golden import GOLDEN, check_golden
from tests.support.objects import SHOP

from grapevine.cli.main import main

OTTERIZE = SHOP.parent / "otterize"
SHOP_FILES = str(GOLDEN / "shop")


def listed(capsys: pytest.CaptureFixture[str], *flags: str) -> str:
    assert 0 == main(["list", *flags])
    return capsys.readouterr().out


def intents(name: str, *targets: dict[str, Any], **status: Any) -> dict[str, Any]:
    return {
        "apiVersion": "k8s.otterize.com/v2beta1",
        "kind": "ClientIntents",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"workload": {"name": name}, "targets": list(targets)},
        "status": status,
    }


def file_of(tmp_path: Path, *resources: dict[str, Any]) -> str:
    file = tmp_path / "intents.json"
    file.write_text(json.dumps(list(resources)))
    return str(file)


def test_prints_the_shop_in_the_reference_s_form(capsys: pytest.CaptureFixture[str]) -> None:
    check_golden("cli/list.txt", listed(capsys, "-f", SHOP_FILES))


@pytest.mark.parametrize("version", ["v2beta1", "v1alpha3"])
def test_prints_every_type_of_target(version: str, capsys: pytest.CaptureFixture[str]) -> None:
    file = OTTERIZE / f"clientintents-{version}.yaml"

    check_golden(f"cli/list-{version}.txt", listed(capsys, "-f", str(file), "-n", "shop"))


@pytest.mark.parametrize(
    ("flags", "clients"),
    [
        (["-n", "orders"], ["cart", "checkout"]),
        (["-n", "orders,tools", "--client", "debug"], ["debug"]),
        (["-n", "orders", "-n", "batch", "--client", "report"], ["report"]),
        (["--client", "storefront/web"], ["web"]),
        (["--client", "web.storefront"], ["web"]),
        (["--client", "storefront/DaemonSet/web"], []),
        (["--server", "redis.orders"], ["cart", "migrate", "worker"]),
        (["--server", "orders/StatefulSet/redis", "-n", "batch"], ["migrate", "worker"]),
        (["--server", "cdn.example.net"], ["web"]),
        (["--server", "CDN.example.net."], ["web"]),
        (["--server", "redis", "--exclude-services", "cart,worker"], ["migrate"]),
        (["--server", "nobody"], []),
    ],
)
def test_selects_clients_and_targets(flags: list[str], clients: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    printed = listed(capsys, "-f", SHOP_FILES, *flags)

    assert clients == sorted(line.split()[0] for line in printed.splitlines() if line.endswith(" calls:"))


def test_a_server_s_callers_are_shown_with_that_call_alone(capsys: pytest.CaptureFixture[str]) -> None:
    printed = listed(capsys, "-f", SHOP_FILES, "--server", "cdn.example.net")

    assert "web in namespace storefront calls:\n  - cdn.example.net outside the cluster\n" == printed


SEEN = {"evidence": ["dns"], "names": ["x"], "firstSeen": "2020-01-01T00:00:00Z", "count": 1, "state": "active"}
OLD = {**SEEN, "lastSeen": "2020-01-02T00:00:00Z", "target": {"service": {"name": "old"}}}
NEW = {**SEEN, "lastSeen": "2999-01-01T00:00:00Z", "target": {"service": {"name": "new"}}}
DEAD = {**SEEN, "lastSeen": "2999-01-01T00:00:00Z", "state": "dead"}


def test_what_was_observed_counts_and_not_what_is_declared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = file_of(tmp_path, intents("web", {"service": {"name": "declared"}}, observed=[OLD, NEW, DEAD]))

    expected = "web in namespace shop calls:\n  - old in namespace shop\n  - new in namespace shop\n"
    assert expected == listed(capsys, "-f", file)


def test_since_leaves_out_what_was_not_seen_and_says_what_it_cannot_tell(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = file_of(tmp_path, intents("web", observed=[OLD, NEW]), intents("undated", {"service": {"name": "a"}}))

    assert 0 == main(["list", "-f", file, "--since", "1h30m"])

    printed = capsys.readouterr()
    assert "web in namespace shop calls:\n  - new in namespace shop\n" == printed.out
    assert "--since leaves out 1 objects whose status does not say when" in printed.err


def test_prints_tables_as_kubectl_does(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ready = {"type": "Ready", "status": "True", "reason": "Declared"}
    summary = {"targets": 3, "undeclared": 1, "unused": 2, "dead": 0}
    file = file_of(tmp_path, intents("web", mode="Observe", summary=summary, conditions=[ready]))

    assert ["shop", "web", "web", "3", "1", "Observe", "True"] == (
        listed(capsys, "-f", file, "-o", "table", "--no-headers").split()
    )
    head, row = listed(capsys, "-f", file, "-o", "wide").splitlines()
    assert ["UNUSED", "DEAD", "REASON"] == head.split()[-3:]
    assert ["2", "0", "Declared"] == row.split()[-3:]


def test_prints_whole_objects_that_kubectl_and_list_itself_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = file_of(tmp_path, intents("web", {"service": {"name": "a"}}, mode="Observe"))

    for form, read in (("json", json.loads), ("yaml", yaml.safe_load)):
        printed = listed(capsys, "-f", file, "-o", form)
        content = read(printed)
        assert ("v1", "List", ["Observe"]) == (
            content["apiVersion"],
            content["kind"],
            [each["status"]["mode"] for each in content["items"]],
        )
        again = tmp_path / f"again.{form}"
        again.write_text(printed)
        assert printed == listed(capsys, "-f", str(again), "-o", form)


def test_prints_names(capsys: pytest.CaptureFixture[str]) -> None:
    printed = listed(capsys, "-f", SHOP_FILES, "-n", "orders", "-o", "name")

    assert "clientintents.k8s.otterize.com/cart\nclientintents.k8s.otterize.com/checkout\n" == printed


HOSTILE = "\x1b]0;owned\x07\x9b31m\u202egnp"


@pytest.mark.parametrize("form", ["text", "table", "wide", "json", "yaml", "name"])
def test_no_character_of_a_name_reaches_the_terminal_as_a_command(
    form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    members = [
        {member: {key: HOSTILE}}
        for member, key in (
            ("kubernetes", "name"), ("service", "name"), ("sql", "name"), ("aws", "arn"), ("gcp", "resource"),
        )
    ]  # fmt: skip
    http = {"kubernetes": {"name": "a", "http": [{"path": HOSTILE, "methods": [HOSTILE]}]}}
    kafka = {"kafka": {"name": "k", "topics": [{"name": HOSTILE, "operations": [HOSTILE]}]}}
    internet = {"internet": {"domains": [HOSTILE], "ips": [HOSTILE]}}
    resource = intents(HOSTILE, *members, http, kafka, internet)
    resource["spec"]["workload"]["kind"] = HOSTILE
    resource["metadata"] |= {"namespace": HOSTILE, "annotations": {"a": HOSTILE}}
    dressed = {**resource, "status": {"mode": HOSTILE, "summary": {"targets": HOSTILE}, "conditions": [HOSTILE]}}

    for each in (resource, dressed):
        assert 0 == main(["list", "-f", file_of(tmp_path, each), "-o", form])

        printed = capsys.readouterr()
        for text in (printed.out, printed.err):
            assert text.replace("\n", "").isprintable()
        assert "owned" in printed.out


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["-f", "nowhere"], "nowhere: there is no such file or directory"),
        (["-f", SHOP_FILES, "-n", "a", "-A"], "-n and -A: give one of them"),
        (["-f", SHOP_FILES, "-n", "a/b"], "-n: 'a/b' is no name of a namespace"),
        (["-f", SHOP_FILES, "-l", "a=b"], "-l selects in a cluster"),
        (["-f", SHOP_FILES, "--since", "yesterday"], "--since: 'yesterday' is no span of time"),
        (["-f", SHOP_FILES, "--client", "a//b"], "--client: 'a//b' names no workload"),
        (["-f", SHOP_FILES, "--server", "a/b/c/d"], "--server: 'a/b/c/d' names no workload"),
        (["--kubeconfig", "nowhere"], "kubeconfig nowhere cannot be used: there is no such file"),
    ],
)
def test_wrong_input_is_one_line_that_says_what_to_do(
    flags: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 2 == main(["list", *flags])

    printed = capsys.readouterr()
    assert printed.err.startswith(f"grapevine: {said}")
    assert ("", 1) == (printed.out, printed.err.count("\n"))


def test_nothing_found_is_said_and_is_no_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "other.yaml").write_text("kind: ConfigMap\n")

    assert 0 == main(["list", "-f", str(tmp_path), "-o", "table"])

    printed = capsys.readouterr()
    assert "" == printed.out
    assert f"grapevine: {tmp_path}: no ClientIntents in it\ngrapevine: No connections found.\n" == printed.err


def test_a_file_cannot_be_watched(capsys: pytest.CaptureFixture[str]) -> None:
    assert 2 == main(["list", "--watch", "-f", SHOP_FILES])
    assert "--watch follows a cluster, and -f names a file" in capsys.readouterr().err
