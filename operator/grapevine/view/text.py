"""Names as text in a picture: how wide they are, cut to fit, and without what would act on whoever shows them.

Widths are those of DejaVu Sans, the widest of the usual sans-serif faces, so that text fits in every other.
"""

import re
from functools import lru_cache

from grapevine.model.visible import visible

_NARROW = {
    **dict.fromkeys("ijl'|", 0.28), **dict.fromkeys(".,:; !I", 0.34), **dict.fromkeys("()[]{}/\\-ft", 0.39),
    **dict.fromkeys("rJ", 0.41), **dict.fromkeys("sz\"", 0.53), **dict.fromkeys("ckvxy*_?", 0.59),
    **dict.fromkeys("mMW%@", 0.98), **dict.fromkeys("w+<>=~#&", 0.84),
    **dict.fromkeys("ACDGHNOQUVKRX", 0.76),
}  # fmt: skip
_USUAL = 0.65
_WIDE = 1.0
"""Of what is beyond Latin."""
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Source: XML 1.0 (Fifth Edition), production 2, `Char`."""


def shown(text: str) -> str:
    r"""Return text of one line in which everything can be seen: controls, and what turns letters, are `\u202e`."""
    return _NOT_XML.sub(lambda hit: f"\\u{ord(hit.group()):04x}", visible(text))


@lru_cache(maxsize=16_384)
def text_width(text: str, size: float) -> float:
    """Return about how wide text is, in pixels; rather more than less."""
    return size * sum(_NARROW.get(c, _USUAL if c < "\u0250" else _WIDE) for c in text)


@lru_cache(maxsize=16_384)
def fitted(text: str, size: float, width: float) -> str:
    """Return text, cut in its middle where it is wider than `width`: what tells names apart is at their ends."""
    text = shown(text)
    if text_width(text, size) <= width:
        return text
    low, high = 0, len(text) - 1
    while low < high:
        kept = (low + high + 1) // 2
        if text_width(_cut(text, kept), size) <= width:
            low = kept
        else:
            high = kept - 1
    return _cut(text, low)


def _cut(text: str, kept: int) -> str:
    front = (kept + 1) // 2
    back = kept - front
    return f"{text[:front]}…{text[len(text) - back :] if back else ''}"
