"""Put the guard in front of the functions of an interface, as their WIT annotations say.

Contract and enforcement cannot drift apart, because nothing but the annotations says what a
function needs: one without any is refused. The hot path of a door is two look-ups.
"""

from __future__ import annotations

import functools
import inspect
import shlex
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import TypeAlias, TypeVar, cast

import anyio
from airswasm.runtime import Caller, Case, Err, HostFunction, HostInterface
from airswasm.wit import Contract, Function, Nothing, Requirement
from airswasm.wit.model import ListOf

from .._deciding.decision import Decision
from ..errors import PermissionDenied, UnannotatedFunction
from .gate import Gate
from .memory import Passed
from .standing import End

__all__ = ("decides_each", "guard_interface", "raise_denied")

Decider = TypeVar("Decider", bound=Callable[..., object])

_DECIDES_EACH = "decides_each"


Keep: TypeAlias = Callable[[str, str, str, End], Callable[[], None]]
"""Notes what a component holds on a capability and a resource; see `Guard.keep`."""


def decides_each(function: Decider) -> Decider:
    """Mark a host function that calls `Guard.admit` for each of a list of resources.

    A requirement such as `@requires messaging:send(targets)`, with a list, is met by the function
    itself: one denial need not keep it from the others. The guard takes no other for such.
    """
    setattr(function, _DECIDES_EACH, True)
    return function


def guard_interface(
    gate: Gate, keep: Keep, interface: HostInterface, contract: Contract, *, is_rehearsal: bool
) -> HostInterface:
    """Return the interface with a door in front of every function; see `Guard.guarded`."""
    declared = contract.interface(interface.name)
    if declared is None:
        raise UnannotatedFunction(interface.name, "*", "the contract has no such interface")
    functions = {
        name: _guarded(gate, keep, interface.name, name, function, declared.functions, is_rehearsal)
        for name, function in interface.functions.items()
    }
    return replace(interface, functions=functions)


def raise_denied(decision: Decision) -> object:
    """Refuse by an exception: a trap, where a guest called."""
    raise PermissionDenied(
        decision.component, decision.capability, decision.resource, decision.text
    )


def _guarded(
    gate: Gate,
    keep: Keep,
    interface: str,
    name: str,
    function: HostFunction,
    declared: Mapping[str, Function],
    is_rehearsal: bool,
) -> HostFunction:
    signature = declared.get(name)
    if signature is None:
        raise UnannotatedFunction(interface, name, "the contract has no such function")
    requirements = signature.requirements
    if isinstance(requirements, Nothing):
        return function
    if requirements is None:
        raise UnannotatedFunction(interface, name, "it says nothing about permissions")
    for requirement in requirements:
        if requirement.capability not in gate.kinds:
            raise UnannotatedFunction(
                interface, name, f"no block declares {requirement.capability}"
            )
        if _names_a_list(signature, requirement):
            if not getattr(function, _DECIDES_EACH, False):
                raise UnannotatedFunction(
                    interface,
                    name,
                    "its resources are a list",
                    "have it call Guard.admit for each of them, and mark it `decides_each`",
                )
        else:
            function = _door(gate, keep, interface, signature, requirement, function, is_rehearsal)
    return function


def _door(
    gate: Gate,
    keep: Keep,
    interface: str,
    signature: Function,
    requirement: Requirement,
    function: HostFunction,
    is_rehearsal: bool,
) -> HostFunction:
    positions = _positions(interface, signature, requirement)
    capability, argument = requirement.capability, requirement.argument
    passed = gate.passed(capability, argument)
    decide = gate.rehearse if is_rehearsal else gate.refusal

    def refusal(caller: Caller, resource: object) -> Decision | None:
        if not isinstance(resource, str):
            raise UnannotatedFunction(interface, signature.name, "its resource is not a text")
        return decide(caller, capability, resource, argument)

    def hold(caller: Caller, resource: str, end: End) -> Callable[[], None]:
        return keep(caller.name, capability, resource, end)

    return _wrapped(function, positions, passed, refusal, _answer_of(signature), hold)


def _wrapped(
    function: HostFunction,
    positions: tuple[int, ...],
    passed: Passed,
    refusal: Callable[[Caller, object], Decision | None],
    answer: Callable[[Decision], object],
    hold: Callable[[Caller, str, End], Callable[[], None]],
) -> HostFunction:
    """Wrap a function; the hot path is two look-ups.

    One that waits ends when its grant does.
    """
    position = positions[0] if positions else None
    has_parts = len(positions) > 1
    if inspect.iscoroutinefunction(function):
        awaitable = cast("Callable[..., Awaitable[object]]", function)

        @functools.wraps(function)
        async def wait(caller: Caller, *args: object) -> object:
            resource = "" if position is None else args[position]
            if has_parts:
                resource = _joined(args, positions)
            if resource not in passed.get(caller.name, ()):
                refused = refusal(caller, resource)
                if refused is not None:
                    return answer(refused)
            with anyio.CancelScope() as scope:
                forget = hold(caller, str(resource), lambda _text: scope.cancel())
                try:
                    return await awaitable(caller, *args)
                finally:
                    forget()
            refused = refusal(caller, resource)  # only the end of its grant cancels this scope
            return None if refused is None else answer(refused)

        return wait

    @functools.wraps(function)
    def call(caller: Caller, *args: object) -> object:
        resource = "" if position is None else args[position]
        if has_parts:
            resource = _joined(args, positions)
        if resource not in passed.get(caller.name, ()):
            refused = refusal(caller, resource)
            if refused is not None:
                return answer(refused)
        return function(caller, *args)

    return call


def _names_a_list(signature: Function, requirement: Requirement) -> bool:
    """Whether the only resource of a requirement is a list of them."""
    types = {parameter.name: parameter.type for parameter in signature.parameters}
    return not requirement.further and isinstance(types.get(requirement.argument or ""), ListOf)


def _positions(interface: str, signature: Function, requirement: Requirement) -> tuple[int, ...]:
    names = [parameter.name for parameter in signature.parameters]
    for argument in requirement.arguments:
        if argument not in names:
            raise UnannotatedFunction(interface, signature.name, f"it has no argument {argument}")
    return tuple(map(names.index, requirement.arguments))


def _joined(args: tuple[object, ...], positions: tuple[int, ...]) -> object:
    """Return the resource that several arguments make: their texts, as a shell quotes them."""
    words: list[str] = []
    for position in positions:
        value = args[position]
        words.extend([value] if isinstance(value, str) else cast("list[str]", value))
    return shlex.join(words)


def _answer_of(signature: Function) -> Callable[[Decision], object]:
    """Return the function that refuses: by the result's `denied` case, or else by a trap."""
    error = getattr(signature.result, "error", None)
    cases = {case.name for case in getattr(error, "cases", ())}
    return _answer_denied if "denied" in cases else raise_denied


def _answer_denied(decision: Decision) -> object:
    return Err(Case("denied", decision.text))
