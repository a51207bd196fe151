"""What the operator shows of itself: implements `web.api.Views`."""

from collections.abc import Callable, Mapping, Sequence

from grapevine.insight.capture_metrics import capture_metrics
from grapevine.insight.doctor import judge
from grapevine.insight.explain import Explanation
from grapevine.insight.facts import Facts, Lead
from grapevine.model.account import Account
from grapevine.model.finding import Finding, Level
from grapevine.model.metric import Family, Metric
from grapevine.model.rbac import Refusal
from grapevine.pipeline.pipeline import Pipeline


class PipelineViews:
    """Reads a pipeline. `clock` gives milliseconds.

    `refused` tells the kinds the informers cannot follow now, `refused_owners` those that were asked for as owners,
    `lead` which replica leads, and `schema_unread` why the schema of ClientIntents is not known, if it is not.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        refused: Callable[[], Mapping[str, Refusal]],
        clock: Callable[[], int],
        lead: Callable[[], Lead] = lambda: Lead.OURS,
        refused_owners: Callable[[], Mapping[str, Refusal]] = dict,
        schema_unread: Callable[[], str] = str,
    ) -> None:
        self._pipeline = pipeline
        self._lead = lead
        self._refused = refused
        self._refused_owners = refused_owners
        self._schema_unread = schema_unread
        self._clock = clock

    def explain(self, namespace: str, name: str, kind: str, asked: str) -> Explanation:
        """Return why a client reaches a target, or why not; an empty `kind` is any."""
        return self._pipeline.explainer.explain(namespace, name, kind, asked)

    def findings(self) -> Sequence[Finding]:
        """Return what the map does not see, and what to do; O(pods + destinations)."""
        pipeline = self._pipeline
        spots = pipeline.intake.blind_spots
        pods, host_pods = pipeline.index.count_pods()
        return judge(
            Facts(
                now_ms=self._clock(),
                nodes=pipeline.index.node_names(),
                pods=pods,
                host_pods=host_pods,
                senders=spots.senders(),
                lookups=spots.lookups(),
                addresses=spots.addresses(),
                is_dns_known=pipeline.intake.is_dns_known(),
                untrusted=pipeline.intake.unresolved.by_reason["untrusted-resolver"],
                refused=self._refused(),
                overflow=pipeline.graph.tally.overflow | pipeline.index.overflow(),
                dns_caches=[f"{each.namespace}/{each.name}" for each in pipeline.index.dns_caches()],
                node_resolvers=spots.node_resolvers(),
                accounts=self.accounts(),
                refused_writes=pipeline.refused_writes(),
                kept=pipeline.kept,
                schema_unread=self._schema_unread(),
                lead=self._lead(),
                domain=pipeline.domain,
                zones=dict(pipeline.intake.zones),
                unread_owners=pipeline.index.unread_owners(),
                refused_owners=self._refused_owners(),
            )
        )

    def accounts(self) -> Mapping[str, Account]:
        """Return what became of every look-up and connection; O(destinations)."""
        return self._pipeline.intake.accounts()

    def metrics(self) -> list[Family]:
        """Return which findings there are, the accounts, and what capture counts."""
        bad = (Level.WARNING, Level.BLOCKER)
        samples = {finding.check: float(finding.level in bad) for finding in self.findings()}
        text = "1 where `grapevine doctor` has a warning or blocker, by its code."
        booked = "taken in, by what became of them; `missing` is what is booked nowhere, and always 0."
        return [
            Metric("grapevine_findings", "gauge", text, samples, "code"),
            *(
                Metric(
                    f"grapevine_{name}_booked",
                    "gauge",
                    f"{name.capitalize()} {booked}",
                    {**account.booked, "missing": account.missing},
                    "as",
                )
                for name, account in self.accounts().items()
            ),
            *capture_metrics(self._pipeline.intake.blind_spots.senders(), self._clock()),
        ]
