"""Rules about the repository's shape that no other tool checks."""

import ast
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "operator"
MAX_LINES = 450

TEXT = {".cfg", ".css", ".html", ".ini", ".js", ".json", ".md", ".py", ".sh", ".toml", ".txt", ".yaml", ".yml", ""}
RECORDINGS = "tests/data/"  # what a real cluster said, word for word

INSTALLERS = {".sh", ".toml", ".txt", ".mod", ""}
"""Files that fetch something: by name and version, from wherever the machine is told to."""
FETCHED_FROM = re.compile(
    r"https?://(?!127\.0\.0\.1|kubernetes\.|www\.apache\.org/licenses)|index-url|GOPROXY=|registry="
)
MACHINE_PATH = re.compile(r"(?<![\w.$}~/-])/(?:root|work|home/\w+|Users/\w+)/\w")


def _tracked() -> list[Path]:
    """Return the files git tracks, or all of an exported tree."""
    if not (ROOT / ".git").exists():
        return [path for path in ROOT.rglob("*") if path.is_file() and ".venv" not in path.parts]
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def _texts() -> list[tuple[str, str]]:
    named = [(path.relative_to(ROOT).as_posix(), path) for path in _tracked() if path.suffix in TEXT]
    return [(name, path.read_text(encoding="utf-8")) for name, path in named if not name.startswith(RECORDINGS)]


def test_source_root_does_not_shadow_the_standard_library() -> None:
    assert not (SOURCE / "__init__.py").exists(), "operator/__init__.py would hide the module `operator`"


def test_every_package_says_what_it_owns() -> None:
    packages = [path for path in SOURCE.rglob("*.py") if path.name == "__init__.py"]
    silent = [path for path in packages if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))]
    assert silent == []


def test_every_directory_of_modules_is_a_package() -> None:
    directories = {path.parent for path in SOURCE.rglob("*.py")}
    assert [each for each in directories if not (each / "__init__.py").exists()] == []


def test_no_module_is_too_long_to_read() -> None:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in SOURCE.rglob("*.py")}
    assert {str(path.relative_to(ROOT)): length for path, length in lengths.items() if length > MAX_LINES} == {}


def test_what_installs_names_no_host() -> None:
    installers = [(name, text) for name, text in _texts() if Path(name).suffix in INSTALLERS]
    found = [f"{name}: {hit.group()}" for name, text in installers for hit in FETCHED_FROM.finditer(text)]
    assert found == []


def test_no_file_names_a_path_of_somebodys_machine() -> None:
    own = Path(__file__).relative_to(ROOT).as_posix()
    found = [f"{name}: {hit.group()}" for name, text in _texts() if name != own for hit in MACHINE_PATH.finditer(text)]
    assert found == []
