"""`grapevine diff` of snapshots, and of one with itself: which calls came, went, and are known by something else."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.support.golden import check_golden

from grapevine.cli.main import main
from grapevine.model.timestamp import format_ms, try_parse_ms

T0 = try_parse_ms("2026-03-01T00:00:00Z") or 0
HOUR, DAY = 3_600_000, 86_400_000


def target(name: str, kind: str = "Deployment") -> dict[str, Any]:
    return {"kubernetes": {"name": name, "kind": kind}} if "." not in name else {"internet": {"domains": [name]}}


def seen(name: str, first_ms: int, last_ms: int, *, state: str = "active", **fields: Any) -> dict[str, Any]:
    times = {"firstSeen": format_ms(T0 + first_ms), "lastSeen": format_ms(T0 + last_ms)}
    return {"target": target(name), "names": ["x"], "evidence": ["dns"], "count": 1, "state": state, **times, **fields}


def intents(name: str, *observed: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "k8s.otterize.com/v2beta1",
        "kind": "ClientIntents",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"workload": {"name": name, "kind": "Deployment"}, "targets": [each["target"] for each in observed]},
        "status": {"observed": list(observed)},
    }


def file_of(path: Path, *resources: dict[str, Any]) -> str:
    path.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": resources}))
    return str(path)


@pytest.fixture
def monday(tmp_path: Path) -> str:
    web = intents("web", seen("cart", 0, HOUR), seen("cdn.example.net", 0, HOUR), seen("old", 0, HOUR))
    return file_of(tmp_path / "monday.json", web, intents("cart", seen("redis", 0, HOUR)))


@pytest.fixture
def tuesday(tmp_path: Path) -> str:
    cart = seen("cart", 0, 20 * DAY, evidence=["connection", "dns"], ports=[8080], protocols=["TCP"])
    silent = seen("cdn.example.net", 0, HOUR, state="stale")
    web = intents("web", cart, silent, seen("pay", 19 * DAY, 20 * DAY))
    jobs = intents("jobs", seen("redis", 18 * DAY, 20 * DAY))
    return file_of(tmp_path / "tuesday.json", web, jobs, intents("cart", seen("redis", 0, HOUR, state="idle")))


def run(capsys: pytest.CaptureFixture[str], *words: str, code: int = 1) -> str:
    assert code == main(["diff", *words])
    return capsys.readouterr().out


def test_two_snapshots_differ_in_calls_and_what_they_were_seen_by(
    monday: str, tuesday: str, capsys: pytest.CaptureFixture[str]
) -> None:
    printed = run(capsys, monday, tuesday)

    check_golden("cli/diff-calls.txt", printed.replace(monday, "monday.json").replace(tuesday, "tuesday.json"))


def test_the_same_snapshot_is_0_and_says_nothing(tuesday: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "" == run(capsys, tuesday, tuesday, code=0)


def test_manifests_are_compared_where_one_side_has_seen_nothing(
    tuesday: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    declared = intents("web", seen("cart", 0, 1))
    del declared["status"]
    manifest = file_of(tmp_path / "declared.json", declared)

    assert "kubernetes: {name: pay, kind: Deployment}" in run(capsys, manifest, tuesday)
    assert "shop/pay (Deployment)   dns 75 %" in run(capsys, manifest, tuesday, "--compare", "calls")


def test_manifests_of_snapshots_are_compared_on_demand(
    monday: str, tuesday: str, capsys: pytest.CaptureFixture[str]
) -> None:
    printed = run(capsys, monday, tuesday, "--compare", "manifests", "-o", "json")

    assert {"jobs": "added", "web": "changed"} == {
        each["name"]: each["change"] for each in json.loads(printed)["workloads"]
    }


def test_since_a_moment_one_map_tells_what_came_and_what_went_silent(
    tuesday: str, capsys: pytest.CaptureFixture[str]
) -> None:
    check_golden("cli/diff-since.txt", run(capsys, "--since", "2026-03-02T00:00:00Z", "-f", tuesday))
    assert "" == run(capsys, "--since", "2026-03-21T00:00:00Z", "-f", tuesday, code=0)
    between = run(capsys, "--since", "2026-03-02T00:00:00Z", "--until", "2026-03-19T12:00:00Z", "-f", tuesday)
    assert "shop/pay" not in between
    assert "shop/jobs (Deployment): added" in between


def test_a_span_is_counted_from_now(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ago_ms = time.time_ns() // 1_000_000 - T0
    web = intents("web", seen("cart", ago_ms - 90 * DAY, ago_ms), seen("pay", ago_ms - 12 * HOUR, ago_ms))
    file = file_of(tmp_path / "now.json", web)

    assert "+ shop/pay (Deployment)" in run(capsys, "--since", "1d", "-f", file)
    assert "" == run(capsys, "--since", "6h", "-f", file, code=0)


def test_says_how_far_back_it_can_tell(tuesday: str, capsys: pytest.CaptureFixture[str]) -> None:
    main(["diff", "--since", "2026-02-01T00:00:00Z", "-f", tuesday])

    said = capsys.readouterr().err
    assert "the map begins at 2026-03-01T00:00:00Z: what was there before is told as new" in said
    assert "calls that went silent over 17.5 days ago may be forgotten" in said


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["-o", "name"], "shop/Deployment/jobs\nshop/Deployment/web\n"),
        (["-o", "name", "--client", "jobs"], "shop/Deployment/jobs\n"),
        (["-o", "name", "--server", "cdn.example.net"], "shop/Deployment/web\n"),
        (["-o", "name", "--exclude-services", "jobs,old,pay,cart"], "shop/Deployment/web\n"),
        (["-o", "name", "-n", "elsewhere"], ""),
    ],
)
def test_tells_what_was_asked_for(
    flags: list[str], expected: str, monday: str, tuesday: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert expected == run(capsys, monday, tuesday, *flags, code=1 if expected else 0)


def test_as_a_table_there_is_a_row_a_call(monday: str, tuesday: str, capsys: pytest.CaptureFixture[str]) -> None:
    table = run(capsys, monday, tuesday, "-o", "table")
    wide = run(capsys, monday, tuesday, "-o", "wide", "--no-headers")

    assert ["CHANGE", "NAMESPACE", "NAME", "KIND", "TARGET"] == table.split("\n")[0].split()
    assert 6 == len(table.splitlines())
    assert 5 == len(wide.splitlines())
    assert "evidence dns → connection+dns, ports none → 8080" in wide


def test_json_and_yaml_say_the_same(monday: str, tuesday: str, capsys: pytest.CaptureFixture[str]) -> None:
    in_json = json.loads(run(capsys, monday, tuesday, "-o", "json"))

    assert {"came": 2, "left": 2, "added": 2, "gone": 2, "changed": 1} == in_json["total"]
    assert ["evidence", "ports"] == in_json["changed"][0]["what"]
    assert in_json == yaml.safe_load(run(capsys, monday, tuesday, "-o", "yaml"))


def test_colours_are_on_demand(monday: str, tuesday: str, capsys: pytest.CaptureFixture[str]) -> None:
    coloured = run(capsys, monday, tuesday, "--color", "always")

    assert "\x1b[33m  ~ shop/cart" in coloured
    assert "\x1b" not in run(capsys, monday, tuesday)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "give two places to compare, or --since"),
        (["a.json"], "give two places to compare, or --since"),
        (
            ["--since", "yesterday"],
            "--since: 'yesterday' is no span of time: give one like 90s, 15m, 24h, 7d or 1h30m, or",
        ),
        (["--since", "24h", "a.json"], "--since compares one map with itself"),
        (["--since", "24h", "--compare", "manifests"], "they have no past"),
        (["--since", "1h", "--until", "2h"], "--until: is before --since"),
        (["--until", "1h", "a.json", "b.json"], "--until goes with --since"),
        (["-f", "a.json", "a.json", "b.json"], "-f goes with --since"),
    ],
)
def test_says_what_does_not_go_together(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert 2 == main(["diff", *words])
    assert said in capsys.readouterr().err
