"""The host's functions that a component under test calls: the guard's, the store's, and records."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from airswasm.component.testing import LogLine, Published, SentMessage
from airswasm.lifecycle import LOGGING_INTERFACE, Manifest
from airswasm.messaging import MESSAGING_INTERFACE, TIMERS_INTERFACE
from airswasm.runtime import Caller, Case, Err, HostInterface, Ok
from airswasm.security import (
    Guard,
    Kinds,
    PermissionDenied,
    capabilities_interface,
    decides_each,
)
from airswasm.storage import Store, storage_interface
from airswasm.wit import Blocks

from ._record import Record, case_of

__all__ = ("doors",)


def doors(record: Record, store: Store, manifest: Manifest) -> list[HostInterface]:
    """Return the interfaces that a component of this manifest meets, behind its guard."""
    blocks = Blocks.find()
    grants = {manifest.name: manifest.grants}
    guard = Guard(Kinds(blocks.capabilities.values()), grants, audit=record)
    offered = (
        _logging(record),
        _messaging(record, guard),
        _timers(record),
        storage_interface(store, _Quota(manifest)),
        capabilities_interface(guard),
    )
    return [guard.guarded(_failing(each, record), blocks.contract) for each in offered]


def _failing(interface: HostInterface, record: Record) -> HostInterface:
    """Let each function of an interface fail on cue, after the guard has let the call pass."""
    short = interface.name.rpartition("/")[2].partition("@")[0]
    record.functions.update(f"{short}.{name}" for name in interface.functions)
    functions = {
        name: _failing_function(function, f"{short}.{name}", record)
        for name, function in interface.functions.items()
    }
    return replace(interface, functions=functions)


def _failing_function(
    function: Callable[..., Any], name: str, record: Record
) -> Callable[..., Any]:
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def waiting(*arguments: Any) -> Any:
            fault = record.faults.get(name)
            return await function(*arguments) if fault is None else case_of(fault)

        return waiting

    @functools.wraps(function)
    def called(*arguments: Any) -> Any:
        fault = record.faults.get(name)
        return function(*arguments) if fault is None else case_of(fault)

    return called


def _logging(record: Record) -> HostInterface:
    def log(_caller: Caller, level: str, message: str) -> None:
        record.logs.append(LogLine(level, message))

    return HostInterface(LOGGING_INTERFACE, {"log": log})


def _messaging(record: Record, guard: Guard) -> HostInterface:
    def send(_caller: Caller, target: str, payload: bytes) -> object:
        record.sent.append(SentMessage("send", target, payload))
        return Ok(None)

    def request(caller: Caller, target: str, payload: bytes, _timeout_ms: int) -> object:
        return Ok(record.request(caller, target, payload))

    def call(caller: Caller, target: str, payload: bytes, _timeout_ms: int) -> object:
        return record.answer(caller, "call", target, payload)

    def cancel(_caller: Caller, request_id: int) -> bool:
        return record.outcomes.pop(request_id, None) is not None

    def publish(_caller: Caller, topic: str, payload: bytes) -> object:
        record.published.append(Published(topic, payload))
        return Ok(1)

    def publish_retained(_caller: Caller, topic: str, payload: bytes) -> object:
        record.published.append(Published(topic, payload, is_retained=True))
        return Ok(1)

    @decides_each
    def broadcast(caller: Caller, targets: Sequence[str], payload: bytes) -> object:
        return Ok([broadcast_to(caller, target, payload) for target in targets])

    def broadcast_to(caller: Caller, target: str, payload: bytes) -> object:
        try:
            guard.admit(caller, "messaging:send", target, argument="target")
        except PermissionDenied as denied:
            return Err(Case("denied", denied.text))
        return send(caller, target, payload)

    def envelope(_caller: Caller) -> object:
        name = f"message-{record.messages}"
        return {
            "id": name, "correlation": name, "hops": 0, "remaining_ms": None, "traceparent": None,
            "codec": None, "attempt": 1, "replay_of": None, "retained": False,
        }  # fmt: skip

    def subscribe(_caller: Caller, pattern: str) -> object:
        record.subscriptions.append(pattern)
        return Ok(None)

    def unsubscribe(_caller: Caller, pattern: str) -> object:
        if pattern in record.subscriptions:
            record.subscriptions.remove(pattern)
        return Ok(None)

    functions = (
        send, broadcast, request, call, cancel, publish, publish_retained, subscribe, unsubscribe,
        envelope,
    )  # fmt: skip
    named = {each.__name__.replace("_", "-"): each for each in functions}
    return HostInterface(MESSAGING_INTERFACE, named)


def _timers(record: Record) -> HostInterface:
    def send_later(
        _caller: Caller, target: str, payload: bytes, delay_ms: int, durable: bool
    ) -> object:
        return Ok(record.set_timer(target, payload, delay_ms, repeats=False, durable=durable))

    def send_every(
        _caller: Caller, target: str, payload: bytes, interval_ms: int, durable: bool
    ) -> object:
        return Ok(record.set_timer(target, payload, interval_ms, repeats=True, durable=durable))

    def cancel(_caller: Caller, timer_id: int) -> bool:
        return record.cancel_timer(timer_id)

    return HostInterface(
        TIMERS_INTERFACE, {"send-later": send_later, "send-every": send_every, "cancel": cancel}
    )


@dataclass(frozen=True, slots=True)
class _Quota:
    manifest: Manifest

    def quota_bytes(self, component: str) -> int:
        del component
        return self.manifest.limits.storage or 64 * 2**20

    def quota_keys(self, component: str) -> int | None:
        del component
        return self.manifest.limits.storage_keys
