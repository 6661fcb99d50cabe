"""Conditions mean in the host what they mean in Prometheus.

`promtool test rules` is the oracle: for generated rules over generated series, it must say in each
step what the host's own evaluation says.
"""

from __future__ import annotations

import json
import math
import os
import random
import shutil
import string
import subprocess
from dataclasses import replace
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
from airswasm.monitoring._dashboards.prometheus import rule_file
from airswasm.monitoring.errors import ConditionInvalid
from hypothesis import given
from hypothesis import strategies as st

NEEDS_PROMTOOL = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="needs Prometheus' promtool"
)
STEP = 15
"""Seconds between two collections, and evaluations."""
STEPS = 24
RUNS = int(os.environ.get("AIRSWASM_ALERT_SEEDS", "12"))
"""Calls of promtool, each with 40 rules."""
METRICS = ("a_total", "b", "c")
NAMES = ("x/one", "x/two", "y/one")
LABELS: list[Labels] = [
    (("component", name), *kind) for name in NAMES for kind in ((), (("kind", "k"),))
]

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


def written(condition: Condition) -> str:
    """A condition as an operator would write it: the labels of scrapes are not in it."""
    text = condition_promql(condition)
    for scraped, own in ((", instance, job", ""), ("instance, job, ", ""), ("instance, job", "")):
        text = text.replace(scraped, own)
    return text.replace("instance, ", "").replace(", job", "")


class Drawn:
    """Series and rules drawn from a seed.

    Hypothesis draws small things first, of which most rules never fire; the numbers here are
    near values that the series have.
    """

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.world = {
            (metric, labels): self.values(is_counter=metric == "a_total")
            for metric in METRICS
            for labels in self.random.sample(LABELS, self.random.randint(1, len(LABELS)))
        }

    def values(self, *, is_counter: bool) -> list[float | None]:
        """The values of a series that is absent now and then; a counter begins anew sometimes."""
        found, total, is_there = list[float | None](), 0.0, self.random.random() < 0.8
        for _ in range(STEPS):
            if self.random.random() < 0.12:
                is_there = not is_there
            if self.random.random() < 0.07:
                total = 0.0
            total += self.random.choice([0, 0, 1, 2, 5, 40])
            gauge = self.random.choice([0.0, 0.0, 1.0, 2.0, 3.0, 8.0, 0.25, 100.0])
            found.append((total if is_counter else gauge) if is_there else None)
        return found

    def metric(self, name: str) -> Metric:
        matchers = [
            Matcher("component", "=~", self.random.choice(["x/.*", ".+one", "x/one|y/one"])),
            Matcher("component", "!~", "x/tw."),
            Matcher("kind", "!=", "k"),
            Matcher("component", "=", "x/one"),
        ]
        return Metric(name, tuple(self.random.sample(matchers, self.random.choice([0, 0, 1, 2]))))

    def value(self, depth: int = 2) -> Value:
        kind = self.random.random()
        if not depth or kind < 0.6:
            window = self.random.choice([15_000, 20_000, 60_000, 100_000, 300_000])
            match self.random.choice(["metric", "rate", "increase", "avg", "max", "min"]):
                case "metric":
                    return self.metric(self.random.choice(METRICS))
                case "rate" | "increase" as function:
                    return Windowed(function, self.metric("a_total"), window)
                case function:
                    metric = self.metric(self.random.choice(METRICS))
                    return Windowed(f"{function}_over_time", metric, window)  # type: ignore[arg-type]
        if kind < 0.8:
            by = tuple(sorted(self.random.sample(["component", "kind"], self.random.randint(0, 2))))
            function = self.random.choice(["sum", "avg", "max", "min", "count"])
            return Aggregation(function, by, self.value(depth - 1))  # type: ignore[arg-type]
        right = self.random.choice([Number(2.0), Number(0.1), self.value(depth - 1)])
        operator = self.random.choice("+-*/")
        return Arithmetic(operator, self.value(depth - 1), right)  # type: ignore[arg-type]

    def comparison(self, on: tuple[str, ...] | None = None) -> Comparison:
        """A comparison with a number near to one that the value has in some step."""
        value = self.value()
        anything = Condition((Comparison(value, ">", -1e300),))
        history = SampleHistory(windows_of([anything]))
        seen = [0.0]
        for step in range(STEPS):
            history.add(step * STEP * 1_000, samples_at(self.world, step))
            seen += [each for each in evaluate(anything, history).values() if math.isfinite(each)]
        number = round(self.random.choice(seen), 2) + self.random.choice([0.00371, -0.00411])
        operator = self.random.choice([">", ">=", "<", "<="])
        return Comparison(value, operator, number, on)  # type: ignore[arg-type]

    def rule(self, name: str) -> AlertRule:
        further = []
        if self.random.random() < 0.3:
            further = [self.comparison(self.random.choice([None, (), ("component",)]))]
        first = self.comparison()
        clear = None
        if self.random.random() < 0.5:
            distance = abs(first.number) * self.random.choice([0.5, 0.9]) + 0.5
            clear = first.number + (-distance if first.operator[0] == ">" else distance)
        held = self.random.choice([0, 0, 15, 30, 40, 90])
        text = written(Condition((first, *further)))
        return AlertRule(name, text, for_seconds=float(held), clear=clear)


def samples_at(world: dict[tuple[str, Labels], list[float | None]], step: int) -> list[Sample]:
    return [
        (name, labels, float(value))
        for (name, labels), each in world.items()
        if (value := each[step]) is not None
    ]


def stepwise(
    rule: AlertRule, world: dict[tuple[str, Labels], list[float | None]]
) -> list[dict[Labels, ActiveAlert]]:
    """The alerts of a rule after each step, as the host has them."""
    history = SampleHistory(windows_of([rule.condition]))
    alerts: dict[Labels, ActiveAlert] = {}
    found = []
    for step in range(STEPS):
        history.add(step * STEP * 1_000, samples_at(world, step))
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


def firing_of(drawn: Drawn, rule: AlertRule) -> list[list[Labels]]:
    """Return the labels of the alerts that fire in each step."""
    return [
        sorted(alert.labels for alert in alerts.values() if alert.state == "firing")
        for alerts in stepwise(rule, drawn.world)
    ]


def drawn_rules(drawn: Drawn) -> list[AlertRule]:
    return [drawn.rule(f"R{number}") for number in range(40)]


@NEEDS_PROMTOOL
@pytest.mark.parametrize("seed", range(RUNS))
def test_the_host_fires_when_prometheus_does(seed: int, tmp_path: Path) -> None:
    """In every step of drawn series, every drawn rule fires for the same labels in both."""
    drawn = Drawn(seed)
    rules = drawn_rules(drawn)
    cases = []
    for rule in rules:
        for step, labels in enumerate(firing_of(drawn, rule)):
            expected = [{"exp_labels": {**dict(each), "severity": "warning"}} for each in labels]
            cases.append(
                {"eval_time": f"{step * STEP}s", "alertname": rule.name, "exp_alerts": expected}
            )
    assert promtool(tmp_path, rules, rule_tests(drawn.world, cases)) == ""


@pytest.mark.parametrize("seed", range(12))
def test_drawn_rules_change(seed: int) -> None:
    """Rules that fire always or never would compare nothing."""
    drawn = Drawn(seed)
    rules = drawn_rules(drawn)
    assert any(len({*map(tuple, firing_of(drawn, rule))}) > 2 for rule in rules)


def rule_tests(
    world: dict[tuple[str, Labels], list[float | None]], cases: list[Any]
) -> dict[str, Any]:
    """Tests for promtool: the alerts that fire in each step."""
    return {
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


GROWING = tuple(float(20 * step) for step in range(STEPS))
FAULTS: dict[str, dict[str, Any]] = {
    "ComponentGivenUp": {"component_given_up": 1.0},
    "CrashLoop": {"component_restarts_total": GROWING},
    "MessagesWait": {"component_oldest_message_age_seconds": GROWING},
    "DurableMessagesWait": {"component_oldest_durable_age_seconds": 1_000.0},
    "StorageQuota": {"component_storage_bytes": 95.0, "component_storage_quota_bytes": 100.0},
    "StorageKeysQuota": {"component_storage_keys": 95.0, "component_storage_quota_keys": 100.0},
    "DeadLetters": {"dead_letters_total": GROWING},
    "Denials": {"component_denials_total": GROWING},
    "MessagesRefused": {"message_refusals_total": tuple(50 * value for value in GROWING)},
    "EventLoopLag": {
        "event_loop_lag_seconds_sum": GROWING,
        "event_loop_lag_seconds_count": GROWING,
    },
    "HostMemory": {"host_memory_bytes": 95.0, "host_memory_most_bytes": 100.0},
    "HostDescriptors": {"host_descriptors": 95.0, "host_descriptors_most": 100.0},
    "DiskFull": {"disk_free_bytes": 1.0},
    "StoreRefusesWrites": {"storage_writable": 0.0},
    "AuditNotWritten": {"audit_writable": 0.0},
}  # fmt: skip
"""What makes each rule fire: metrics without their prefix, constant or step by step."""


@NEEDS_PROMTOOL
@pytest.mark.parametrize("rule", AlertSettings().all_rules, ids=lambda rule: rule.name)
def test_every_default_rule_fires_on_its_fault_in_both(rule: AlertRule, tmp_path: Path) -> None:
    """A rule that never fires is none: each has a fault here, and no fault fires another rule."""
    world: dict[tuple[str, Labels], list[float | None]] = {
        (f"airswasm_{name}", (("component", "x/one"),)): list(
            value if isinstance(value, tuple) else (value,) * STEPS
        )
        for name, value in FAULTS[rule.name].items()
    }
    cases = []
    for each in AlertSettings().all_rules:
        steps = stepwise(each, world)
        fired = any(alert.state == "firing" for alerts in steps for alert in alerts.values())
        assert fired == (each.name == rule.name), each.name
        for step, alerts in enumerate(steps):
            expected = [
                {"exp_labels": {**dict(alert.labels), "severity": each.severity}}
                for alert in alerts.values()
                if alert.state == "firing"
            ]
            cases.append(
                {"eval_time": f"{step * STEP}s", "alertname": each.name, "exp_alerts": expected}
            )
    without_texts = [replace(each, annotations={}) for each in AlertSettings().all_rules]
    assert promtool(tmp_path, without_texts, rule_tests(world, cases)) == ""


def test_the_rule_file_can_be_checked(tmp_path: Path) -> None:
    """Whatever is in the texts of rules, the file says it to Prometheus as it is."""
    if shutil.which("promtool") is None:
        pytest.skip("needs Prometheus' promtool")
    awkward = 'a: "b" #c\n- d\\ \u2028 {{ $value }} é'
    rule = AlertRule(
        "Odd", 'x{component="a\\"b"} > 1', labels={"team": awkward.replace("{{ $value }}", "")},
        annotations={"summary": awkward},
    )  # fmt: skip
    (tmp_path / "rules.yml").write_text(rule_file([*AlertSettings().all_rules, rule]))
    subprocess.run(["promtool", "check", "rules", "rules.yml"], cwd=tmp_path, check=True)
