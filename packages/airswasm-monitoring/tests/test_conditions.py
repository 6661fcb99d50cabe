"""Conditions mean in the host what they mean in Prometheus.

`promtool test rules` is the oracle: for generated rules over generated series, it must say in each
step what the host's own evaluation says.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import string
import subprocess
from pathlib import Path
from typing import Any

import pytest
from airswasm.monitoring import AlertRule, AlertSettings
from airswasm.monitoring._alerts.condition import (
    Aggregation,
    Arithmetic,
    Comparison,
    Condition,
    Matcher,
    Metric,
    Number,
    Value,
    Windowed,
)
from airswasm.monitoring._alerts.evaluating import evaluate
from airswasm.monitoring._alerts.history import Labels, Sample, SampleHistory, windows_of
from airswasm.monitoring._alerts.promql import condition_promql
from airswasm.monitoring._alerts.reading import parse_condition
from airswasm.monitoring._alerts.states import ActiveAlert, next_alerts
from airswasm.monitoring.errors import ConditionInvalid
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

NEEDS_PROMTOOL = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="needs Prometheus' promtool"
)
STEP = 15
"""Seconds between two collections, and evaluations."""
STEPS = 24
RUNS = int(os.environ.get("AIRSWASM_SEEDS", "12"))
"""Calls of promtool, each with a dozen rules."""
METRICS = ("a_total", "b", "c")
NAMES = ("x/one", "x/two", "y/one")

labels_of = st.lists(st.sampled_from(["component", "kind"]), unique=True).map(sorted).map(tuple)
numbers = st.sampled_from([0.0, 0.5, 1.0, 2.0, 3.0, 7.0, -1.0, 0.1])
limits = st.sampled_from([0.30071, 1.70037, 2.90053, 4.10071, 8.30019, -0.70013, 0.01303, 0.0])
"""Numbers that no sum or mean of the values is, but for zero: the last bit may differ."""
patterns = st.sampled_from(["x/.*", "x/one|y/one", ".+one", "", "z", r"x/.one|x/t.*", "x/tw."])
matchers = st.one_of(
    st.builds(
        Matcher, st.sampled_from(["component", "kind"]), st.sampled_from(["=", "!="]),
        st.sampled_from(["x/one", "k", "", "no"]),
    ),
    st.builds(Matcher, st.just("component"), st.sampled_from(["=~", "!~"]), patterns),
)  # fmt: skip
metrics = st.builds(Metric, st.sampled_from(METRICS), st.lists(matchers, max_size=2).map(tuple))
windowed = st.builds(
    Windowed,
    st.sampled_from(["rate", "increase", "avg_over_time", "max_over_time", "min_over_time"]),
    metrics,
    st.sampled_from([15_000, 20_000, 60_000, 100_000, 300_000]),
)
vectors: st.SearchStrategy[Value] = st.recursive(
    metrics | windowed,
    lambda inner: st.one_of(
        st.builds(
            Aggregation, st.sampled_from(["sum", "avg", "max", "min", "count"]), labels_of, inner
        ),
        st.builds(Arithmetic, st.sampled_from("+-*/"), inner, inner),
        st.builds(
            Arithmetic, st.sampled_from("+-*/"), inner, numbers.filter(lambda n: n >= 0).map(Number)
        ),
    ),
    max_leaves=3,
)
ordered = st.sampled_from([">", ">=", "<", "<="])
firsts = st.builds(Comparison, vectors, ordered | st.sampled_from(["==", "!="]), limits)
others = st.builds(Comparison, vectors, ordered, limits, st.none() | labels_of)
conditions = st.builds(
    lambda first, further: Condition((first, *further)), firsts, st.lists(others, max_size=1)
)
values = st.sampled_from([None, 0, 0, 1, 2, 3, 5, 8, 100, 0.25])
series = st.lists(values, min_size=STEPS, max_size=STEPS)
counters = st.lists(st.sampled_from([None, 0, 0, 1, 2, 5, "reset"]), min_size=STEPS, max_size=STEPS)


def written(condition: Condition) -> str:
    """A condition as an operator would write it: the labels of scrapes are not in it."""
    text = condition_promql(condition)
    for scraped, own in ((", instance, job", ""), ("instance, job, ", ""), ("instance, job", "")):
        text = text.replace(scraped, own)
    return text.replace("instance, ", "").replace(", job", "")


@st.composite
def rules(draw: Any, name: str) -> AlertRule:
    """A rule, sometimes with a time, sometimes with a threshold to clear."""
    condition = draw(conditions)
    first = condition.comparisons[0]
    clear = None
    if first.operator in (">", ">=", "<", "<=") and draw(st.booleans()):
        distance = draw(st.sampled_from([0.0, 0.7, 2.3]))
        clear = first.number - distance if first.operator[0] == ">" else first.number + distance
    held = draw(st.sampled_from([0, 15, 30, 40, 120]))
    return AlertRule(name, written(condition), for_seconds=float(held), clear=clear)


def counted(steps: list[Any]) -> list[float | None]:
    """The values of a counter that grows, begins anew, and is absent now and then."""
    total, found = 0.0, list[float | None]()
    for step in steps:
        total = 0.0 if step == "reset" else total + (step or 0)
        found.append(None if step is None else total)
    return found


@st.composite
def worlds(draw: Any) -> dict[tuple[str, Labels], list[float | None]]:
    """Series of several metrics, each with the labels of components."""
    found: dict[tuple[str, Labels], list[float | None]] = {}
    for metric in METRICS:
        for name in draw(st.lists(st.sampled_from(NAMES), unique=True, min_size=1)):
            kind = draw(st.sampled_from(["", "k"]))
            labels = (("component", name), *((("kind", kind),) if kind else ()))
            drawn = draw(counters if metric == "a_total" else series)
            found[metric, labels] = counted(drawn) if metric == "a_total" else drawn
    return found


def stepwise(
    rule: AlertRule, world: dict[tuple[str, Labels], list[float | None]]
) -> list[dict[Labels, ActiveAlert]]:
    """The alerts of a rule after each step, as the host has them."""
    history = SampleHistory(windows_of([rule.condition]))
    alerts: dict[Labels, ActiveAlert] = {}
    found = []
    for step in range(STEPS):
        samples: list[Sample] = [
            (name, labels, float(value))
            for (name, labels), each in world.items()
            if (value := each[step]) is not None
        ]
        history.add(step * STEP * 1_000, samples)
        alerts = next_alerts(rule, history, alerts)
        found.append(alerts)
    return found


def as_input(values: list[float | None]) -> str:
    """A series in promtool's notation: where it ends, a scrape marks it as stale."""
    found, before = [], None
    for value in values:
        if value is not None:
            found.append(f"{value:g}")
        else:
            found.append("_" if before is None else "stale")
        before = value
    return " ".join(found)


def as_series(name: str, labels: Labels) -> str:
    inside = ", ".join(f"{key}={json.dumps(value)}" for key, value in labels)
    return f"{name}{{{inside}}}"


def promtool(folder: Path, rules: list[AlertRule], tests: dict[str, Any]) -> str:
    """What promtool has against the tests; empty for nothing."""
    groups = [
        {
            "name": "generated",
            "rules": [
                {"alert": each.name, "expr": each.promql, "for": f"{each.for_seconds:g}s",
                 "labels": {"severity": each.severity}}
                for each in rules
            ],
        }
    ]  # fmt: skip
    (folder / "rules.yml").write_text(json.dumps({"groups": groups}))
    (folder / "tests.yml").write_text(json.dumps(tests))
    done = subprocess.run(
        ["promtool", "test", "rules", "tests.yml"],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return "" if done.returncode == 0 else done.stdout + done.stderr


@NEEDS_PROMTOOL
@settings(
    max_examples=RUNS,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # to shrink takes thousands of calls
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow,
                           HealthCheck.data_too_large, HealthCheck.large_base_example],
)  # fmt: skip
@given(data=st.data())
def test_the_host_fires_when_prometheus_does(data: Any, tmp_path: Path) -> None:
    """In every step of generated series, every generated rule fires for the same labels in both."""
    world = data.draw(worlds())
    drawn = [data.draw(rules(f"R{number}")) for number in range(12)]
    cases = []
    for rule in drawn:
        for step, alerts in enumerate(stepwise(rule, world)):
            firing = [
                {"exp_labels": {**dict(alert.labels), "severity": "warning"}}
                for alert in alerts.values()
                if alert.state == "firing"
            ]
            cases.append(
                {"eval_time": f"{step * STEP}s", "alertname": rule.name, "exp_alerts": firing}
            )
    tests = {
        "rule_files": ["rules.yml"],
        "evaluation_interval": f"{STEP}s",
        "tests": [
            {
                "interval": f"{STEP}s",
                "input_series": [
                    {"series": as_series(name, labels), "values": as_input(values)}
                    for (name, labels), values in world.items()
                ],
                "alert_rule_test": cases,
            }
        ],
    }
    assert promtool(tmp_path, drawn, tests) == ""


@given(conditions)
def test_a_condition_can_be_written_down_and_read(condition: Condition) -> None:
    """Nothing of the tree is lost on the way through the text."""
    assert parse_condition(written(condition)) == condition


@pytest.mark.parametrize(
    ("text", "position", "reason"),
    [
        ("", 0, "expected a metric, a function or a number"),
        ("up", 2, "expected a comparison"),
        ("up >", 4, "expected a number"),
        ("a > b", 4, "write the metrics on the left"),
        ("1 > 2", 0, "not a number alone"),
        ("sum(1) > 2", 4, "not a number alone"),
        ("irate(x[5m]) > 1", 0, "has no function `irate`"),
        ("rate(x[2h]) > 1", 7, "a window is from 1ms to 60m"),
        ("rate(x) > 1", 6, "expected `[`"),
        ("x[5m] > 1", 1, "expected a comparison"),
        ('x{a="b" > 1', 8, "expected `,`"),
        ('x{a=~"(b)+"} > 1', 5, "a pattern has letters"),
        ('x{a=~"b*"} > 1', 5, "stand after a dot"),
        ("x > 1 or y > 1", 6, "write two rules"),
        ("x > bool 1", 4, "has no `bool`"),
        ("x > 1 é", 6, "has no meaning here"),
        ("(" * 30 + "x > 1", 20, "nested too deeply"),
        ("x > 1 and on component y > 1", 13, "expected `(`"),
        ("x" * 1_001, 1_000, "over 1000 characters"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_with_the_place(
    text: str, position: int, reason: str
) -> None:
    """The error has the character where reading ended, and what was expected there."""
    with pytest.raises(ConditionInvalid, match=r".*") as caught:
        parse_condition(text)
    assert caught.value.position == position
    assert reason in str(caught.value)


@given(st.text(string.printable, max_size=60) | st.text(max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    """A text is a condition or a `ConditionInvalid`, and nothing else."""
    try:
        condition = parse_condition(text)
    except ConditionInvalid:
        return
    assert evaluate(condition, SampleHistory(windows_of([condition]))) == {}


def test_numbers_that_are_none_are_no_alert() -> None:
    """What a division by zero leaves is compared as Prometheus compares it."""
    condition = parse_condition("a / b > 0.5")
    history = SampleHistory(windows_of([condition]))
    history.add(0, [("a", (), 0.0), ("b", (), 0.0)])
    assert evaluate(condition, history) == {}
    history.add(1, [("a", (), 1.0), ("b", (), 0.0)])
    assert evaluate(condition, history) == {(): math.inf}


def test_the_history_is_bounded_by_the_windows() -> None:
    """Samples older than the longest window go, and so do series without any in it."""
    condition = parse_condition("rate(a[1m]) > 1 and b > 1")
    history = SampleHistory(windows_of([condition]))
    for second in range(200):
        labels = (("component", f"c/{second // 100}"),)
        history.add(second * 1_000, [("a", labels, 1.0), ("b", labels, 1.0), ("z", (), 1.0)])
    (found,) = history.window(Metric("a"), 10**9)
    assert found[0] == (("component", "c/1"),)
    assert len(found[1]) == 61
    assert [len(times) for _, times, _ in history.window(Metric("b"), 10**9)] == [1]
    assert list(history.present(Metric("z"))) == []


def test_every_default_rule_can_be_read() -> None:
    """Each has a summary, a condition, and an expression for Prometheus."""
    for rule in AlertSettings().all_rules:
        assert rule.annotations["summary"]
        assert rule.promql.startswith(condition_promql(rule.condition))
