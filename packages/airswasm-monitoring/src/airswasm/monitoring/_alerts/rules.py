"""The parts of an alert rule."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Literal

from ..errors import ConditionInvalid
from .condition import Condition
from .promql import rule_promql
from .reading import parse_condition

__all__ = ("AlertRule", "Severity", "rendered")

Severity = Literal["info", "warning", "critical"]

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}", re.ASCII)
_LABEL = re.compile(r"[a-z][a-z0-9_]{0,63}", re.ASCII)
_TAKEN = ("alertname", "alertstate", "component", "instance", "job", "severity")
_PLACE = re.compile(r"\{\{\s*(.*?)\s*\}\}")
_FIELD = re.compile(r"\$value|\$labels\.[a-z][a-z0-9_]*", re.ASCII)
_MOST_TEXT = 500
_MOST_LABELS = 20


@dataclass(frozen=True, slots=True)
class AlertRule:
    """One `[[alerts.rules]]`: when there is an alert, and what its readers are told.

    Attributes:
        name: By which it is shown; `CrashLoop`.
        when: The condition, a part of PromQL; see docs/alerts.md.
        for_seconds: How long the condition must have held before the alert fires.
        clear: The number of the first comparison while the alert fires, so that a value that
            moves about the limit does not fire again and again; None for the same.
        severity: `info`, `warning` or `critical`.
        labels: Further labels of the alert, for receivers.
        annotations: Texts for people: `summary`, `description`. `{{ $labels.component }}` and
            `{{ $value }}` stand for what the alert is about.
    """

    name: str
    when: str
    for_seconds: float = 0.0
    clear: float | None = None
    severity: Severity = "warning"
    labels: Mapping[str, str] = field(default_factory=dict[str, str], hash=False)
    annotations: Mapping[str, str] = field(default_factory=dict[str, str], hash=False)

    def __post_init__(self) -> None:
        if _NAME.fullmatch(self.name) is None:
            raise ValueError(f"{self.name[:80]!r} is no name of a rule: letters, digits and _")
        try:
            self._check()
        except ConditionInvalid as error:
            raise ConditionInvalid(
                error.text, error.position, error.reason, rule=self.name
            ) from None
        except ValueError as error:
            raise ValueError(f"{self.name}: {error}") from None

    def _check(self) -> None:
        if not 0 <= self.for_seconds <= 7 * 86_400:
            raise ValueError("for_seconds must be from 0 to a week")
        first = self.condition.comparisons[0]
        if self.clear is not None:
            low, high = self.clear, first.number
            if first.operator in ("<", "<="):
                low, high = high, low
            elif first.operator not in (">", ">="):
                low, high = 1.0, 0.0
            if not low <= high:
                raise ValueError(
                    f"clear = {self.clear:g} does not hold longer than `{first.operator} "
                    f"{first.number:g}`: it is lower for > and higher for <"
                )
        if max(len(self.labels), len(self.annotations)) > _MOST_LABELS:
            raise ValueError(f"a rule has at most {_MOST_LABELS} labels and annotations")
        for name, text in {**self.labels, **self.annotations}.items():
            if _LABEL.fullmatch(name) is None or (name in _TAKEN and name in self.labels):
                raise ValueError(f"{name[:80]!r} cannot be a label of a rule: choose another")
            if len(text) > _MOST_TEXT:
                raise ValueError(f"{name} is over {_MOST_TEXT} characters")
        for name, text in self.annotations.items():
            for found in _PLACE.findall(text):
                if _FIELD.fullmatch(found) is None:
                    raise ValueError(
                        f"{name}: only {{{{ $value }}}} and {{{{ $labels.NAME }}}} are replaced, "
                        f"not {{{{ {found[:40]} }}}}"
                    )
            if "{{" in _PLACE.sub("", text):
                raise ValueError(f"{name}: a {{{{ is not closed with }}}}")
        if any("{{" in text for text in self.labels.values()):
            raise ValueError("labels are fixed texts: write {{ … }} in annotations")

    @property
    def condition(self) -> Condition:
        """The condition, read."""
        return _parsed(self.when)

    @property
    def condition_to_stay(self) -> Condition:
        """The condition while it fires."""
        condition = self.condition
        if self.clear is None:
            return condition
        first, *further = condition.comparisons
        return Condition((replace(first, number=self.clear), *further))

    @property
    def promql(self) -> str:
        """The expression of the same rule in Prometheus."""
        labels = (*self.labels, "severity")
        return rule_promql(self.name, self.condition, clear=self.clear, labels=labels)


def rendered(text: str, labels: Mapping[str, str], value: float) -> str:
    """Return an annotation with what the alert is about in its places."""
    return _PLACE.sub(
        lambda found: f"{value:g}" if found[1] == "$value" else labels.get(found[1][8:], ""), text
    )


_parsed = lru_cache(maxsize=1_000)(parse_condition)
