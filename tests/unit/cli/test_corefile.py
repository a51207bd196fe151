"""A Corefile with dnstap, and nothing else changed."""

import pytest

from grapevine.cli.corefile import CorefileEdit, enable_dnstap
from grapevine.model.errors import PermanentInputError

ENDPOINT = "tcp://10.96.0.50:6000"

KUBEADM = """\
.:53 {
    errors
    health {
       lameduck 5s
    }
    kubernetes cluster.local in-addr.arpa ip6.arpa {
       pods insecure
       fallthrough in-addr.arpa ip6.arpa
    }
    forward . /etc/resolv.conf {
       max_concurrent 1000
    }
    cache 30
    reload
}
"""


def added(text: str) -> list[tuple[int, str]]:
    """Return the lines that are new, by number; fails where another line changed."""
    edit = enable_dnstap(text, ENDPOINT)
    lines, new = text.splitlines(), []
    for number, line in enumerate(edit.text.splitlines(), start=1):
        if lines and line == lines[0]:
            lines.pop(0)
        else:
            new.append((number, line))
    assert lines == []
    return new


def test_taps_the_block_of_a_usual_cluster() -> None:
    assert added(KUBEADM) == [(2, f"    dnstap {ENDPOINT} full")]


def test_doing_it_again_changes_nothing() -> None:
    once = enable_dnstap(KUBEADM, ENDPOINT).text
    assert enable_dnstap(once, ENDPOINT) == CorefileEdit(once, ())


def test_taps_every_server_block_for_one_answers_nothing_of_another() -> None:
    text = "example.org:53 {\n\tforward . 192.0.2.1\n}\n\n" + KUBEADM + "\nexample.net,\nexample.com:5353 {\n}\n"
    lines = [line for _, line in added(text)]
    assert lines == [f"\tdnstap {ENDPOINT} full", f"    dnstap {ENDPOINT} full", f"    dnstap {ENDPOINT} full"]


def test_leaves_other_sinks_alone() -> None:
    assert added(". {\n  dnstap /run/dnstap.sock\n}\n") == [(2, f"  dnstap {ENDPOINT} full")]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (f"dnstap {ENDPOINT}", f"dnstap {ENDPOINT} full"),
        (f"dnstap   {ENDPOINT} # not yet full", f"dnstap   {ENDPOINT} full # not yet full"),
        (f"dnstap {ENDPOINT} {{\n  identity me\n }}", f"dnstap {ENDPOINT} full {{\n  identity me\n }}"),
        (f"dnstap {ENDPOINT} full 1 4", f"dnstap {ENDPOINT} full 1 4"),
    ],
)
def test_makes_a_line_full_that_is_not(line: str, expected: str) -> None:
    assert enable_dnstap(f". {{\n {line}\n}}\n", ENDPOINT).text == f". {{\n {expected}\n}}\n"


def test_a_comment_or_a_quoted_brace_is_neither_line_nor_block() -> None:
    text = (
        f'# .:53 {{\n. {{ # the only one {{\n  # dnstap {ENDPOINT} full\n  log . "{{remote}} # {{\\"name\\"}} {{"\n}}\n'
    )
    assert added(text) == [(3, f"  dnstap {ENDPOINT} full")]


def test_looks_into_snippets_and_names_what_it_cannot_look_into() -> None:
    tapped = f"(tap) {{\n  dnstap {ENDPOINT} full\n}}\n(other) {{\n  errors\n}}\n"
    text = (
        tapped
        + ". {\n  import tap\n}\nexample.org {\n  import other\n  import custom/*.override\n}\nimport x/*.server\n"
    )
    edit = enable_dnstap(text, ENDPOINT)
    assert added(text) == [(11, f"  dnstap {ENDPOINT} full")]
    assert edit.imports == ("custom/*.override", "x/*.server")


def test_makes_the_line_of_a_snippet_full_once() -> None:
    text = f"(tap) {{\n  dnstap {ENDPOINT}\n}}\n. {{\n  import tap\n}}\nexample.org {{\n  import tap\n}}\n"
    assert enable_dnstap(text, ENDPOINT).text == text.replace(ENDPOINT, f"{ENDPOINT} full")


def test_a_snippet_that_imports_itself_ends() -> None:
    assert added("(a) {\n  import a\n}\n. {\n  import a\n}\n") == [(5, f"  dnstap {ENDPOINT} full")]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no server block"),
        ("(snippet) {\n}\n", "no server block"),
        (". {\n  errors\n", "block of line 1 is never closed"),
        (". {\n}\n}\n", "line 3 closes a block"),
    ],
)
def test_says_what_is_wrong_with_a_corefile(text: str, said: str) -> None:
    with pytest.raises(PermanentInputError, match=said):
        enable_dnstap(text, ENDPOINT)
