"""The formats are written as prometheus-client writes them, to the byte."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import cast

from airswasm.monitoring._exposition import write_families
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import exposition as plain
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.core import Metric as Family
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar

texts = st.text(st.characters(codec="utf-8"), max_size=12)
values = st.floats() | st.integers(-(2**60), 2**60).map(float) | st.sampled_from([1e6, -1e6, 1e21])
labels = st.lists(st.sampled_from(["component", "outcome", "a", "Z_9"]), max_size=3, unique=True)
exemplars = st.none() | st.builds(
    lambda labels, value: Exemplar(labels, value),
    st.dictionaries(st.just("trace_id"), texts, max_size=1),
    st.floats(0, 1e9),
)


@st.composite
def families(draw: st.DrawFn) -> Family:
    kind = draw(st.sampled_from([CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily]))
    keys = draw(labels)
    family = kind("airswasm_things", draw(texts), labels=keys)
    for row in draw(st.lists(st.tuples(*[texts] * len(keys)), max_size=4)):
        if kind is HistogramMetricFamily:
            buckets = [("0.1", 1.0, draw(exemplars)), ("+Inf", draw(values), draw(exemplars))]
            family.add_metric(row, buckets, draw(values))
        else:
            family.add_metric(row, draw(values))
    shared = dict.fromkeys(keys, "one")  # as the host's samples of one component share theirs
    for value in draw(st.lists(values, max_size=3)):
        family.add_sample("airswasm_things_shared", shared, value)
    return family


class Fixed(Collector):
    """Collects what it was given."""

    def __init__(self, found: list[Family]) -> None:
        self.found = found

    def collect(self) -> Iterable[Family]:
        return self.found


@given(st.lists(families(), max_size=3))
def test_the_text_is_the_librarys(found: list[Family]) -> None:
    assert write_families(found) == plain.generate_latest(Fixed(found))


@given(st.lists(families(), max_size=3))
def test_openmetrics_is_the_librarys(found: list[Family]) -> None:
    theirs = cast("Callable[[Collector], bytes]", vars(openmetrics)["generate_latest"])
    assert write_families(found, is_openmetrics=True) == theirs(Fixed(found))
