"""What stops the operator before it starts, in one line each."""

from pathlib import Path

import pytest
from tests.support.controlplane import ControlPlane

from grapevine.kube.session import Session, preflight
from grapevine.model.errors import PermanentInputError

pytestmark = pytest.mark.integration


async def test_a_server_without_the_crd_is_told_what_to_apply(fresh_control_plane: ControlPlane) -> None:
    kubeconfig = str(fresh_control_plane.kubeconfig())
    async with await Session.open(kubeconfig) as session:
        with pytest.raises(PermanentInputError) as refused:
            await preflight(session)

    assert str(refused.value) == (
        f"ClientIntents is not installed on {fresh_control_plane.server} (kubeconfig {kubeconfig}): "
        "kubectl apply -f crds/clientintents.yaml"
    )


async def test_a_wrong_token_is_told(control_plane: ControlPlane, tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    right = control_plane.kubeconfig().read_text()
    start = right.index('"token": "') + len('"token": "')
    kubeconfig.write_text(right[:start] + "wrong" + right[start:])

    async with await Session.open(str(kubeconfig)) as session:
        with pytest.raises(PermanentInputError, match=r"401: Unauthorized.*credentials"):
            await preflight(session)


@pytest.mark.usefixtures("clientintents_crd")
async def test_returns_the_version_of_a_server_that_is_ready(control_plane: ControlPlane) -> None:
    async with await Session.open(str(control_plane.kubeconfig())) as session:
        assert (await preflight(session)).startswith("v1.")
