"""Conditions and rules as Prometheus has them.

A scrape adds the labels `job` and `instance`. So that the components of two hosts are not added up,
and a host is not judged by the figures of another, they join the labels by which values are
grouped.

A threshold to clear becomes a second condition, which holds while the alert fires: Prometheus
writes the series `ALERTS` about it. That is the hysteresis that Prometheus does not have.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace

from .condition import Aggregation, Arithmetic, Comparison, Condition, Metric, Number, Value

__all__ = ("condition_promql", "rule_promql")

_SCRAPED = ("instance", "job")
_OWN = ("alertname", "alertstate")


def condition_promql(condition: Condition) -> str:
    """Return a condition as PromQL over the scrapes of any number of hosts."""
    first, *further = condition.comparisons
    parts = [_comparison(first)]
    for each in further:
        on = "" if each.on is None else f"on ({', '.join(sorted({*each.on, *_SCRAPED}))}) "
        parts.append(f"{on}{_comparison(each)}")
    return " and ".join(parts)


def rule_promql(
    name: str, condition: Condition, *, clear: float | None, labels: Iterable[str]
) -> str:
    """Return the expression of a rule.

    Args:
        name: The rule's name.
        condition: When it becomes active.
        clear: The number of the first comparison while it fires; None for the same.
        labels: The names of the rule's own labels.
    """
    text = condition_promql(condition)
    if clear is None:
        return text
    first, *further = condition.comparisons
    kept = Condition((replace(first, number=clear), *further))
    ignored = ", ".join(sorted({*_OWN, *labels}))
    fires = f'ALERTS{{alertname={json.dumps(name)}, alertstate="firing"}}'
    return f"{text} or {condition_promql(kept)} and ignoring ({ignored}) {fires}"


def _comparison(each: Comparison) -> str:
    return f"{_value(each.value)} {each.operator} {_number(each.number)}"


def _value(value: Value) -> str:
    match value:
        case Number():
            return _number(value.value)
        case Metric():
            return _metric(value)
        case Aggregation():
            by = ", ".join(sorted({*value.by, *_SCRAPED}))
            return f"{value.function} by ({by}) ({_value(value.value)})"
        case Arithmetic():
            return f"{_operand(value.left)} {value.operator} {_operand(value.right)}"
        case _:
            return f"{value.function}({_metric(value.metric)}[{_duration(value.window)}])"


def _operand(value: Value) -> str:
    return f"({_value(value)})" if isinstance(value, Arithmetic) else _value(value)


def _metric(metric: Metric) -> str:
    matchers = ", ".join(
        f"{each.label}{each.operator}{_quoted(each.text)}" for each in metric.matchers
    )
    return f"{metric.name}{{{matchers}}}" if matchers else metric.name


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _number(number: float) -> str:
    number = float(number)
    return str(int(number)) if number.is_integer() and abs(number) < 2**53 else repr(number)


def _duration(milliseconds: int) -> str:
    for unit, size in (("h", 3_600_000), ("m", 60_000), ("s", 1_000)):
        if milliseconds % size == 0:
            return f"{milliseconds // size}{unit}"
    return f"{milliseconds}ms"
