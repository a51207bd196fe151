"""What stops the operator before it starts, in one line each."""

import asyncio
from pathlib import Path

import pytest
from tests.support.controlplane import ControlPlane
from tests.support.otterize import otterizes_crd

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


async def test_a_server_with_an_older_crd_is_told_how_to_get_on(fresh_control_plane: ControlPlane) -> None:
    with fresh_control_plane.api() as api:
        crd = otterizes_crd(storage="v1alpha3", versions=("v1alpha3",))
        del crd["spec"]["conversion"]
        api.create(crd)
    versions = "but v1alpha3 is, of an older CRD: `grapevine doctor --preflight` says"

    async def says() -> str:
        async with await Session.open(str(fresh_control_plane.kubeconfig())) as session:
            with pytest.raises(PermanentInputError) as refused:
                await preflight(session)
        return str(refused.value)

    async with asyncio.timeout(30):
        while versions not in (said := await says()):  # noqa: ASYNC110 - the API server serves it soon
            await asyncio.sleep(0.1)
    assert "`grapevine migrate --from-otterize` takes it over" in said


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
