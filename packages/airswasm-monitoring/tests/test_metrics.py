"""The figures in Prometheus' format, read back with Prometheus' own parser."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from airswasm.actor import ActorSystem
from airswasm.monitoring import (
    OTHER,
    ComponentSample,
    HostCallSample,
    Metrics,
    Monitor,
    Snapshot,
    Times,
    TracingSettings,
)
from airswasm.runtime import BOUNDS, Meters
from airswasm.wit import Metric
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as openmetrics_families,
)
from prometheus_client.parser import text_string_to_metric_families

NAMES = st.lists(st.text("abc-/", min_size=1, max_size=8), unique=True, max_size=20)


def read(metrics: Metrics) -> dict[tuple[str, str], float]:
    """Every sample by its name and its only label's value."""
    families = text_string_to_metric_families(metrics.render().decode())
    return {
        (sample.name, next(iter(sample.labels.values()), "")): sample.value
        for family in families
        for sample in family.samples
    }


def test_figures_of_a_component() -> None:
    """Each figure of a sample arrives under its name."""
    sample = ComponentSample(
        "a/b",
        "running",
        0.0,
        restarts=2,
        failures=3,
        mailbox_size=4,
        mailbox_bytes=44,
        handled=5,
        fuel_used=6,
    )
    figures = read(Metrics(lambda: Snapshot(1.0, (sample,))))
    assert figures["airswasm_component_running", "a/b"] == 1
    assert figures["airswasm_component_given_up", "a/b"] == 0
    assert figures["airswasm_component_restarts_total", "a/b"] == 2
    assert figures["airswasm_component_failures_total", "a/b"] == 3
    assert figures["airswasm_component_mailbox_messages", "a/b"] == 4
    assert figures["airswasm_component_mailbox_bytes", "a/b"] == 44
    assert figures["airswasm_component_messages_total", "a/b"] == 5
    assert figures["airswasm_component_fuel_total", "a/b"] == 6


def test_what_happens_to_messages_is_counted() -> None:
    """Every refusal by its reason, every plain counter of messaging by its name."""
    snapshot = Snapshot(
        1.0,
        refusals={"rate-limited": 3},
        message_events={"broadcast_targets": 4},
        retained_values=5,
        retained_bytes=6,
    )
    figures = read(Metrics(lambda: snapshot))
    assert figures["airswasm_message_refusals_total", "rate-limited"] == 3
    assert figures["airswasm_message_events_total", "broadcast_targets"] == 4
    assert figures["airswasm_retained_values", ""] == 5
    assert figures["airswasm_retained_bytes", ""] == 6


@pytest.mark.skipif(shutil.which("promtool") is None, reason="needs Prometheus' promtool")
def test_names_and_units_follow_prometheus_conventions() -> None:
    """Prometheus' own check has nothing to say about any family."""
    times = Times((1,) * (len(BOUNDS) + 1), 2.5)
    sample = ComponentSample(
        "a/b",
        "running",
        0.0,
        outcomes={"handled": 1, "trapped": 2},
        queueing=times,
        handling=times,
    )
    snapshot = Snapshot(
        1.0,
        (sample,),
        {"sent": 1},
        {"crashed": 1},
        audit_lines=1,
        storage_syncs=1,
        event_loop_lag=times,
        host_calls={"a/b": {"x:y/z@1.0.0#f": HostCallSample(times, 3)}},
    )
    page = Metrics(lambda: snapshot).render()
    for family in ("outcome", "queue_seconds_bucket", "host_call_seconds_bucket", "build_info"):
        assert family.encode() in page
    checked = subprocess.run(
        ["promtool", "check", "metrics"], input=page, capture_output=True, check=False
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")


def test_times_arrive_as_histograms() -> None:
    """Buckets are cumulative, and the sum and the count are those of the distribution."""
    counts = tuple(range(len(BOUNDS) + 1))
    sample = ComponentSample("a/b", "running", 0.0, handling=Times(counts, 12.5))
    samples = [
        each
        for family in text_string_to_metric_families(
            Metrics(lambda: Snapshot(1.0, (sample,))).render().decode()
        )
        for each in family.samples
        if family.name == "airswasm_component_handling_seconds"
    ]
    buckets = {s.labels["le"]: s.value for s in samples if s.name.endswith("_bucket")}
    assert [*map(float, buckets)] == [*BOUNDS, float("inf")]
    assert [*buckets.values()] == [sum(counts[: at + 1]) for at in range(len(counts))]
    values = {s.name.rpartition("_")[2]: s.value for s in samples}
    assert (values["sum"], values["count"]) == (12.5, sum(counts))


def test_calls_of_the_host_are_added_up_over_components_that_come_and_go() -> None:
    """By function; a component that goes takes nothing from the sum."""
    calls: dict[str, dict[str, HostCallSample]] = {}

    def used(count: int) -> HostCallSample:
        return HostCallSample(Times((count,) + (0,) * len(BOUNDS), count / 2), count * 3)

    metrics = Metrics(lambda: Snapshot(1.0, host_calls=calls))
    name = "airswasm_host_call_seconds_count", "x#f"
    for step, total in (
        ({"a/a": {"x#f": used(2)}, "a/b": {"x#f": used(3)}}, 5),
        ({"a/a": {"x#f": used(4)}}, 7),
        ({"a/a": {"x#f": used(4)}, "a/b": {"x#f": used(1)}}, 8),
        ({}, 8),
    ):
        calls = step
        figures = read(metrics)
        assert figures[name] == total
        assert figures["airswasm_host_call_fuel_total", "x#f"] == 3 * total


def test_figures_of_the_host() -> None:
    """Messages by outcome, dead letters by reason, and the store."""
    snapshot = Snapshot(
        1.0, messages={"sent": 7}, dead_letters={"crashed": 2}, audit_lines=9, storage_failure="x"
    )
    figures = read(Metrics(lambda: snapshot))
    assert figures["airswasm_messages_total", "sent"] == 7
    assert figures["airswasm_dead_letters_total", "crashed"] == 2
    assert figures["airswasm_audit_lines_total", ""] == 9
    assert figures["airswasm_storage_writable", ""] == 0
    assert ("airswasm_storage_syncs_total", "") not in figures


@given(NAMES, st.integers(0, 10))
def test_series_are_bounded_and_sums_stay_right(names: list[str], limit: int) -> None:
    """At most `limit` names and one for the rest; nothing is lost in the sum."""
    samples = tuple(
        ComponentSample(name, "running", 0.0, handled=number)
        for number, name in enumerate(names, 1)
    )
    metrics = Metrics(lambda: Snapshot(1.0, samples), series_limit=limit)
    for _ in range(2):
        figures = read(metrics)
        own = {label: v for (name, label), v in figures.items() if name.endswith("messages_total")}
        own = {label: value for label, value in own.items() if label}
        assert len(own) <= limit + 1
        assert (OTHER in own) == (len(names) > limit)
        assert sum(own.values()) == sum(range(1, len(names) + 1))


def test_a_name_keeps_its_series() -> None:
    """A component that had a series of its own keeps it when others come."""
    samples = [ComponentSample("a/b", "running", 0.0)]
    metrics = Metrics(lambda: Snapshot(1.0, tuple(samples)), series_limit=1)
    read(metrics)
    samples.insert(0, ComponentSample("a/a", "running", 0.0))
    figures = read(metrics)
    assert ("airswasm_component_running", "a/b") in figures
    assert ("airswasm_component_running", OTHER) in figures


def test_a_component_that_goes_frees_its_series() -> None:
    """After any number of names a new one has its own again."""
    samples: list[ComponentSample] = []
    metrics = Metrics(lambda: Snapshot(1.0, tuple(samples)), series_limit=2)
    for number in range(1_000):
        samples[:] = [ComponentSample(f"a/n{number}", "running", 0.0, fuel_used=1)]
        figures = read(metrics)
        assert figures["airswasm_component_fuel_total", f"a/n{number}"] == 1
    assert not any(label == OTHER for _, label in figures)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 9), max_size=6), max_size=8),
    st.integers(0, 4),
)
def test_counters_count_what_happens_whoever_comes_and_goes(
    steps: list[dict[str, int]], limit: int
) -> None:
    """No series falls while it is there, and together they grow by what the components grow."""
    totals: dict[str, float] = {}
    metrics = Metrics(
        lambda: Snapshot(
            1.0, tuple(ComponentSample(n, "running", 0.0, fuel_used=int(totals[n])) for n in step)
        ),
        series_limit=limit,
    )
    before: dict[str, float] = {}
    for step in steps:
        for gone in totals.keys() - step.keys():
            del totals[gone]
        grown = sum(step.values())
        for name, growth in step.items():
            totals[name] = totals.get(name, 0) + growth
        found = read(metrics)
        now = {c: v for (f, c), v in found.items() if f == "airswasm_component_fuel_total"}
        assert len(now.keys() - {OTHER}) == min(limit, len(step))
        assert all(now[label] >= value for label, value in before.items() if label in now)
        left = sum(value for label, value in before.items() if label not in now)
        assert sum(now.values()) == sum(before.values()) - left + grown
        before = now


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.dictionaries(st.sampled_from("abcd"), st.integers(0, 9), max_size=4), max_size=8),
    st.integers(0, 3),
)
def test_histograms_count_what_happens_whoever_comes_and_goes(
    steps: list[dict[str, int]], limit: int
) -> None:
    """Also of components whose times are added up, and of those that had no new message."""
    totals: dict[str, int] = {}

    def times(count: int) -> Times:
        return Times((count, *(0,) * len(BOUNDS)), count / 4)

    metrics = Metrics(
        lambda: Snapshot(
            1.0, tuple(ComponentSample(n, "running", 0.0, handling=times(totals[n])) for n in step)
        ),
        histogram_limit=limit,
    )
    before: dict[str, float] = {}
    for step in steps:
        for gone in totals.keys() - step.keys():
            del totals[gone]
        for name, growth in step.items():
            totals[name] = totals.get(name, 0) + growth
        name = "airswasm_component_handling_seconds_count"
        now = {label: v for (family, label), v in read(metrics).items() if family == name}
        assert len(now.keys() - {OTHER}) <= min(limit, len(step))
        assert all(now[label] >= value for label, value in before.items() if label in now)
        left = sum(value for label, value in before.items() if label not in now)
        assert sum(now.values()) == sum(before.values()) - left + sum(step.values())
        before = now


def test_two_registries_do_not_meet() -> None:
    """Two hosts in one process serve their own figures."""
    first = Metrics(lambda: Snapshot(1.0, messages={"sent": 1}))
    second = Metrics(lambda: Snapshot(1.0, messages={"sent": 2}))
    assert read(first)["airswasm_messages_total", "sent"] == 1
    assert read(second)["airswasm_messages_total", "sent"] == 2


SET = Metric("alarms_set_total", 'Alarms, by "name" \\ place.')
OPEN = Metric("alarms_open", "Alarms that are to ring.", "gauge")


def test_what_blocks_count_is_served_by_their_names() -> None:
    """A declared family is in /metrics without a change of this block, as it was declared."""
    meters = Meters([SET, OPEN])
    metrics = Metrics(lambda: Snapshot(1.0), meters=meters)
    assert "# TYPE airswasm_alarms_set_total counter" in metrics.render().decode()
    meters.add("alarms_set_total", "a/b", 2)
    meters.set("alarms_open", "a/b", 0.5)
    meters.set("alarms_open", "a/c", -1)
    figures = read(metrics)
    assert figures["airswasm_alarms_set_total", "a/b"] == 2
    assert figures["airswasm_alarms_open", "a/b"] == 0.5
    assert figures["airswasm_alarms_open", "a/c"] == -1
    meters.forget("a/b")
    assert ("airswasm_alarms_open", "a/b") not in read(metrics)


@given(NAMES, st.integers(0, 10))
def test_what_blocks_count_has_no_more_series_than_there_may_be(
    names: list[str], limit: int
) -> None:
    """The rest is added up, and a component has its own series in every family or in none."""
    meters = Meters([SET, OPEN])
    components = tuple(ComponentSample(name, "running", 0.0, handled=1) for name in names)
    for name in names:
        meters.add("alarms_set_total", name, 3)
        meters.set("alarms_open", name, 1)
    figures = read(Metrics(lambda: Snapshot(1.0, components), series_limit=limit, meters=meters))
    for family in ("airswasm_alarms_set_total", "airswasm_component_messages_total"):
        series = {label for name, label in figures if name == family}
        assert len(series) == min(len(names), limit + 1)
        assert (OTHER in series) is (len(names) > limit)
    counted = [value for (name, _), value in figures.items() if name == "airswasm_alarms_set_total"]
    assert sum(counted) == 3 * len(names)


@pytest.mark.parametrize(
    "metric",
    [
        Metric("messages_total", "x"),
        Metric("components", "x", "gauge"),
        Metric("component_running", "x", "gauge"),
        Metric("audit_lines_total", "x"),
        Metric("storage_writable", "x", "gauge"),
    ],
    ids=lambda metric: metric.name,
)
def test_two_families_of_one_name_are_refused(metric: Metric) -> None:
    """A scraper rejects the whole page for it, so the host says it at its start."""
    with pytest.raises(ValueError, match=f"airswasm_{metric.name.removesuffix('_total')}"):
        Metrics(lambda: Snapshot(1.0), meters=Meters([metric]))


def test_a_second_label_of_a_family_is_kept_apart() -> None:
    """A counter and a gauge each have a series for each value; `_other` adds up by it."""
    denied = Metric("denied_total", "Denied.", label="capability")
    held = Metric("held", "Held.", "gauge", label="kind")
    meters = Meters([denied, held])
    for component in ("a/a", "b/b", "c/c"):
        meters.add("denied_total", component, 2, label="storage.read")
        meters.add("denied_total", component, label="tcp.connect")
        meters.set("held", component, 3, label="socket")
    components = tuple(ComponentSample(name, "running", 0.0) for name in ("a/a", "b/b", "c/c"))
    metrics = Metrics(lambda: Snapshot(1.0, components), series_limit=1, meters=meters)
    text = metrics.render().decode()
    for component, times in (("a/a", 1), (OTHER, 2)):
        about = f'component="{component}"'
        assert f'denied_total{{capability="storage.read",{about}}} {2.0 * times}' in text
        assert f'denied_total{{capability="tcp.connect",{about}}} {1.0 * times}' in text
        assert f'airswasm_held{{{about},kind="socket"}} {3.0 * times}' in text


@pytest.mark.anyio
async def test_openmetrics_has_the_traces_of_measurements() -> None:
    """A traced message is the exemplar of its bucket, in OpenMetrics and in no other format."""
    async with ActorSystem() as system:
        monitor = Monitor(system, tracing=TracingSettings(traces="on", sample=1.0))
        times = Times((1,) * (len(BOUNDS) + 1), 2.5)
        system.spawn(lambda *_: "yes", name="a/b")
        await system.broker.ask("a/b", b"x", timeout=5)
        (trace,) = monitor.traces.all()
        sample = ComponentSample("a/b", "running", 0.0, handling=times, queueing=times)
        metrics = Metrics(lambda: Snapshot(1.0, (sample,)), receipts=monitor.traces.recent.receipts)
        page = (await metrics.scrape(is_openmetrics=True)).decode()
        assert trace.trace_id.encode() not in await metrics.scrape()
        monitor.close()
    found = [
        each
        for family in openmetrics_families(page)
        for each in family.samples
        if each.exemplar is not None
    ]
    assert {each.name for each in found} == {
        "airswasm_component_handling_seconds_bucket", "airswasm_component_queue_seconds_bucket",
    }  # fmt: skip
    for each in found:
        assert each.exemplar.labels == {"trace_id": trace.trace_id}
        assert each.exemplar.value <= float(each.labels["le"])
