"""What the word at the cursor may become: from argparse and from outside, in Cobra's protocol."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from grapevine.cli import main
from grapevine.cli.complete import FILES, NO_BLANK, NOTHING_ELSE, Answer, Lookup, complete
from grapevine.cli.complete_names import outside

COMMANDS = main._COMMANDS


class Cluster:
    """Names, and the flags with which they were asked for."""

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []
        self.names = ["prod", "staging", "$(rm -rf ~)", "of a colleague"]
        self.lookup = Lookup(self.contexts, self.namespaces, self.workloads)

    def contexts(self, given: Mapping[str, str]) -> Iterable[str]:
        self.asked.append(dict(given))
        return self.names

    def namespaces(self, given: Mapping[str, str]) -> Iterable[str]:
        self.asked.append(dict(given))
        return ["storefront", "orders", "ops"]

    def workloads(self, given: Mapping[str, str]) -> Iterable[str]:
        self.asked.append(dict(given))
        return ["orders/cart", "storefront/web"]


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


def answer(cluster: Cluster, line: str) -> Answer:
    words = line.split(" ")
    chosen = next((word for word in words[:-1] if word in COMMANDS), None)
    return complete(main._parser(chosen, main._load(chosen) if chosen else None), words, cluster.lookup)


def offered(cluster: Cluster, line: str) -> list[str]:
    return [word for word, _ in answer(cluster, line).candidates]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("vi", ["visualize"]),
        ("d", ["dns", "diff", "doctor"]),
        ("--v", ["--version"]),
        ("visualize --the", ["--theme"]),
        ("visualize --theme ", ["light", "dark"]),
        ("visualize --theme=d", ["--theme=dark"]),
        ("blast --down --dep", ["--depth"]),
        ("dns ", ["enable"]),
        ("dns enable --dry", ["--dry-run"]),
        ("advise tracing --to", ["--top"]),
        ("completion ", ["bash", "zsh", "fish"]),
        ("list -n o", ["orders", "ops"]),
        ("list --namespace=storefront,o", ["--namespace=storefront,orders", "--namespace=storefront,ops"]),
        ("list --context ", ["prod", "staging"]),
        ("blast storefront/", ["storefront/web"]),
        ("explain storefront/web ", ["orders/cart", "storefront/web"]),
        ("visualize --focus o", ["orders/cart"]),
        ("diff clu", ["cluster:", "cluster:prod", "cluster:staging"]),
        ("diff cluster:s", ["cluster:staging"]),
        ("diff intents/ cluster:p", ["cluster:prod"]),
        ("list --since ", []),
        ("nonsense ", []),
        ("list -- --th", []),
        ("map --nonsense=", []),
    ],
)
def test_offers_what_may_stand_there(cluster: Cluster, line: str, words: list[str]) -> None:
    assert [each for each in words if each in offered(cluster, line)] == words
    assert len(words) == len(offered(cluster, line)) or line == "--v"


@pytest.mark.parametrize(
    ("line", "directive"),
    [
        ("list -f ", FILES),
        ("convert ", FILES),
        ("diff ", FILES),
        ("list --since ", NOTHING_ELSE),
        ("diff cl", NOTHING_ELSE),
    ],
)
def test_says_what_else_the_shell_may_offer(cluster: Cluster, line: str, directive: int) -> None:
    assert directive == answer(cluster, line).directive


def test_cluster_alone_is_not_a_whole_word_yet(cluster: Cluster) -> None:
    cluster.names.clear()

    assert ["cluster:", f":{NO_BLANK}"] == answer(cluster, "diff clu").lines()


def test_every_flag_of_every_command_has_a_meaning(cluster: Cluster) -> None:
    for command in COMMANDS:
        shown = answer(cluster, f"{command} --")
        assert shown.candidates, command
        assert [] == [word for word, meaning in shown.candidates if not meaning], command
        assert [] == [line for line in shown.lines() if "\n" in line or "%(" in line], command


def test_asks_the_cluster_that_the_line_names(cluster: Cluster) -> None:
    offered(cluster, "blast --context staging --kubeconfig=k ")

    assert [{"--context": "staging", "--kubeconfig": "k"}] == cluster.asked


def test_of_files_no_cluster_is_asked(cluster: Cluster) -> None:
    assert [] == offered(cluster, "blast -f intents/ stor")
    assert [] == cluster.asked


def test_the_last_line_is_the_directive(cluster: Cluster) -> None:
    assert ["light", "dark", ":4"] == answer(cluster, "visualize --theme ").lines()
    assert ["enable\tprint the patch to the Corefile", ":4"] == answer(cluster, "dns en").lines()


def test_without_a_cluster_or_a_kubeconfig_nothing_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = {
        "contexts": [{"name": "prod", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}],
        "users": [{"name": "u", "user": {}}],
        "current-context": "prod",
    }
    good, bad = tmp_path / "good", tmp_path / "bad"
    good.write_text(json.dumps(config))
    bad.write_text("[")
    monkeypatch.setenv("KUBECONFIG", f"{bad}:{good}:{tmp_path / 'missing'}")

    assert ["prod"] == list(outside().contexts({}))
    assert 0 == main.main(["__complete", "list", "-n", ""])
    assert 0 == main.main(["__complete", "blast", "--kubeconfig", str(bad), ""])
    assert (":4\n:4\n", "") == tuple(capsys.readouterr())
