"""The real kubectl, with one user's kubeconfig: what a person would type and see."""

import os
import re
import subprocess
from pathlib import Path


class KubectlError(Exception):
    """Kubectl ended with an error; the text is what it printed for the person."""


class Kubectl:
    """Runs kubectl; discovery is cached below `cache`, nothing of the machine's own configuration is read."""

    def __init__(self, binary: Path, kubeconfig: Path, *, cache: Path) -> None:
        self.binary = binary
        self.kubeconfig = kubeconfig
        self._cache = cache

    def run(self, *arguments: str, stdin: str | None = None, timeout_s: float = 30.0) -> str:
        """Run kubectl with `arguments` and return what it printed.

        Raises:
            KubectlError: It ended with another code than 0.
        """
        environment = {**os.environ, "KUBECONFIG": str(self.kubeconfig), "KUBECACHEDIR": str(self._cache)}
        done = subprocess.run(
            [self.binary, *arguments], input=stdin, capture_output=True, text=True, timeout=timeout_s, env=environment
        )
        if done.returncode != 0:
            raise KubectlError(f"kubectl {' '.join(arguments)}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def table(self, *arguments: str) -> list[dict[str, str]]:
        """Run `kubectl get …` and return its rows by column header; `<none>` and blanks are the empty string."""
        lines = self.run("get", *arguments).splitlines()
        if not lines:
            return []
        columns = list(re.finditer(r"\S+(?: \S+)*", lines[0]))  # three spaces stand between two columns
        ends = [*(column.start() for column in columns[1:]), None]
        return [
            {column.group(): _cell(line[column.start() : end]) for column, end in zip(columns, ends, strict=True)}
            for line in lines[1:]
        ]


def _cell(text: str) -> str:
    text = text.strip()
    return "" if text == "<none>" else text
