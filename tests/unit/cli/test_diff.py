"""`grapevine diff` on files: exit codes as diff(1) has them, and what it prints."""

import json
import shutil
from pathlib import Path

import pytest
import yaml
from tests.support.golden import GOLDEN, check_golden

from grapevine.cli.main import main

SHOP = GOLDEN / "shop"


@pytest.fixture
def changed(tmp_path: Path) -> Path:
    """The shop, with one workload gone, one new, and one that calls something else."""
    copy = tmp_path / "changed"
    shutil.copytree(SHOP, copy)
    (copy / "tools" / "debug.yaml").unlink()
    cart = yaml.safe_load((copy / "orders" / "cart.yaml").read_text())
    cart["metadata"]["name"] = cart["spec"]["workload"]["name"] = "basket"
    (copy / "orders" / "basket.yaml").write_text(yaml.safe_dump(cart))
    web = yaml.safe_load((copy / "storefront" / "web.yaml").read_text())
    web["spec"]["targets"] = [
        *web["spec"]["targets"][1:],
        {"internet": {"domains": ["api.example.org"], "ports": [443]}},
        {"kafka": {"name": "kafka.queues", "topics": [{"name": "orders", "operations": ["consume"]}]}},
    ]
    (copy / "storefront" / "web.yaml").write_text(yaml.safe_dump(web))
    return copy


def test_the_same_is_0_and_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == main(["diff", str(SHOP), str(SHOP)])

    printed = capsys.readouterr()
    assert ("", "") == (printed.out, printed.err)


def test_a_difference_is_1_and_says_what_in_the_words_of_the_resource(
    changed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 1 == main(["diff", str(SHOP), str(changed)])

    printed = capsys.readouterr().out.replace(str(changed), "after/").replace(str(SHOP), "before/")
    check_golden("cli/diff.txt", printed)


def test_for_a_script_it_is_json(changed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 1 == main(["diff", str(SHOP), str(changed), "-o", "json"])

    printed = capsys.readouterr().out.replace(str(changed), "after/").replace(str(SHOP), "before/")
    check_golden("cli/diff.json", printed)


@pytest.mark.parametrize(("flags", "code"), [(["-n", "batch"], 0), (["-n", "tools"], 1), (["--client", "cart"], 0)])
def test_compares_what_was_asked_for(flags: list[str], code: int, changed: Path) -> None:
    assert code == main(["diff", str(SHOP), str(changed), *flags])


def test_colours_are_for_a_terminal_or_on_demand(changed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["diff", str(SHOP), str(changed)])
    plain = capsys.readouterr().out
    main(["diff", str(SHOP), str(changed), "--color", "always"])
    coloured = capsys.readouterr().out

    assert "\x1b" not in plain
    assert "\x1b[32m  + internet" in coloured
    for code in ("\x1b[32m", "\x1b[31m", "\x1b[1m", "\x1b[0m"):
        coloured = coloured.replace(code, "")
    assert plain == coloured


def test_an_old_manifest_is_compared_by_what_it_means(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = {
        "apiVersion": "k8s.otterize.com/v1alpha3",
        "kind": "ClientIntents",
        "metadata": {"name": "cart", "namespace": "orders"},
        "spec": {
            "service": {"name": "cart", "kind": "Deployment"},
            "calls": [{"name": "redis", "kind": "StatefulSet"}],
        },
    }
    (tmp_path / "old.json").write_text(json.dumps(old))

    assert 0 == main(["diff", str(SHOP / "orders" / "cart.yaml"), str(tmp_path / "old.json")])
    assert "" == capsys.readouterr().err


def test_two_objects_of_one_workload_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cart = yaml.safe_load((SHOP / "orders" / "cart.yaml").read_text())
    other = {**cart, "metadata": {**cart["metadata"], "name": "cart-2"}}
    (tmp_path / "twice.json").write_text(json.dumps([cart, other]))

    assert 0 == main(["diff", str(SHOP / "orders" / "cart.yaml"), str(tmp_path / "twice.json")])
    assert "several objects about orders/cart count as one" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("places", "said"),
    [
        (["nowhere", str(SHOP)], "nowhere: there is no such file or directory"),
        (["-", "-"], "A and B: only one of them can be -"),
        ([str(SHOP), "cluster:", "--kubeconfig", "nowhere"], "kubeconfig nowhere cannot be used"),
    ],
)
def test_an_error_is_2(places: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert 2 == main(["diff", *places])
    assert capsys.readouterr().err.startswith(f"grapevine: {said}")
