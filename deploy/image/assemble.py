"""Assemble an image's root from a virtual environment: `assemble.py VENV ROOT [--net-raw]`, within the build stage.

Owns what is in an image: the virtual environment, the standard library of its interpreter, and the shared libraries
both load, found by ldd(1). Standard library alone, for it runs before anything is installed.
"""

import argparse
import compileall
import os
import re
import shutil
import struct
import subprocess
import sysconfig
from pathlib import Path
from py_compile import PycInvalidationMode

UNUSED = (
    "test",
    "tests",
    "idlelib",
    "tkinter",
    "turtledemo",
    "ensurepip",
    "lib2to3",
    "pydoc_data",
    "config-*",
    "__pycache__",
)
"""Directories of the standard library that nothing of ours loads; what holds site-packages goes with them."""
NOT_INSTALLED = (
    "pip",
    "pip-*",
    "setuptools",
    "setuptools-*",
    "pkg_resources",
    "_distutils_hack",
    "*.pth",
    "__pycache__",
)
"""Of the virtual environment: the installer's own."""

NOT_COMPILED = re.compile(r"/kubernetes/(aio/)?client/(models|api)/")
"""A thousand generated modules of which three are loaded: 50 MB of bytecode."""

CAP_NET_RAW = 13
VFS_CAP_REVISION_2 = 0x02000000
VFS_CAP_FLAGS_EFFECTIVE = 0x000001
"""Source: linux/capability.h, `struct vfs_cap_data`; what `setcap cap_net_raw+ep` writes."""


def main() -> None:
    """Assemble the root that the arguments name."""
    parser = argparse.ArgumentParser()
    parser.add_argument("venv", type=Path)
    parser.add_argument("root", type=Path)
    parser.add_argument("--net-raw", action="store_true", help="give the interpreter cap_net_raw+ep")
    args = parser.parse_args()
    venv, root = args.venv, args.root
    inside = root / venv.relative_to("/")
    stdlib = Path(sysconfig.get_path("stdlib"))

    packages = venv / "lib" / stdlib.name / "site-packages"
    _copy(packages, root, NOT_INSTALLED)
    _copy(stdlib, root, (*UNUSED, "site-packages", "dist-packages"))
    (inside / "bin").mkdir()
    shutil.copy2(venv / "pyvenv.cfg", inside)
    shutil.copy2(venv / "bin" / "python3", inside / "bin", follow_symlinks=True)
    shutil.copy2(venv / "bin" / "grapevine", inside / "bin")
    _copy_libraries(root)
    _write_etc(root)
    compileall.compile_dir(
        root, quiet=1, workers=0, stripdir=root, rx=NOT_COMPILED, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH
    )
    if args.net_raw:
        os.setxattr(inside / "bin" / "python3", "security.capability", _file_capability(CAP_NET_RAW))


def _copy(tree: Path, root: Path, without: tuple[str, ...]) -> None:
    shutil.copytree(
        tree, root / tree.relative_to("/"), symlinks=False, ignore=shutil.ignore_patterns(*without), dirs_exist_ok=True
    )


def _copy_libraries(root: Path) -> None:
    """Copy the loader and every shared library that a file below `root` is linked with, to the paths they have."""
    programs = [
        path
        for path in root.rglob("*")
        if path.is_file() and (path.suffix == ".so" or ".so." in path.name or path.name == "python3")
    ]
    listed = subprocess.run(["ldd", *map(str, programs)], capture_output=True, text=True, check=False).stdout
    found = {
        word for line in listed.splitlines() for word in line.split() if word.startswith("/") and not word.endswith(":")
    }
    for library in sorted(map(Path, found)):
        if library.is_relative_to(root):
            continue  # a package's own
        target = root / library.relative_to("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(library.resolve(), target)


def _write_etc(root: Path) -> None:
    """Write what programs look for there: the user's name, where libraries are, certificate authorities."""
    etc = root / "etc"
    etc.mkdir(exist_ok=True)
    (etc / "passwd").write_text("root:x:0:0:root:/:/sbin/nologin\ngrapevine:x:65532:65532:grapevine:/:/sbin/nologin\n")
    (etc / "group").write_text("root:x:0:\ngrapevine:x:65532:\n")
    for path in (Path("/etc/ld.so.cache"), Path("/etc/ssl/certs/ca-certificates.crt")):
        if path.exists():
            (root / path.relative_to("/")).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, root / path.relative_to("/"))


def _file_capability(number: int) -> bytes:
    """Return the attribute `security.capability` that permits one capability below 32 and makes it effective."""
    return struct.pack("<5I", VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE, 1 << number, 0, 0, 0)


if __name__ == "__main__":
    main()
