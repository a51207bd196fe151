"""What the operator shows of itself: implements `web.api.Views`."""

from collections.abc import Callable, Mapping, Sequence

from grapevine.insight.doctor import Facts, judge
from grapevine.insight.explain import Explanation
from grapevine.model.finding import Finding, Level
from grapevine.model.metric import Metric
from grapevine.pipeline.pipeline import Pipeline


class PipelineViews:
    """Reads a pipeline. `refused` tells the kinds the informers cannot follow now; `clock` gives milliseconds."""

    def __init__(self, pipeline: Pipeline, refused: Callable[[], Mapping[str, str]], clock: Callable[[], int]) -> None:
        self._pipeline = pipeline
        self._refused = refused
        self._clock = clock

    def explain(self, namespace: str, name: str, kind: str, asked: str) -> Explanation:
        """Return why a client reaches a target, or why not; an empty `kind` is any."""
        return self._pipeline.explainer.explain(namespace, name, kind, asked)

    def findings(self) -> Sequence[Finding]:
        """Return what the map does not see, and what to do; O(pods)."""
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
                overflow=pipeline.graph.tally.overflow,
            )
        )

    def metrics(self) -> list[Metric]:
        """Return which findings there are."""
        bad = (Level.WARNING, Level.BLOCKER)
        samples = {finding.check: float(finding.level in bad) for finding in self.findings()}
        text = "1 where `grapevine doctor` has a warning or blocker, by its code."
        return [Metric("grapevine_findings", "gauge", text, samples, "code")]
