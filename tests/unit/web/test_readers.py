"""Who may read the map by token, and what the others are told."""

import pytest

from grapevine.model.errors import RetryableError
from grapevine.model.identity import ObjectName, TokenReview, TokenUser
from grapevine.serving.tokens import Denied
from grapevine.web.readers import Forbidden, Readers

ALICE = TokenUser("alice", groups=("sre",))
BOB = TokenUser("bob")


class Cluster:
    """Knows tokens by audience, and lets one user list."""

    def __init__(self) -> None:
        self.users = {
            ("alice's", ""): ALICE,
            ("bob's", ""): BOB,
            ("account's", "grapevine"): TokenUser("system:serviceaccount:shop:ci"),
        }
        self.allowed = {"alice", "system:serviceaccount:shop:ci"}
        self.reviews: list[tuple[str, str]] = []
        self.asked: list[tuple[str, str, str]] = []
        self.is_away = False

    async def review(self, token: str, audience: str) -> TokenReview:
        self.reviews.append((token, audience))
        if self.is_away:
            raise RetryableError("the API server does not answer")
        user = self.users.get((token, audience))
        account = ObjectName("shop", "ci") if user and user.name.startswith("system:") else None
        return TokenReview(account, reason="" if user else "it has expired\u202e", user=user)

    async def may_list(self, user: TokenUser, group: str, resource: str) -> bool:
        self.asked.append((user.name, group, resource))
        return user.name in self.allowed


@pytest.mark.parametrize("token", ["alice's", "account's"])
async def test_who_may_list_clientintents_everywhere_may_read(token: str) -> None:
    cluster = Cluster()

    await Readers(cluster, cluster).check(f"Bearer {token}")

    assert [("k8s.otterize.com", "clientintents")] == [asked[1:] for asked in cluster.asked]


async def test_a_token_for_grapevine_alone_is_shown_for_nothing_else() -> None:
    cluster = Cluster()

    await Readers(cluster, cluster).check("Bearer account's")

    assert [("account's", "grapevine")] == cluster.reviews


@pytest.mark.parametrize(
    ("header", "kind", "result", "says"),
    [
        ("", Denied, "no-token", "kubectl create token ACCOUNT --audience grapevine"),
        ("Basic YTpi", Denied, "no-token", "--token-file"),
        ("Bearer a b", Denied, "bad-token", "or none"),
        ("Bearer stale", Denied, "token-refused", "does not accept the token: it has expired?; take a new one"),
        ("Bearer bob's", Forbidden, "forbidden", "bob may not list clientintents.k8s.otterize.com in all namespaces"),
        ("Bearer bob's", Forbidden, "forbidden", "resources: [clientintents], verbs: [list]"),
    ],
)
async def test_others_are_told_what_to_do(header: str, kind: type[Denied], result: str, says: str) -> None:
    cluster = Cluster()

    with pytest.raises(Denied) as refused:
        await Readers(cluster, cluster).check(header)

    assert type(refused.value) is kind
    assert result == refused.value.result
    assert says in str(refused.value)


async def test_a_right_that_is_given_or_taken_is_noticed_in_time() -> None:
    cluster, now_s = Cluster(), 0.0
    readers = Readers(cluster, cluster, clock=lambda: now_s)
    await readers.check("Bearer alice's")
    with pytest.raises(Forbidden):
        await readers.check("Bearer bob's")

    cluster.allowed = {"bob"}
    now_s = 9.9
    await readers.check("Bearer alice's")
    with pytest.raises(Forbidden):
        await readers.check("Bearer bob's")
    now_s = 60.0
    await readers.check("Bearer bob's")
    with pytest.raises(Forbidden):
        await readers.check("Bearer alice's")


async def test_nobody_is_let_in_while_the_api_server_is_away() -> None:
    cluster = Cluster()
    cluster.is_away = True
    readers = Readers(cluster, cluster)

    with pytest.raises(RetryableError):
        await readers.check("Bearer alice's")
    cluster.is_away = False
    await readers.check("Bearer alice's")
