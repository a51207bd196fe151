"""Compare a bill of materials with what is installed: `check_sbom.py BILL VENV`; exit 1 and a line each for a fault.

Standard library alone. The form was validated by the tool that wrote the bill; here it is the content.

Source: CycloneDX 1.6; "Names and normalization" of the Python packaging specifications.
"""

import json
import re
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import distributions
from pathlib import Path
from typing import Any


def main() -> int:
    """Check the bill that the arguments name."""
    bill, venv = Path(sys.argv[1]), Path(sys.argv[2])
    (packages,) = venv.glob("lib/python*/site-packages")
    installed = {normalized(d.name): d.version for d in distributions(path=[str(packages)])}
    content = json.loads(bill.read_text(encoding="utf-8"))
    wrong = list(faults(content, installed))
    for fault in wrong:
        sys.stderr.write(f"{bill}: {fault}\n")
    if not wrong:
        sys.stdout.write(
            f"sbom: {bill}: {len(installed)} distributions, as installed; CycloneDX {content['specVersion']}\n"
        )
    return bool(wrong)


def faults(bill: Mapping[str, Any], installed: Mapping[str, str]) -> Iterator[str]:
    """Yield what is wrong with a bill for the distributions installed, by normalised name, in their versions."""
    main_component = bill.get("metadata", {}).get("component", {})
    components = [main_component, *bill.get("components", ())]
    listed = {normalized(each.get("name", "")): each for each in components}
    for name, version in sorted(installed.items()):
        if name not in listed:
            yield f"{name} {version} is installed and not listed"
        elif (said := listed[name].get("version")) != version:
            yield f"{name} {version} is installed and listed as {said}"
    for name in sorted(listed.keys() - installed.keys()):
        yield f"{name} is listed and not installed"
    if len(components) != len(listed):
        yield "a distribution is listed twice"
    refs = {each.get("bom-ref") for each in components}
    if refs != {each.get("ref") for each in bill.get("dependencies", ())}:
        yield "the dependency graph is not of exactly what is listed"
    if '"file:' in json.dumps(bill):
        yield "it names a path of the machine it was made on"
    for each in bill.get("components", ()):
        if not each.get("purl") or not each.get("licenses"):
            yield f"{each.get('name')} has no package URL or no licence"


def normalized(name: str) -> str:
    """Return a distribution's name in its one form."""
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    sys.exit(main())
