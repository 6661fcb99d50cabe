"""The functions that a component on trial gets, by the effect that each of the real ones declares.

| effect | on trial |
|---|---|
| `NONE` | runs |
| `DATA` | runs, on the copy: `Caller.kept_as` names it |
| `READS` | is answered as recorded; runs if it was not, with its line in the audit log |
| `WAITS` | is ready at once where the time is given; else runs |
| `LOGS` | is left out |
| `OUTSIDE` | is noted and not done; answered as recorded, or with what says least |

`OUTSIDE` is what holds for a function that declares nothing, so a stranger's block does nothing in
a trial. A function that takes or returns a handle cannot be answered from a recording. Where the
engine has an interface of the same name that denies everything, as for files and sockets of WASI,
that one answers; else the call ends the message.

The guard stands in front of the replaced function, as it does in front of the real one; on trial it
writes no line, for nothing was done. A read that runs for want of an answer has its line.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, cast

from airswasm.runtime import (
    Caller,
    Component,
    Effect,
    FunctionShape,
    HostFunction,
    HostInterface,
    noting,
)
from airswasm.runtime.wasi import Always, interfaces_with_effects
from airswasm.security import Guard
from airswasm.wit import Contract, are_compatible

from .._hosting.providers import Offer
from .attempts import Answer, Attempt, TrialRefused, plain_arguments
from .values import as_plain, is_plain, least

__all__ = ("Doors", "Noting", "OnTrial")


class OnTrial(Protocol):
    """The `Caller.data` of an instance on trial.

    Attributes:
        attempt: The message in hand.
        has_given_time: Whether clocks are answered by a recording.
    """

    attempt: Attempt
    has_given_time: bool


class Noting(Protocol):
    """The `Caller.data` of an instance that is recorded; it is told of the calls."""

    @property
    def is_noting(self) -> bool:
        """Whether a message is in hand that is recorded."""
        ...

    def note_answer(self, answer: Answer) -> None:
        """Take the answer of a call."""
        ...

    def note_uncovered(self, function: str) -> None:
        """Take that a call cannot be recorded."""
        ...


_Wrap = Callable[[Effect, str, FunctionShape, HostFunction, "HostFunction | None"], HostFunction]


@dataclass(frozen=True, slots=True)
class Doors:
    """The interfaces of a host, for components that are tried or recorded.

    Attributes:
        offers: What installed blocks offer.
        guard: Decides about each call.
        contract: States what each call requires.
    """

    offers: Sequence[Offer]
    guard: Guard
    contract: Contract

    def for_trial(self, component: Component) -> tuple[HostInterface, ...]:
        """Return what a component on trial is linked to; its `Caller.data` is an `OnTrial`."""
        return tuple(self._wrapped(component, _on_trial, is_rehearsal=True))

    def for_recording(self, component: Component) -> tuple[HostInterface, ...]:
        """Return what a recorded component is linked to; its `Caller.data` is a `Noting`."""
        return tuple(self._wrapped(component, _recorded))

    def _wrapped(
        self, component: Component, wrap: _Wrap, *, is_rehearsal: bool = False
    ) -> Iterator[HostInterface]:
        built_in = interfaces_with_effects()
        offered = {each.raw.name: each for each in self.offers}
        for name, shape in component.imports.items():
            own = _serving(name, [each.raw for each in self.offers])
            denied = _serving(name, built_in)
            interface = own or denied
            if interface is None or not name:
                continue
            is_guarded = own is not None and offered[own.name].is_guarded
            audited = interface
            if is_guarded and is_rehearsal:
                audited = self.guard.guarded(interface, self.contract)
            functions = {
                function: wrap(
                    interface.effect(function),
                    f"{interface.name}#{function}",
                    shape.functions[function],
                    _what_runs(interface, audited, function),
                    denied.functions.get(function) if own and denied else None,
                )
                if function in shape.functions
                else interface.functions[function]
                for function in interface.functions
            }
            made = replace(interface, functions=functions)
            if is_guarded:
                made = self.guard.guarded(made, self.contract, is_rehearsal=is_rehearsal)
            yield made


def _what_runs(interface: HostInterface, audited: HostInterface, function: str) -> HostFunction:
    """Return a function for a trial: a read acts on what is outside, so it leaves its line."""
    reads = interface.effect(function) is Effect.READS
    return (audited if reads else interface).functions[function]


def _serving(name: str, interfaces: Sequence[HostInterface]) -> HostInterface | None:
    return next((each for each in interfaces if are_compatible(each.name, name)), None)


def _on_trial(
    effect: Effect,
    path: str,
    shape: FunctionShape,
    function: HostFunction,
    denied: HostFunction | None,
) -> HostFunction:
    if effect in (Effect.NONE, Effect.DATA):
        return function
    if effect is Effect.WAITS:

        def wait(caller: Caller, *arguments: object) -> object:
            return Always() if _tried(caller).has_given_time else function(caller, *arguments)

        return wait
    if not is_plain(shape):

        @functools.wraps(function)
        def refuse(caller: Caller, *arguments: object) -> object:
            _tried(caller).attempt.note_unanswered(path)
            if denied is None:
                raise TrialRefused(f"a trial has no answer of {path}: it hands over a handle")
            return denied(caller, *arguments)

        return refuse
    if effect is Effect.LOGS:

        def leave_out(_caller: Caller, *_arguments: object) -> object:
            return least(shape.result)

        return leave_out
    if effect is Effect.READS:

        def read(caller: Caller, *arguments: object) -> object:
            is_known, answer = _tried(caller).attempt.read(path, shape, arguments)
            return answer if is_known else function(caller, *arguments)

        return _alike(function, read)

    @functools.wraps(function)
    def act(caller: Caller, *arguments: object) -> object:
        return _tried(caller).attempt.act(path, shape, arguments)

    return act


def _recorded(
    effect: Effect,
    path: str,
    shape: FunctionShape,
    function: HostFunction,
    _denied: HostFunction | None,
) -> HostFunction:
    if effect not in (Effect.READS, Effect.OUTSIDE):
        return function
    if not is_plain(shape):

        def uncovered(caller: Caller, *arguments: object) -> object:
            noting_ = cast("Noting", caller.data)
            if noting_.is_noting:
                noting_.note_uncovered(path)
            return function(caller, *arguments)

        return _alike(function, uncovered)

    def record(caller: Caller, *arguments: object) -> object:
        tape = cast("Noting", caller.data)
        if not tape.is_noting:
            return function(caller, *arguments)
        plain = plain_arguments(shape, arguments)

        def note(value: object, error: BaseException | None) -> None:
            if error is not None:
                tape.note_answer(Answer(path, effect, plain, None, str(error) or repr(error)))
                return
            try:
                answer = Answer(path, effect, plain, as_plain(shape.result, value))
            except (TypeError, ValueError, AttributeError, LookupError):
                tape.note_uncovered(path)  # the engine will refuse it, too
            else:
                tape.note_answer(answer)

        try:
            outcome = function(caller, *arguments)
        except Exception as error:
            note(None, error)
            raise
        return noting(outcome, note)

    return _alike(function, record)


def _alike(function: HostFunction, wrapper: HostFunction) -> HostFunction:
    """Return a wrapper that is `async` where the function is, and bears its marks."""
    if not inspect.iscoroutinefunction(function):
        return functools.wraps(function)(wrapper)

    @functools.wraps(function)
    async def wait(caller: Caller, *arguments: object) -> object:
        outcome = wrapper(caller, *arguments)
        return await cast("Awaitable[object]", outcome) if inspect.isawaitable(outcome) else outcome

    return wait


def _tried(caller: Caller) -> OnTrial:
    return cast("OnTrial", caller.data)
