"""What a process has left of its privileges, as the kernel tells it in /proc."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.support.eventually import eventually
from tests.support.missing import give_up, needs_root

pytestmark = [pytest.mark.root, needs_root("setpriv", "unshare")]

SOURCE = Path(__file__).parents[3] / "operator"
USER = 65_532
NONE = dict.fromkeys(("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"), 0)
NET_RAW = 1 << 13
DROP = """
import sys
from pathlib import Path
from threading import Thread
from grapevine.capture.privileges import drop_privileges

drop_privileges(int(sys.argv[1]), sys.argv[2:])
print(Path("/proc/self/status").read_text())
thread = Thread(target=lambda: print(Path("/proc/thread-self/status").read_text()))
thread.start()
thread.join()
"""


class Python(NamedTuple):
    """An interpreter that every user may read, and what lets it find a package that every user may read."""

    path: str
    environment: dict[str, str]


@pytest.fixture(scope="module")
def python() -> Iterator[Python]:
    """A copy of the package, for it and the interpreter may be in root's home."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        shutil.copytree(
            SOURCE / "grapevine", Path(directory, "grapevine"), ignore=shutil.ignore_patterns("__pycache__")
        )
        kept = {name: value for name, value in os.environ.items() if not name.startswith("GRAPEVINE_")}
        environment = {**kept, "PYTHONPATH": directory, "PYTHONDONTWRITEBYTECODE": "1"}
        paths = (sys.executable, "/usr/bin/python3")
        path = next((each for each in paths if _is_for_everybody(each, environment)), None)
        yield Python(path or give_up(f"no Python >= 3.11 here that user {USER} may read"), environment)


def _is_for_everybody(path: str, environment: dict[str, str]) -> bool:
    program = "import os, sys, grapevine; assert sys.version_info >= (3, 11); print(os.__file__)"
    found = subprocess.run([path, "-c", program], env=environment, capture_output=True, text=True)
    as_user = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"]
    readable = [*as_user, "test", "-r", found.stdout.strip(), "-a", "-r", environment["PYTHONPATH"]]
    return found.returncode == 0 and subprocess.run(readable).returncode == 0


def statuses(text: str) -> list[dict[str, int]]:
    """Return user, group and capabilities of each thread in the text of its status."""
    threads = []
    for status in text.split("Name:")[1:]:
        fields = dict(re.findall(r"^(\w+):\t(.*)$", status, re.MULTILINE))
        users = {int(number) for name in ("Uid", "Gid") for number in fields[name].split()}
        assert len(users) == 1, f"real, effective, saved and file system ids differ: {fields}"
        capabilities = {name: int(fields[name], 16) for name in NONE}
        threads.append({"user": users.pop(), "no_new_privs": int(fields["NoNewPrivs"]), **capabilities})
    return threads


def drop(python: Python, *words: str, before: tuple[str, ...] = ()) -> tuple[list[dict[str, int]], str]:
    """Return what a process and a later thread of it have left, and what it logged."""
    command = [*before, python.path, "-c", DROP, *words]
    done = subprocess.run(command, env=python.environment, capture_output=True, text=True, timeout=60, check=True)
    return statuses(done.stdout), done.stderr


def test_root_becomes_a_user_without_capabilities(python: Python) -> None:
    threads, logged = drop(python, str(USER))
    assert threads == [{"user": USER, "no_new_privs": 1, **NONE}] * 2
    assert logged == ""


def test_root_may_stay_root_without_capabilities(python: Python) -> None:
    assert drop(python, "0")[0] == [{"user": 0, "no_new_privs": 1, **NONE}] * 2


def test_root_stays_root_where_the_user_could_not_read_what_is_needed(python: Python, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("secret")
    token.chmod(0o640)
    threads, logged = drop(python, str(USER), str(token))
    assert threads == [{"user": 0, "no_new_privs": 1, **NONE}] * 2
    assert logged.startswith("staying root, without capabilities")


def test_root_stays_root_where_it_may_not_change(python: Python) -> None:
    threads, logged = drop(python, str(USER), before=("setpriv", "--bounding-set=-all,+net_raw"))
    assert threads == [{"user": 0, "no_new_privs": 1, **NONE, "CapBnd": NET_RAW}] * 2
    assert logged.startswith("staying root, without capabilities")


def test_a_container_that_has_net_raw_alone_gives_it_up(python: Python) -> None:
    only = ("--inh-caps=-all,+net_raw", "--ambient-caps=-all,+net_raw", "--bounding-set=-all,+net_raw")
    before = ("setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", *only)
    threads, logged = drop(python, str(USER), before=before)
    # The bounding set needs CAP_SETPCAP to be emptied; no_new_privs makes it moot
    assert threads == [{"user": USER, "no_new_privs": 1, **NONE, "CapBnd": NET_RAW}] * 2
    assert logged == ""


@contextmanager
def capturing(python: Python, *words: str) -> Iterator[int]:
    """Run the real command in a network namespace of its own; yields its id."""
    command = [
        "unshare",
        "--net",
        python.path,
        "-m",
        "grapevine.cli.main",
        "capture",
        "--operator",
        "http://127.0.0.1:1",
    ]
    process = subprocess.Popen([*command, *words], env=python.environment, stderr=subprocess.DEVNULL)
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize(("words", "user"), [((), USER), (("--user", "1234"), 1234), (("--user", "0"), 0)])
def test_the_running_capture_has_no_privilege_left(python: Python, words: tuple[str, ...], user: int) -> None:
    with capturing(python, *words) as pid:
        tasks = Path(f"/proc/{pid}/task")
        eventually(lambda: len(list(tasks.iterdir())) > 1, timeout_s=30)  # the sender is started when all is given up
        threads = statuses("".join((task / "status").read_text() for task in tasks.iterdir()))
    assert threads == [{"user": user, "no_new_privs": 1, **NONE}] * len(threads)
