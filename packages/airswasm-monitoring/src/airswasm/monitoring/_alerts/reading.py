"""The conditions of alerts: a part of PromQL, read into a tree.

Each condition means in the host what it means in Prometheus, so the grammar is that of PromQL with
the forms that one host needs, and a rule file is made by writing the tree down again:

    condition  = comparison { "and" [ "on" "(" labels ")" ] comparison }
    comparison = value ( ">" | ">=" | "<" | "<=" | "==" | "!=" ) [ "-" ] number
    value      = product { ( "+" | "-" ) product }
    product    = factor { ( "*" | "/" ) factor }
    factor     = number | metric | windowed | summed | "(" value ")"
    metric     = name [ "{" label ( "=" | "!=" | "=~" | "!~" ) text { "," ... } "}" ]
    windowed   = ( "rate" | "increase" | "avg_over_time" | "max_over_time" | "min_over_time" )
                 "(" metric "[" duration "]" ")"
    summed     = ( "sum" | "avg" | "max" | "min" | "count" ) [ "by" "(" labels ")" ] "(" value ")"

A pattern of `=~` is a list of texts with `.*` and `.+` in them, divided by `|`: what Prometheus and
Python read in the same way, and match in linear time.

Rejected: a library for PromQL (those for Python parse and do not evaluate, or bind a Go runtime),
and a syntax of our own (operators know this one, and it would have to be translated).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple, NoReturn, cast, get_args

from ..errors import ConditionInvalid
from .condition import (
    MOST_WINDOW_SECONDS,
    Aggregation,
    AggregationFunction,
    Arithmetic,
    Comparison,
    Condition,
    Matcher,
    MatcherOperator,
    Metric,
    Number,
    Operator,
    Value,
    Windowed,
    WindowFunction,
    is_of_metrics,
)

__all__ = ("parse_condition",)

_MOST_CHARACTERS = 1_000
_MOST_DEPTH = 20
_TOKEN = re.compile(
    r"(?P<space>\s+)|(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w.]))"
    r"|(?P<duration>\d+(?:ms|[smhd]))|(?P<name>[A-Za-z_:][A-Za-z0-9_:]*)"
    r'|(?P<text>"(?:[^"\\\n]|\\["\\n])*")|(?P<sign>=~|!~|>=|<=|==|!=|[-+*/(){}\[\],=<>])'
)
_DURATION = re.compile(r"(\d+)(ms|[smhd])")
_UNITS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_PATTERN = re.compile(r"[A-Za-z0-9_/:@ ,.\-|*+\\]*")
_WORDS = ("and", "on", "by", "or", "unless", "bool", "ignoring", "without")
_ESCAPES = {r"\"": '"', r"\\": "\\", r"\n": "\n"}


def parse_condition(text: str) -> Condition:
    """Read a condition.

    Raises:
        ConditionInvalid: It is none; the error has the place.
    """
    if len(text) > _MOST_CHARACTERS:
        raise ConditionInvalid(text, _MOST_CHARACTERS, f"it is over {_MOST_CHARACTERS} characters")
    return _Reader(text).condition()


class _Token(NamedTuple):
    kind: str
    text: str
    at: int


class _Reader:
    """A recursive descent over the tokens of one text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(_tokens(text))
        self._at = 0
        self._depth = 0

    def condition(self) -> Condition:
        found = [self._comparison()]
        while self._is("and"):
            self._take()
            on = None
            if self._is("on"):
                self._take()
                on = self._labels()
            found.append(self._comparison(on))
        if not self._is_a("end"):
            if self._next.text in ("or", "unless"):
                self._refuse(f"a condition has no `{self._next.text}`: write two rules")
            self._refuse("expected `and`, or the end")
        return Condition(tuple(found), self._text.strip())

    def _comparison(self, on: tuple[str, ...] | None = None) -> Comparison:
        start = self._next
        value = self._value()
        if not is_of_metrics(value):
            raise ConditionInvalid(self._text, start.at, "expected a metric, not a number alone")
        if self._next.text not in get_args(Operator):
            self._refuse("expected a comparison: > >= < <= == !=")
        operator = cast("Operator", self._take().text)
        if self._is("bool"):
            self._refuse("a condition has no `bool`: an alert has the values that it keeps")
        sign = -1.0 if self._is("-") else 1.0
        if sign < 0:
            self._take()
        if not self._is_a("number"):
            self._refuse("expected a number: write the metrics on the left, as `a / b > 0.9`")
        return Comparison(value, operator, sign * float(self._take().text), on)

    def _value(self) -> Value:
        left = self._product()
        while self._next.text in ("+", "-"):
            operator = cast("Literal['+', '-']", self._take().text)
            left = Arithmetic(operator, left, self._product())
        return left

    def _product(self) -> Value:
        left = self._factor()
        while self._next.text in ("*", "/"):
            operator = cast("Literal['*', '/']", self._take().text)
            left = Arithmetic(operator, left, self._factor())
        return left

    def _factor(self) -> Value:
        token = self._next
        self._depth += 1
        if self._depth > _MOST_DEPTH:
            self._refuse("it is nested too deeply")
        if token.kind == "number":
            found: Value = Number(float(self._take().text))
        elif token.text == "(":
            self._take()
            found = self._value()
            self._expect(")")
        elif token.kind == "name" and token.text not in _WORDS:
            found = self._named()
        else:
            self._refuse("expected a metric, a function or a number")
        self._depth -= 1
        return found

    def _named(self) -> Value:
        token = self._take()
        if self._next.text not in ("(", "by"):
            return self._metric(token)
        if token.text in get_args(WindowFunction):
            return self._windowed(cast("WindowFunction", token.text))
        if token.text in get_args(AggregationFunction):
            return self._aggregation(cast("AggregationFunction", token.text))
        known = ", ".join((*get_args(WindowFunction), *get_args(AggregationFunction)))
        raise ConditionInvalid(
            self._text, token.at, f"a condition has no function `{token.text[:40]}`; it has {known}"
        )

    def _windowed(self, function: WindowFunction) -> Windowed:
        self._expect("(")
        if not self._is_a("name"):
            self._refuse("expected a metric")
        metric = self._metric(self._take())
        self._expect("[")
        if not self._is_a("duration"):
            self._refuse("expected a window, such as 5m")
        token = self._take()
        found = cast("re.Match[str]", _DURATION.fullmatch(token.text))
        window = int(found[1]) * _UNITS[found[2]]
        if not 0 < window <= MOST_WINDOW_SECONDS * 1_000:
            most = f"{MOST_WINDOW_SECONDS // 60}m"
            raise ConditionInvalid(self._text, token.at, f"a window is from 1ms to {most}")
        self._expect("]")
        self._expect(")")
        return Windowed(function, metric, window)

    def _aggregation(self, function: AggregationFunction) -> Aggregation:
        by: tuple[str, ...] = ()
        if self._is("by"):
            self._take()
            by = self._labels()
        self._expect("(")
        start = self._next
        value = self._value()
        if not is_of_metrics(value):
            raise ConditionInvalid(self._text, start.at, "expected a metric, not a number alone")
        self._expect(")")
        return Aggregation(function, by, value)

    def _metric(self, name: _Token) -> Metric:
        matchers: list[Matcher] = []
        if self._is("{"):
            self._take()
            while not self._is("}"):
                matchers.append(self._matcher())
                if not self._is("}"):
                    self._expect(",")
            self._take()
        return Metric(name.text, tuple(matchers))

    def _matcher(self) -> Matcher:
        label = self._label()
        if self._next.text not in get_args(MatcherOperator):
            self._refuse("expected = != =~ or !~")
        operator = cast("MatcherOperator", self._take().text)
        if not self._is_a("text"):
            self._refuse("expected a text in double quotes")
        token = self._take()
        text = re.sub(r"\\.", lambda found: _ESCAPES[found[0]], token.text[1:-1])
        if operator in ("=~", "!~"):
            problem = _problem_with(text)
            if problem:
                raise ConditionInvalid(self._text, token.at, problem)
        return Matcher(label, operator, text)

    def _labels(self) -> tuple[str, ...]:
        self._expect("(")
        found: list[str] = []
        while not self._is(")"):
            found.append(self._label())
            if not self._is(")"):
                self._expect(",")
        self._take()
        return tuple(dict.fromkeys(found))

    def _label(self) -> str:
        if not self._is_a("name") or ":" in self._next.text:
            self._refuse("expected a label")
        return self._take().text

    @property
    def _next(self) -> _Token:
        return self._tokens[self._at]

    def _is(self, text: str) -> bool:
        return self._next.text == text

    def _is_a(self, kind: str) -> bool:
        return self._next.kind == kind

    def _take(self) -> _Token:
        token = self._tokens[self._at]
        self._at += 1
        return token

    def _expect(self, text: str) -> None:
        if self._next.text != text or self._is_a("text"):
            self._refuse(f"expected `{text}`")
        self._take()

    def _refuse(self, reason: str) -> NoReturn:
        raise ConditionInvalid(self._text, self._next.at, reason)


def _tokens(text: str) -> Iterator[_Token]:
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise ConditionInvalid(text, at, "this character has no meaning here")
        if found.lastgroup != "space":
            yield _Token(str(found.lastgroup), found[0], at)
        at = found.end()
    yield _Token("end", "", at)


def _problem_with(pattern: str) -> str:
    """Return what is wrong with a pattern of `=~`; empty for nothing."""
    if _PATTERN.fullmatch(pattern) is None:
        return "a pattern has letters, digits, / _ - : @ and spaces, and `.*`, `.+`, `|` and `\\.`"
    bare = re.sub(r"\\\.|\.[*+]", "", pattern)
    if re.search(r"[\\*+]", bare):
        return "in a pattern, * and + stand after a dot, and \\ before one"
    return ""
