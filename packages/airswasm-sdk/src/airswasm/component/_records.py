"""The records that a test reads of a component: its messages, log lines and refusals."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TypeAlias

__all__ = (
    "LogLine",
    "Published",
    "Refusal",
    "Reply",
    "ScheduledSend",
    "SentMessage",
    "check_function",
)

Reply: TypeAlias = bytes | Exception | Callable[[bytes], bytes | None] | None
"""The answer of another component: bytes, nothing, an error, or a function of the payload."""


@dataclass(frozen=True, slots=True)
class Published:
    """A published message; a retained one is the topic's value for later subscribers."""

    topic: str
    payload: bytes
    is_retained: bool = False


@dataclass(frozen=True, slots=True)
class SentMessage:
    """A sent message: `kind` is `send`, `request` or `call`."""

    kind: str
    target: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class ScheduledSend:
    """A timer that the component set."""

    id: int
    target: str
    payload: bytes
    milliseconds: int
    repeats: bool
    is_durable: bool


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line that the component logged, or printed (then `level` is `stdout` or `stderr`)."""

    level: str
    message: str


class Refusal(Exception):
    """The component under test answered with an error.

    Attributes:
        text: The error's text.
    """

    text: str = ""


def check_function(function: str, functions: Collection[str]) -> None:
    """Refuse a function that the host does not have: it would never fail, and the test would pass.

    Raises:
        ValueError: The host has no such function.
    """
    if function not in functions:
        near = get_close_matches(function, functions, n=1)
        advice = (
            f"did you mean {near[0]!r}?" if near else f"there are {', '.join(sorted(functions))}"
        )
        raise ValueError(f"no function {function!r} of the host can fail: {advice}")
