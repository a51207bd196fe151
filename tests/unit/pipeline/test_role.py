"""Where a replica sends whoever comes to it."""

import pytest

from grapevine.insight.facts import Lead
from grapevine.kube.election import Replica
from grapevine.kube.lease import Unopposed
from grapevine.pipeline.role import Role

OTHER = Replica("operator-b", "uid-b", "10.244.0.8:8443")


class Follower(Unopposed):
    """Does not lead; another one does, or none."""

    def __init__(self, leader: Replica | None) -> None:
        self._leader = leader

    def left_s(self) -> float:
        return 0.0

    def leader(self) -> Replica | None:
        return self._leader


def test_a_leader_is_ready_and_takes_all_once_its_map_is_restored() -> None:
    role = Role(Unopposed())
    assert (["map"], "", "") == (role.missing(), role.batches_elsewhere(), role.questions_elsewhere())
    role.open()
    assert ([], None, None) == (role.missing(), role.batches_elsewhere(), role.questions_elsewhere())
    role.close()
    assert ("", "", Lead.OURS) == (role.batches_elsewhere(), role.questions_elsewhere(), role.lead())


@pytest.mark.parametrize(("leader", "lead"), [(OTHER, Lead.ANOTHERS), (None, Lead.NOBODYS)])
def test_a_follower_is_ready_and_sends_all_to_the_leader(leader: Replica | None, lead: Lead) -> None:
    role = Role(Follower(leader))

    assert ([], lead) == (role.missing(), role.lead())
    assert (leader.address if leader else "") == role.batches_elsewhere()
    assert (leader.pod if leader else "") == role.questions_elsewhere()


def test_a_leader_that_is_cut_off_takes_no_batches_and_answers_from_its_map() -> None:
    role = Role(Follower(None))
    role.open()

    assert ("", None) == (role.batches_elsewhere(), role.questions_elsewhere())
