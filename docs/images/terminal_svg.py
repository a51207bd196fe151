"""Draw a terminal's text as SVG: `some command | python docs/images/terminal_svg.py '$ some command' > picture.svg`."""

import html
import sys

CHAR_WIDTH, LINE_HEIGHT, MARGIN = 7.2, 17, 16
HEADINGS = ("NAMESPACE", "Seen,", "Next:")


def draw(command: str, text: str) -> str:
    """Return the SVG of `text` under its command line; headings are bold, arrows and the command are coloured."""
    lines = [command, "", *text.rstrip().split("\n")]
    width = round(max(map(len, lines)) * CHAR_WIDTH) + 2 * MARGIN
    height = len(lines) * LINE_HEIGHT + 2 * MARGIN
    rows = [_row(line, MARGIN + (n + 1) * LINE_HEIGHT - 4, is_command=n == 0) for n, line in enumerate(lines)]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}">',
            "<style>text{font:12px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;fill:#d7dde5;white-space:pre}"
            ".h{font-weight:bold;fill:#fff}.c{fill:#8bd5a0}.a{fill:#e2a94f}</style>",
            f'<rect width="{width}" height="{height}" rx="8" fill="#1b2027"/>',
            *rows,
            "</svg>\n",
        ]
    )


def _row(line: str, y: int, *, is_command: bool) -> str:
    style = ' class="c"' if is_command else ' class="h"' if line.startswith(HEADINGS) or line.endswith("edges:") else ""
    text = html.escape(line).replace("→", '<tspan class="a">→</tspan>')
    return f'<text x="{MARGIN}" y="{y}" xml:space="preserve"{style}>{text}</text>'


if __name__ == "__main__":
    sys.stdout.write(draw(sys.argv[1], sys.stdin.read()))
