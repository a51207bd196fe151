"""A real node with Grapevine's own images on it, for the whole run."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cluster.node import Node, is_built, why_impossible

IMAGES = Path(__file__).parents[2] / "out" / "images"


@pytest.fixture(scope="session")
def image_archives() -> dict[str, Path]:
    """The archives of `make image-archive`, by target."""
    archives = {target: IMAGES / f"{target}.tar" for target in ("capture", "operator")}
    if not all(path.exists() for path in archives.values()):
        _give_up("the images are not built: make image-archive")
    return archives


@pytest.fixture(scope="session")
def node(image_archives: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """The node, with the images imported and nothing installed; skips where this machine cannot be one."""
    if reason := why_impossible():
        pytest.skip(reason)
    if not is_built():
        _give_up("what a node needs is not built: make test-cluster")
    with Node(tmp_path_factory.mktemp("node"), *image_archives.values()) as node:
        yield node


def _give_up(reason: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
