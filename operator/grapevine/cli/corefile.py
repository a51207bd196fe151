"""A Corefile → the same with dnstap to one address in every server block. Pure; all else stays as it is, to the letter.

The Corefile's grammar is Caddy's (https://coredns.io/manual/configuration/): blocks `LABELS {` … `}`, a snippet is a
block labelled `(NAME)`, `#` begins a comment where a word may begin, words may be quoted. The order of a block's lines
means nothing to CoreDNS.
"""

import re
from dataclasses import dataclass

from grapevine.model.errors import PermanentInputError

_WORD = re.compile(r'"(?:\\.|[^"\\])*"|[^\s"]\S*')
_INDENT = "    "


@dataclass(frozen=True, slots=True)
class CorefileEdit:
    """What came of it."""

    text: str
    """The new Corefile; the old one where nothing is to be done."""
    imports: tuple[str, ...]
    """What is imported from elsewhere, in order of first use: nobody here can see what stands in it."""


@dataclass(frozen=True, slots=True)
class _Block:
    label: str
    first: int
    """Index of the line that opens it."""
    directives: tuple[tuple[int, tuple[str, ...]], ...]
    """Index and words of each line at the block's own level."""


def enable_dnstap(text: str, endpoint: str) -> CorefileEdit:
    """Return the Corefile with `dnstap ENDPOINT full` in each server block that has not got it.

    Each, because a block taps only what it answers itself, and a stub domain's clients are clients too. A line for the
    same endpoint that is not `full` becomes so; lines for other endpoints stay: CoreDNS takes several.

    Raises:
        PermanentInputError: braces that do not match, or no server block.
    """
    lines = text.splitlines(keepends=True)
    blocks = _parse_blocks(lines)
    snippets = {block.label[1:-1]: block for block in blocks if _is_snippet(block)}
    servers = [block for block in blocks if not _is_snippet(block)]
    if not servers:
        raise PermanentInputError("the Corefile has no server block: give one like `.:53 {` … `}`")
    imports = [words[1] for words in map(_words, lines) if words[:1] == ["import"] and len(words) > 1]
    replaced: dict[int, str] = {}
    for block in servers:
        at, words = _try_find_dnstap(block, snippets, endpoint)
        if at is None:
            replaced[block.first] = lines[block.first] + f"{_indent(lines, block)}dnstap {endpoint} full\n"
        elif words[2:3] != ("full",):
            replaced[at] = re.sub(rf"(dnstap\s+{re.escape(endpoint)})(?!\S)", r"\1 full", lines[at], count=1)
    return CorefileEdit(
        text="".join(replaced.get(index, line) for index, line in enumerate(lines)),
        imports=tuple(dict.fromkeys(name for name in imports if name not in snippets)),
    )


def _try_find_dnstap(
    block: _Block, snippets: dict[str, _Block], endpoint: str, depth: int = 0
) -> tuple[int | None, tuple[str, ...]]:
    """Return where a block, or a snippet it imports, taps to the endpoint, and the words of that line."""
    for index, words in block.directives:
        if words[0] == "dnstap" and words[1:2] == (endpoint,):
            return index, words
        if words[0] == "import" and words[1:] and words[1] in snippets and depth < len(snippets):
            at, found = _try_find_dnstap(snippets[words[1]], snippets, endpoint, depth + 1)
            if at is not None:
                return at, found
    return None, ()


def _parse_blocks(lines: list[str]) -> list[_Block]:
    blocks: list[_Block] = []
    labels: list[str] = []
    directives: list[tuple[int, tuple[str, ...]]] = []
    first = depth = 0
    for index, line in enumerate(lines):
        words = _words(line)
        if not words:
            continue
        opens, closes = words[-1] == "{", words[0] == "}"
        if depth == 1 and not closes:
            directives.append((index, tuple(words)))
        elif depth == 0 and opens:
            labels += words[:-1]
            first, directives = index, []
        elif depth == 0 and words[0] != "import":
            labels += words  # labels may stand on lines of their own, each but the last with a comma
        depth += opens - closes
        if depth < 0:
            raise PermanentInputError(f"the Corefile's line {index + 1} closes a block that none opens")
        if closes and depth == 0:
            blocks.append(_Block(" ".join(labels), first, tuple(directives)))
            labels = []
    if depth:
        raise PermanentInputError(f"the Corefile's block of line {first + 1} is never closed")
    return blocks


def _words(line: str) -> list[str]:
    """Return the words of a line without its comment."""
    words = []
    for word in _WORD.findall(line):
        if word.startswith("#"):
            break
        words.append(word)
    return words


def _is_snippet(block: _Block) -> bool:
    return block.label.startswith("(") and block.label.endswith(")")


def _indent(lines: list[str], block: _Block) -> str:
    """Return the indentation of the block's first line."""
    if not block.directives:
        return _INDENT
    line = lines[block.directives[0][0]]
    return line[: len(line) - len(line.lstrip())]
