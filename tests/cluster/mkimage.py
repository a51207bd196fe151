"""Write a one-layer image of one static program as a docker archive: `mkimage.py NAME:TAG OUT.tar PROGRAM=/PATH`."""

import hashlib
import io
import json
import sys
import tarfile
from pathlib import Path


def write_image(name: str, archive: Path, program: Path, path: str) -> None:
    """Write the archive; the same program makes the same bytes but for the file's time."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as layer:
        layer.add(program, arcname=path.lstrip("/"))
    layer_bytes = packed.getvalue()
    digest = hashlib.sha256(layer_bytes).hexdigest()
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Entrypoint": [path]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
    }
    config_bytes = json.dumps(config).encode()
    config_name = f"{hashlib.sha256(config_bytes).hexdigest()}.json"
    manifest = [{"Config": config_name, "RepoTags": [name], "Layers": [f"{digest}/layer.tar"]}]
    with tarfile.open(archive, "w") as image:
        for member, content in (
            (config_name, config_bytes),
            (f"{digest}/layer.tar", layer_bytes),
            ("manifest.json", json.dumps(manifest).encode()),
        ):
            header = tarfile.TarInfo(member)
            header.size = len(content)
            image.addfile(header, io.BytesIO(content))


if __name__ == "__main__":
    source, _, destination = sys.argv[3].partition("=")
    write_image(sys.argv[1], Path(sys.argv[2]), Path(source), destination)
