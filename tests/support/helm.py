"""The real Helm, with a home of its own: no repository, no registry, nothing of the machine's configuration."""

import os
import subprocess
from pathlib import Path

BUILD = Path(__file__).with_name("build-helm.sh")


class HelmError(Exception):
    """Helm is not there, or ended with an error; the text is what it printed for the person."""


def find_helm() -> Path:
    """Return the cached binary of the version `build-helm.sh` names.

    Raises:
        HelmError: It was not built yet.
    """
    printed = subprocess.run([BUILD, "--print-bin"], check=True, capture_output=True, text=True)
    binary = Path(printed.stdout.strip()) / "helm"
    if not binary.exists():
        raise HelmError(f"helm is not in {binary.parent}; run `make helm` (1.5 minutes, once)")
    return binary


class Helm:
    """Runs Helm as the user of a kubeconfig, which need not be there for what needs no cluster."""

    def __init__(self, binary: Path, kubeconfig: Path, home: Path) -> None:
        self._binary = binary
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("HELM_", "KUBE"))}
        homes = {f"HELM_{kind}_HOME": str(home / kind.lower()) for kind in ("CACHE", "CONFIG", "DATA")}
        self._environment = {**kept, **homes, "KUBECONFIG": str(kubeconfig)}

    def run(self, *arguments: str | Path, stdin: str | None = None, timeout_s: float = 60.0) -> str:
        """Run helm with `arguments` and return what it printed.

        Raises:
            HelmError: It ended with another code than 0.
        """
        done = subprocess.run(
            [self._binary, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            env=self._environment,
        )
        if done.returncode != 0:
            raise HelmError(done.stderr.strip() or done.stdout.strip())
        return done.stdout
