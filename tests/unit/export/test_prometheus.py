"""Metrics → exposition."""

from prometheus_client.parser import text_string_to_metric_families

from grapevine import __version__
from grapevine.export.prometheus import Exposition
from grapevine.model.metric import Metric, MetricTable


def samples(exposition: Exposition) -> dict[tuple[str, str], float]:
    """Return the exposition's samples as a Prometheus server reads them, by name and value of the one label."""
    families = text_string_to_metric_families(exposition.render().decode())
    return {(s.name, "".join(s.labels.values())): s.value for family in families for s in family.samples}


def test_renders_counters_and_gauges_with_and_without_a_label() -> None:
    metrics = [
        Metric("grapevine_requests", "counter", "By result.", {"ok": 3, 'odd "\n': 1}, "result"),
        Metric("grapevine_depth", "gauge", "Now.", {"": 2.5}),
        Metric("grapevine_nothing", "counter", "Yet.", {}, "reason"),
    ]

    told = samples(Exposition([lambda: metrics]))

    assert told["grapevine_requests_total", "ok"] == 3
    assert told["grapevine_requests_total", 'odd "\n'] == 1
    assert told["grapevine_depth", ""] == 2.5
    assert told["grapevine_build_info", __version__] == 1
    assert any(name == "process_resident_memory_bytes" for name, _ in told)


def test_renders_several_labels() -> None:
    table = MetricTable(
        "grapevine_lost", "counter", "By node.", ("node", "reason"), {("n1", "full"): 2, ("n2", "full"): 3}
    )

    assert (
        samples(Exposition([lambda: [table]])).items()
        >= {
            ("grapevine_lost_total", "n1full"): 2,
            ("grapevine_lost_total", "n2full"): 3,
        }.items()
    )


def test_what_is_rendered_already_stands_behind() -> None:
    exposition = Exposition([], page=lambda: b"# TYPE graph counter\ngraph_total 3.0\n")

    assert samples(exposition)["graph_total", ""] == 3


def test_reads_the_providers_anew_each_time() -> None:
    counts = {"": 0.0}
    exposition = Exposition([lambda: [Metric("grapevine_n", "counter", "N.", dict(counts))]])
    assert samples(exposition)["grapevine_n_total", ""] == 0

    counts[""] = 7

    assert samples(exposition)["grapevine_n_total", ""] == 7
