"""Expected output in files: compared to the byte, and written anew at GRAPEVINE_GOLDEN=update, to be looked at."""

import os
import shutil
from pathlib import Path

GOLDEN = Path(__file__).parents[1] / "golden"
_IS_UPDATING = os.environ.get("GRAPEVINE_GOLDEN") == "update"


def check_golden(name: str, text: str) -> None:
    """Assert that `text` is what the golden file says."""
    path = GOLDEN / name
    if _IS_UPDATING:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert path.read_text() == text


def check_golden_tree(name: str, directory: Path) -> None:
    """Assert that a directory holds the golden directory's files, and no others."""
    if _IS_UPDATING:
        shutil.rmtree(GOLDEN / name, ignore_errors=True)
        shutil.copytree(directory, GOLDEN / name)
    assert read_tree(GOLDEN / name) == read_tree(directory)


def read_tree(directory: Path) -> dict[str, str]:
    """Return the text of every file below a directory, by relative path."""
    return {str(f.relative_to(directory)): f.read_text() for f in sorted(directory.rglob("*")) if f.is_file()}
