"""Assertions about a component under test: each shows what there was instead.

They take the component that is built, and the class that runs without WebAssembly.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from airswasm.component.testing import LogLine, Published, SentMessage

from ._harness import Answer

__all__ = (
    "assert_denied",
    "assert_fuel_below",
    "assert_logged",
    "assert_nothing_denied",
    "assert_published",
    "assert_sent",
)


class _Denial(Protocol):
    @property
    def capability(self) -> str: ...
    @property
    def resource(self) -> str: ...


class _Observed(Protocol):
    """A component as a test sees it."""

    @property
    def published(self) -> Sequence[Published]: ...
    @property
    def sent(self) -> Sequence[SentMessage]: ...
    @property
    def logs(self) -> Sequence[LogLine]: ...
    @property
    def denials(self) -> Sequence[_Denial]: ...


def assert_published(
    component: _Observed, topic: str, payload: bytes | str | None = None
) -> Published:
    """Return the last publication to a topic; fail if there is none.

    Args:
        component: The component.
        topic: The topic.
        payload: What it must be; None for any.
    """
    wanted = _bytes(payload)
    for each in reversed(component.published):
        if each.topic == topic and wanted in (None, each.payload):
            return each
    raise _missing(f"publication to {topic}", wanted, component.published)


def assert_sent(
    component: _Observed, target: str, payload: bytes | str | None = None
) -> SentMessage:
    """Return the last message to a component; fail if there is none."""
    wanted = _bytes(payload)
    for each in reversed(component.sent):
        if each.target == target and wanted in (None, each.payload):
            return each
    raise _missing(f"message to {target}", wanted, component.sent)


def assert_logged(component: _Observed, text: str, *, level: str | None = None) -> LogLine:
    """Return the last log line with a text in it; fail if there is none.

    Args:
        component: The component.
        text: A part of the line.
        level: `info`, `warn`, …, `stdout` or `stderr`; None for any.
    """
    for each in reversed(component.logs):
        if text in each.message and level in (None, each.level):
            return each
    raise _missing(f"log line with {text!r}", level, component.logs)


def assert_denied(component: _Observed, capability: str, resource: str | None = None) -> None:
    """Fail unless the component tried what it lacks the capability for: `storage.write`."""
    for each in component.denials:
        is_it = each.capability.replace(":", ".") == capability
        if is_it and resource in (None, each.resource):
            return
    raise _missing(f"denial of {capability}", resource, _denied(component))


def assert_nothing_denied(component: _Observed) -> None:
    """Fail if the component tried anything that it lacks the capability for."""
    denied = _denied(component)
    if denied:
        raise AssertionError("the component was denied:\n" + _listed(denied))


def assert_fuel_below(answer: Answer, fuel: int) -> None:
    """Fail if a message cost this much fuel or more.

    Fuel counts instructions, so it is the same on every machine: a performance test without
    flicker.
    """
    if answer.fuel >= fuel:
        spent = "".join(
            f"\n  {each.function}: {each.calls:,} calls, {each.fuel:,} fuel"
            for each in (answer.use.host_calls if answer.use is not None else ())
        )
        raise AssertionError(
            f"handling the message cost {answer.fuel:,} fuel, expected less than {fuel:,} "
            f"({answer.fuel / fuel:.1f} times as much){spent}"
        )


def _denied(component: _Observed) -> list[str]:
    return [f"{e.capability.replace(':', '.')} on {e.resource!r}" for e in component.denials]


def _missing(thing: str, detail: object, found: Iterable[object]) -> AssertionError:
    wanted = thing if detail is None else f"{thing} ({detail!r})"
    return AssertionError(f"there is no {wanted}; there was:\n{_listed(found)}")


def _listed(found: Iterable[object]) -> str:
    return "\n".join(f"  {each}" for each in found) or "  nothing"


def _bytes(payload: bytes | str | None) -> bytes | None:
    return payload.encode() if isinstance(payload, str) else payload
