"""Print `docs/metrics.md` from the families that the installed blocks declare.

    python -m airswasm.monitoring.metrics_page > docs/metrics.md

A test holds the file equal to this output, so the page cannot drift from what a scrape has.
"""

# ruff: noqa: E501 - a paragraph of the page is one line
from __future__ import annotations

import sys
from collections.abc import Iterator

from airswasm.wit import Blocks
from prometheus_client.core import Metric as Family

from ._catalogue import full_families

__all__ = ("metrics_page",)

_HEAD = """\
# Metrics
<!-- Written by `python -m airswasm.monitoring.metrics_page`; change the declarations, not this page. -->

A host serves these families at `/metrics`, on its control socket and, with a token of the scope `monitoring`, on the port of `airswasm run --listen`. `airswasm dashboards --output DIR` writes a configuration for Prometheus, alert rules and dashboards for Grafana.

The format is Prometheus' text format, or OpenMetrics for a scraper that prefers it (`Accept: application/openmetrics-text`); with it, histograms of the handling of messages carry the id of a trace as an exemplar, if messages are traced (docs/traces.md).

**Labels.** `component` is a component's name, `namespace/name`. No label value is chosen by a guest. The first thousand components have series of their own (`monitoring.series`), a hundred of them histograms (`monitoring.histograms`); the others are added up as `component="_other"`. A component that goes frees its series for one that has none.

**Counters** go on over restarts and updates of a component; they begin anew with the host. **Times** are seconds in histograms with the buckets of `airswasm_event_loop_lag_seconds`. `monitoring.metrics = "off"` measures no messages and serves no `/metrics`; the host's alert rules (docs/alerts.md) still see the rest.

Another installed package can add families: `Block.metrics` declares them, with one further label if it needs it.

| family | type | unit | labels | meaning |
|---|---|---|---|---|
"""
_UNITS = ("bytes", "seconds", "fuel")


def metrics_page() -> str:
    """Return the whole page."""
    found = sorted(full_families(Blocks.find().metrics.values()), key=lambda each: each.name)
    return _HEAD + "".join(_row(each) for each in found)


def _row(family: Family) -> str:
    name = f"{family.name}_total" if family.type == "counter" else family.name
    unit = next((each for each in _UNITS if each in family.name.split("_")), "")
    labels = ", ".join(f"`{each}`" for each in _labels(family))
    return f"| `{name}` | {family.type} | {unit} | {labels} | {family.documentation} |\n"


def _labels(family: Family) -> Iterator[str]:
    found = dict.fromkeys(key for sample in family.samples for key in sample.labels)
    yield from (key for key in found if key != "le")


if __name__ == "__main__":
    sys.stdout.write(metrics_page())
