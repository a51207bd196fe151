"""SVG of ours as PNG and PDF, by CairoSVG: the extra `picture`, loaded for these two formats alone (decision 025)."""

from typing import Any

from grapevine.model.errors import PermanentInputError

MAX_PIXELS = 120_000_000
"""Of a PNG: 480 MB of memory while it is drawn."""


def to_png(svg: str, scale: float) -> bytes:
    """Return a PNG, `scale` pixels a unit of the SVG, less where it would have more than MAX_PIXELS.

    Raises:
        PermanentInputError: CairoSVG, or the system's libcairo, is missing.
    """
    width, height = _size(svg)
    fitting = min(scale, (MAX_PIXELS / (width * height)) ** 0.5)
    return bytes(_cairosvg().svg2png(bytestring=svg.encode(), scale=fitting))


def to_pdf(svg: str) -> bytes:
    """Return a PDF of one page with text that can be searched, its fonts embedded.

    Raises:
        PermanentInputError: CairoSVG, or the system's libcairo, is missing.
    """
    return bytes(_cairosvg().svg2pdf(bytestring=svg.encode()))


def _size(svg: str) -> tuple[int, int]:
    words = svg.partition('viewBox="0 0 ')[2].partition('"')[0].split()
    return int(words[0]), int(words[1])


def _cairosvg() -> Any:  # noqa: ANN401 - the library has no types
    try:
        import cairosvg  # type: ignore[import-untyped]
    except ModuleNotFoundError as error:
        raise PermanentInputError(
            f"PNG and PDF need {error.name}: pip install 'grapevine-operator[picture]'; SVG needs nothing"
        ) from error
    except OSError as error:
        raise PermanentInputError(
            "PNG and PDF need the system's libcairo (Debian: libcairo2; macOS: brew install cairo); SVG needs nothing"
        ) from error
    return cairosvg
