"""What `make sbom` refuses to call a bill of what is installed."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[3] / "deploy" / "release" / "check_sbom.py"
INSTALLED = {"grapevine-operator": "0.1.0", "dnslib": "0.9.26"}


@pytest.fixture(scope="module")
def check_sbom() -> ModuleType:
    spec = importlib.util.spec_from_file_location("check_sbom", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def a_component(name: str, version: str, **fields: Any) -> dict[str, Any]:
    licenses = [{"license": {"id": "MIT"}}]
    purl = f"pkg:pypi/{name}@{version}"
    return {"bom-ref": name, "name": name, "version": version, "purl": purl, "licenses": licenses, **fields}


def a_bill(*components: dict[str, Any]) -> dict[str, Any]:
    main = {"bom-ref": "root", "name": "grapevine_operator", "version": "0.1.0"}
    refs = [main["bom-ref"], *dict.fromkeys(each["bom-ref"] for each in components)]
    return {
        "specVersion": "1.6",
        "metadata": {"component": main},
        "components": list(components),
        "dependencies": [{"ref": ref} for ref in refs],
    }


DNSLIB = a_component("dnslib", "0.9.26")


@pytest.mark.parametrize(
    ("bill", "faults"),
    [
        (a_bill(DNSLIB), []),
        (a_bill(), ["dnslib 0.9.26 is installed and not listed"]),
        (a_bill(a_component("dnslib", "0.9.25")), ["dnslib 0.9.26 is installed and listed as 0.9.25"]),
        (a_bill(DNSLIB, a_component("left-pad", "1")), ["left-pad is listed and not installed"]),
        (a_bill(DNSLIB, a_component("Dnslib", "0.9.26")), ["a distribution is listed twice"]),
        (a_bill(DNSLIB) | {"dependencies": []}, ["the dependency graph is not of exactly what is listed"]),
        (a_bill(DNSLIB | {"licenses": []}), ["dnslib has no package URL or no licence"]),
        (
            a_bill(DNSLIB | {"externalReferences": [{"url": "file:///somewhere/dnslib.whl"}]}),
            ["it names a path of the machine it was made on"],
        ),
    ],
    ids=["good", "missing", "other version", "too much", "twice", "no graph", "no licence", "path"],
)
def test_a_bill_must_be_of_what_is_installed(check_sbom: ModuleType, bill: dict[str, Any], faults: list[str]) -> None:
    assert list(check_sbom.faults(bill, INSTALLED)) == faults


def test_reads_what_a_virtual_environment_holds(tmp_path: Path) -> None:
    packages = tmp_path / "venv" / "lib" / "python3.11" / "site-packages"
    for name, version in INSTALLED.items():
        info = packages / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    bill = tmp_path / "bill.json"
    for content, code in ((a_bill(DNSLIB), 0), (a_bill(), 1)):
        bill.write_text(json.dumps(content))
        done = subprocess.run([sys.executable, SCRIPT, bill, tmp_path / "venv"], capture_output=True, text=True)
        assert done.returncode == code, done.stderr

    assert done.stderr == f"{bill}: dnslib 0.9.26 is installed and not listed\n"
