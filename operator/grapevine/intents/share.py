"""How much of a Service's use went to which of the workloads behind it."""

from collections.abc import Iterable

from grapevine.model.edge import OwnerSeen


def share_of(owner: OwnerSeen, owners: Iterable[OwnerSeen]) -> int | None:
    """Return the owner's part of what all of them were seen by, in percent; None where nothing tells.

    Connections to their pods tell, where there are any: they are use itself. Else the addresses in the answers, which
    say whom a client that takes any of them is led to.
    """
    everybody = tuple(owners)
    for told in ("connections", "answers"):
        total = sum(getattr(each, told) for each in everybody)
        if total:
            return round(100 * int(getattr(owner, told)) / int(total))
    return None
