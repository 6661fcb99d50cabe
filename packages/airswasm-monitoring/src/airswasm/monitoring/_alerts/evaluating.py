"""The meaning of a condition, over the samples of one host: what Prometheus' engine says, too.

The functions follow Prometheus' documentation and, where that leaves a case open, the observed
behaviour of Prometheus 2.42, against which a property test holds them (`promtool test rules`).
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import eq, ge, gt, le, lt, ne
from typing import TypeAlias

from .condition import (
    Aggregation,
    AggregationFunction,
    Arithmetic,
    Comparison,
    Condition,
    Metric,
    Number,
    Operator,
    Value,
    Windowed,
)
from .history import Labels, SampleHistory

__all__ = ("evaluate",)

_Vector: TypeAlias = dict[Labels, float]
_COMPARED: Mapping[Operator, Callable[[float, float], bool]] = {
    ">": gt, ">=": ge, "<": lt, "<=": le, "==": eq, "!=": ne,
}  # fmt: skip
_LIMIT = 1.1
"""Of the mean distance of samples: nearer to the window's end, a series goes on to it."""


def evaluate(condition: Condition, history: SampleHistory) -> Mapping[Labels, float]:
    """Return the values of the first comparison for which the whole condition holds, by labels."""
    first, *further = condition.comparisons
    held = _compared(first, history)
    for each in further:
        others = _compared(each, history)
        keys = {_of(labels, each.on) for labels in others}
        held = {labels: value for labels, value in held.items() if _of(labels, each.on) in keys}
    return held


def _compared(comparison: Comparison, history: SampleHistory) -> _Vector:
    found = _value(comparison.value, history)
    holds = _COMPARED[comparison.operator]
    assert isinstance(found, dict)
    return {labels: value for labels, value in found.items() if holds(value, comparison.number)}


def _of(labels: Labels, on: Iterable[str] | None) -> Labels:
    return labels if on is None else tuple(each for each in labels if each[0] in on)


def _value(value: Value, history: SampleHistory) -> _Vector | float:
    match value:
        case Number():
            return value.value
        case Metric():
            return dict(history.present(value))
        case Windowed():
            return _windowed(value, history)
        case Aggregation():
            return _aggregated(value, history)
        case Arithmetic():
            return _computed(value, history)


def _windowed(value: Windowed, history: SampleHistory) -> _Vector:
    found: _Vector = {}
    for labels, times, values in history.window(value.metric, value.window):
        match value.function:
            case "rate" | "increase":
                grown = _increase(times, values, history.now - value.window, history.now)
                if grown is None:
                    continue
                is_rate = value.function == "rate"
                found[labels] = grown / (value.window / 1_000) if is_rate else grown
            case "avg_over_time":
                found[labels] = math.fsum(values) / len(values)
            case "max_over_time":
                found[labels] = _extreme(values, gt)
            case "min_over_time":
                found[labels] = _extreme(values, lt)
    return found


def _increase(times: array[int], values: array[float], start: int, end: int) -> float | None:
    """Return what a counter has grown in a window; None where that takes another sample.

    The samples do not begin and end with the window, so the growth between the first and the last
    is extended to its ends where they are near, and else by half the distance of two samples. A
    counter is not extended to before it was zero. One that goes down has begun anew from zero.
    """
    if len(values) < 2:
        return None
    grown = values[-1] - values[0]
    before = values[0]
    for value in values[1:]:
        if value < before:
            grown += before
        before = value
    sampled = (times[-1] - times[0]) / 1_000
    distance = sampled / (len(times) - 1)
    to_start, to_end = (times[0] - start) / 1_000, (end - times[-1]) / 1_000
    if grown > 0 and values[0] >= 0:
        to_start = min(to_start, sampled * (values[0] / grown))
    covered = sampled
    for rest in (to_start, to_end):
        covered += rest if rest < distance * _LIMIT else distance / 2
    return grown * (covered / sampled)


def _extreme(values: Iterable[float], is_beyond: Callable[[float, float], bool]) -> float:
    """Return the largest or the smallest; what is not a number counts only alone."""
    found = math.nan
    for value in values:
        if math.isnan(found) or is_beyond(value, found):
            found = value
    return found


def _aggregated(value: Aggregation, history: SampleHistory) -> _Vector:
    groups: dict[Labels, list[float]] = {}
    found = _value(value.value, history)
    assert isinstance(found, dict)
    for labels, each in found.items():
        groups.setdefault(_of(labels, value.by), []).append(each)
    return {labels: _sum(value.function, values) for labels, values in groups.items()}


def _sum(function: AggregationFunction, values: Sequence[float]) -> float:
    match function:
        case "sum":
            return sum(values)
        case "avg":
            return sum(values) / len(values)
        case "max":
            return _extreme(values, gt)
        case "min":
            return _extreme(values, lt)
        case "count":
            return float(len(values))


def _computed(value: Arithmetic, history: SampleHistory) -> _Vector | float:
    left, right = _value(value.left, history), _value(value.right, history)
    operator = value.operator
    if isinstance(left, dict) and isinstance(right, dict):
        shared = left.keys() & right.keys()
        return {each: _compute(operator, left[each], right[each]) for each in shared}
    if isinstance(left, dict):
        assert isinstance(right, float)
        return {each: _compute(operator, one, right) for each, one in left.items()}
    if isinstance(right, dict):
        return {each: _compute(operator, left, one) for each, one in right.items()}
    return _compute(operator, left, right)


def _compute(operator: str, left: float, right: float) -> float:
    match operator:
        case "+":
            return left + right
        case "-":
            return left - right
        case "*":
            return left * right
        case _:
            if right == 0:
                is_negative = (left < 0) != (math.copysign(1.0, right) < 0)
                return (
                    math.nan
                    if left == 0 or math.isnan(left)
                    else -math.inf
                    if is_negative
                    else math.inf
                )
            return left / right
