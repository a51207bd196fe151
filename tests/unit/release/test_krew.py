"""What `make krew` puts together: the plugin's manifest, and the script that krew links to from PATH."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

RELEASE = Path(__file__).parents[3] / "deploy" / "release"
NAMES = ("kubectl-grapevine", "kubectl_complete-grapevine")
"""Of the plugin, and of what completes its words."""
MINOR = f"{sys.version_info.major}.{sys.version_info.minor}"


def test_the_template_is_a_manifest_and_every_blank_is_filled_in() -> None:
    text = (RELEASE / "krew.yaml").read_text()
    blanks = set(re.findall(r"@[A-Z0-9]+@", text))

    assert all(f"s|{blank}|" in (RELEASE / "krew.sh").read_text() for blank in blanks)
    plugin = yaml.safe_load(re.sub(r"@[A-Z0-9]+@", "x", text))
    assert ("krew.googlecontainertools.github.com/v1alpha2", "Plugin") == (plugin["apiVersion"], plugin["kind"])
    assert "grapevine" == plugin["metadata"]["name"]
    (platform,) = plugin["spec"]["platforms"]
    assert {"selector", "uri", "sha256", "bin"} == set(platform)
    assert (RELEASE / platform["bin"]).exists()
    assert {"version", "homepage", "shortDescription", "description"} <= set(plugin["spec"])


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    """The link on PATH to an unpacked archive whose program tells how it was called."""
    store = tmp_path / "store"
    (store / "lib" / "bin").mkdir(parents=True)
    for name in NAMES:
        shutil.copy(RELEASE / "kubectl-grapevine", store / name)
    (store / "PYTHON").write_text(f"{MINOR}\n")
    program = (
        "import os, sys; print(os.path.basename(sys.argv[0]), sys.argv[1:], os.environ['PYTHONPATH']); sys.exit(7)"
    )
    (tmp_path / "bin").mkdir()
    for name in NAMES:
        (store / "lib" / "bin" / name).write_text(program)
        (tmp_path / "bin" / name).symlink_to(f"../store/{name}")
    return tmp_path / "bin" / NAMES[0]


@pytest.mark.parametrize("name", NAMES)
def test_the_plugin_runs_what_lies_beside_it_and_hands_on_arguments_and_exit_code(plugin: Path, name: str) -> None:
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}

    words = [plugin.with_name(name), "list", "-n", "a b"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=env)

    store = plugin.parents[1].resolve() / "store"
    assert (7, f"{name} ['list', '-n', 'a b'] {store}/lib\n") == (done.returncode, done.stdout)


def test_without_its_python_the_plugin_says_what_to_install(plugin: Path) -> None:
    (plugin.parents[1] / "store" / "PYTHON").write_text("3.99\n")

    done = subprocess.run([plugin, "list"], capture_output=True, text=True, check=False)

    assert 2 == done.returncode
    assert done.stderr.startswith("grapevine: python3.99 is not on PATH: install it, or")
