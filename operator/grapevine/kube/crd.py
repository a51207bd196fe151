"""The CRD of ClientIntents as it is shipped: in the wheel beside the package, in a checkout two levels up."""

from pathlib import Path
from typing import Any

import grapevine
from grapevine.kube.manifests import read_manifests

_PACKAGE = Path(grapevine.__file__).parent
_FILE = "crds/clientintents.yaml"


def read_crd() -> dict[str, Any]:
    """Return the CRD.

    Raises:
        PermanentInputError: the file is not where it is shipped.
    """
    shipped = _PACKAGE / _FILE
    (manifest,) = read_manifests(shipped if shipped.exists() else _PACKAGE.parents[1] / _FILE)
    return dict(manifest.resource)
