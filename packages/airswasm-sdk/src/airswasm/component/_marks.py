"""The decorators that make a function a handler; they mark it, and change nothing."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar, overload

from ._host import current
from .errors import DefinitionError

__all__ = (
    "Mark",
    "after",
    "cancel_timer",
    "every",
    "marks_of",
    "on",
    "on_health_check",
    "on_message",
    "on_migration",
    "on_reply",
    "on_start",
    "on_stop",
    "on_timer",
    "timer_payload",
)

F = TypeVar("F", bound=Callable[..., Any])
P = ParamSpec("P")
TIMER = "airswasm.timer"
_MARKS = "__airswasm_marks__"


@dataclass(frozen=True)
class Mark:
    """One role of a function.

    Attributes:
        kind: `message`, `event`, `timer`, `every`, `start`, `stop`, `reply`, `health`, `migration`.
        argument: The topic's pattern; the message's name.
        seconds: The interval.
    """

    kind: str
    argument: str | None = None
    seconds: float = 0.0


def marks_of(function: object) -> tuple[Mark, ...]:
    """Return the roles of a function; none for any other object."""
    return tuple(getattr(function, "__dict__", {}).get(_MARKS, ()))


def _mark(function: F, mark: Mark) -> F:
    setattr(function, _MARKS, (*marks_of(function), mark))
    return function


@overload
def on_message(given: F) -> F: ...
@overload
def on_message(given: str | None = None) -> Callable[[F], F]: ...
def on_message(given: F | str | None = None) -> F | Callable[[F], F]:
    """Handle messages that are sent to the component.

    With one such handler, every message is its. With several, a message is an object whose `type`
    is the handler's: the name of the dataclass that it takes, or its own. The returned value is the
    reply; None acknowledges without one.

    Args:
        given: The function, or the `type` of its messages.
    """
    if given is None:
        return on_message
    if not isinstance(given, str):
        return _mark(given, Mark("message"))
    name = given

    def decorate(function: F) -> F:
        function.__airswasm_name__ = name  # type: ignore[attr-defined]  # clients read it, too
        return _mark(function, Mark("message", name))

    return decorate


def on(pattern: str) -> Callable[[F], F]:
    """Subscribe to topics, and handle what is published to them.

    Args:
        pattern: A topic; `*` stands for one segment, `**` for any number.

    Raises:
        DefinitionError: It is no text, such as the function itself under a bare `@on`.
    """
    if not isinstance(pattern, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise DefinitionError("@on", 'name the topic: @on("orders.*")')
    return lambda function: _mark(function, Mark("event", pattern))


def every(seconds: float) -> Callable[[F], F]:
    """Call a method again and again, the first time an interval after the start.

    Args:
        seconds: The interval.

    Raises:
        DefinitionError: It is no number above 0, such as the function under a bare `@every`.
    """
    is_number = isinstance(seconds, int | float)  # pyright: ignore[reportUnnecessaryIsInstance]
    if not (is_number and 0 < seconds < math.inf):
        raise DefinitionError("@every", "give a number of seconds above 0: @every(60)")
    return lambda function: _mark(function, Mark("every", None, seconds))


def on_timer(function: F) -> F:
    """Let `after` call this method."""
    return _mark(function, Mark("timer"))


def on_start(function: F) -> F:
    """Call this before the first message. What it raises is a failed start."""
    return _mark(function, Mark("start"))


def on_stop(function: F) -> F:
    """Call this after the last message; not after a crash."""
    return _mark(function, Mark("stop"))


def on_reply(function: F) -> F:
    """Let `request` call this method with the `Outcome`."""
    return _mark(function, Mark("reply"))


def on_health_check(function: F) -> F:
    """Call this at the interval of `[health]`. What it raises is reported as unhealthy."""
    return _mark(function, Mark("health"))


def on_migration(function: F) -> F:
    """Call this at the first start of a new version, with the version before as a text.

    What it raises cancels the update.
    """
    return _mark(function, Mark("migration"))


def after(seconds: float, method: Callable[P, object], /, *args: P.args, **kwargs: P.kwargs) -> int:
    """Call a method under `@on_timer` later; return the timer's id.

    The timer ends with this incarnation.

    Args:
        seconds: The delay.
        method: The method.
        args: Its arguments.
        kwargs: Those by name.

    Raises:
        HostError: The host refused.
        TypeError: The method is not under `@on_timer`.
    """
    function = getattr(method, "__func__", method)
    if not any(each.kind == "timer" for each in marks_of(function)):
        raise TypeError(f"{function.__name__} needs @on_timer above it")
    running = current()
    payload = timer_payload(function.__name__, list(args), dict(kwargs))
    return running.host.send_later(
        running.host.name, payload, max(0, round(seconds * 1000)), durable=False
    )


def cancel_timer(timer_id: int) -> bool:
    """End a timer; return whether it was there."""
    return current().host.cancel_timer(timer_id)


def timer_payload(name: str, arguments: list[object], named: dict[str, object]) -> bytes:
    """Return the message with which a component calls itself."""
    codec = current().codec
    plain = {"type": TIMER, "name": name, "arguments": arguments, "named": named}
    return codec.write(codec.plain(plain))
