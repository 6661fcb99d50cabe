"""The tree of an alert's condition; `reading` has the form, `evaluating` the meaning."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, TypeAlias, TypeVar

__all__ = (
    "MOST_WINDOW_SECONDS",
    "Aggregation",
    "AggregationFunction",
    "Arithmetic",
    "Comparison",
    "Condition",
    "Matcher",
    "MatcherOperator",
    "Metric",
    "Number",
    "Operator",
    "Value",
    "WindowFunction",
    "Windowed",
    "is_of_metrics",
    "parts_in",
    "parts_of",
)

MOST_WINDOW_SECONDS = 3_600
"""The longest window: the samples in it are kept in memory."""

T = TypeVar("T")
WindowFunction = Literal["rate", "increase", "avg_over_time", "max_over_time", "min_over_time"]
AggregationFunction = Literal["sum", "avg", "max", "min", "count"]
Operator = Literal[">", ">=", "<", "<=", "==", "!="]
MatcherOperator = Literal["=", "!=", "=~", "!~"]


@dataclass(frozen=True, slots=True)
class Number:
    """A number."""

    value: float


@dataclass(frozen=True)
class Matcher:
    """A label, and what its value must be."""

    label: str
    operator: MatcherOperator
    text: str

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile("|".join(f"(?:{_translated(each)})" for each in self.text.split("|")))

    def accepts(self, value: str) -> bool:
        """Return whether a label's value is one of them."""
        if self.operator in ("=", "!="):
            return (value == self.text) == (self.operator == "=")
        return (self._pattern.fullmatch(value) is not None) == (self.operator == "=~")


@dataclass(frozen=True, slots=True)
class Metric:
    """The present values of one metric."""

    name: str
    matchers: tuple[Matcher, ...] = ()


@dataclass(frozen=True, slots=True)
class Windowed:
    """A function of the values of a metric in the last milliseconds."""

    function: WindowFunction
    metric: Metric
    window: int


@dataclass(frozen=True, slots=True)
class Aggregation:
    """Values added up, or the like, those of equal labels together."""

    function: AggregationFunction
    by: tuple[str, ...]
    value: Value


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """Two values, those of equal labels together, and what is computed of them."""

    operator: Literal["+", "-", "*", "/"]
    left: Value
    right: Value


Value: TypeAlias = Number | Metric | Windowed | Aggregation | Arithmetic


@dataclass(frozen=True, slots=True)
class Comparison:
    """A value, and the number that it is compared with.

    Attributes:
        value: Has values by labels.
        operator: How it is compared.
        number: With what.
        on: Of a further comparison: the labels that must be equal; None for all.
    """

    value: Value
    operator: Operator
    number: float
    on: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Condition:
    """Comparisons that all must hold; the first has the labels and the value of the alert."""

    comparisons: tuple[Comparison, ...]
    text: str = field(default="", compare=False)

    @property
    def window(self) -> int:
        """The longest window, in milliseconds; 0 without one."""
        return max((each.window for each in parts_of(self, Windowed)), default=0)

    @property
    def metrics(self) -> frozenset[str]:
        """The names of the metrics that it reads."""
        return frozenset(each.name for each in parts_of(self, Metric))


def is_of_metrics(value: Value) -> bool:
    """Return whether a metric is in a value, so that it has values by labels."""
    return any(True for _ in parts_in(value, Metric))


def parts_of(condition: Condition, kind: type[T]) -> Iterator[T]:
    """Iterate over the parts of a condition that are of one kind, from left to right."""
    for each in condition.comparisons:
        yield from parts_in(each.value, kind)


def parts_in(value: Value, kind: type[T]) -> Iterator[T]:
    """Iterate over the parts of a value that are of one kind, itself included."""
    if isinstance(value, kind):
        yield value
    match value:
        case Windowed():
            yield from parts_in(value.metric, kind)
        case Aggregation():
            yield from parts_in(value.value, kind)
        case Arithmetic():
            yield from parts_in(value.left, kind)
            yield from parts_in(value.right, kind)
        case _:
            pass


def _translated(pattern: str) -> str:
    """Return a pattern as Python's, so that it matches what Prometheus' RE2 matches."""
    parts = re.split(r"(\\\.|\.[*+]|\.)", pattern)
    return "".join(each if each[:1] in (".", "\\") else re.escape(each) for each in parts)
