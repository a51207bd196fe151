"""Text from outside, safe to show: names and labels are anybody's, and a terminal acts upon some characters."""

import unicodedata
from collections.abc import Container

_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Controls (escape sequences begin with one), formats (which turn the order of letters), lone halves, separators.

Source: Unicode Standard, "General Category".
"""


def visible(text: str, keep: Container[str] = "") -> str:
    r"""Return the text with every character that cannot be seen written as `\u001b`, but for those in `keep`.

    What is left is one line unless `keep` says otherwise. In JSON the result still means the same.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c in keep or unicodedata.category(c) not in _UNSEEN else _escape(c) for c in text)


def _escape(character: str) -> str:
    code = ord(character)
    if code < 0x1_0000:
        return f"\\u{code:04x}"
    return f"\\u{0xD800 + (code - 0x1_0000 >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"
