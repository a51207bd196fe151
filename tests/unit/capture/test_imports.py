"""What capture loads: a node pays for it in memory, on every node."""

import os
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).parents[3] / "operator"
HEAVY = {
    "asyncio",
    "ssl",
    "http.client",
    "email",
    "ctypes",
    "hashlib",
    "dnslib",
    "dataclasses",
    "inspect",
    "pathlib",
    "urllib",
    "ipaddress",
    "random",
    "kopf",
    "kubernetes",
    "aiohttp",
    "opentelemetry",
    "yaml",
}
PROGRAM = """
import sys
import grapevine.cli.main, grapevine.cli.capture
import grapevine.capture.loop, grapevine.capture.settings, grapevine.capture.operator_link
print(*sys.modules)
"""


def test_loads_nothing_heavy() -> None:
    env = {**os.environ, "PYTHONPATH": str(SOURCE)}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=env, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert loaded & HEAVY == set()


def test_the_command_line_alone_loads_no_capture() -> None:
    program = "import sys, grapevine.cli.capture; print(*sys.modules)"
    env = {**os.environ, "PYTHONPATH": str(SOURCE)}
    done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, check=True)
    assert not [name for name in done.stdout.split() if name.startswith("grapevine.capture")]


def test_words_are_read_without_what_only_a_terminal_needs() -> None:
    program = (
        "import contextlib, sys; from grapevine.cli.main import main\n"
        "with contextlib.suppress(SystemExit): main(['capture', '--help'])\n"
        "print(*sys.modules)"
    )
    env = {**os.environ, "PYTHONPATH": str(SOURCE), "COLUMNS": "60"}
    done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, check=True)
    *said, loaded = done.stdout.splitlines()
    assert {"shutil", "bz2", "lzma"} & set(loaded.split()) == set()
    help_texts = [line for line in said if line.startswith(" " * 24) and line[24] != " "]
    assert max(map(len, help_texts)) in range(50, 60), "as wide as there is room"
