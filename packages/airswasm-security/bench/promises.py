"""The ratios that airswasm-security promises.

What the guard adds to a host call, what the audit log costs, and what verifying a package costs
over its bare signature.
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
from airswasm.runtime import Caller, HostFunction, HostInterface, Ok
from airswasm.security import (
    PLAIN,
    AclEntry,
    AclSettings,
    AuditEvent,
    AuditLog,
    GrantOrigin,
    GrantRecord,
    Grants,
    Guard,
    Kinds,
    Role,
    RolesLayer,
    RolesSettings,
    Statement,
    generate_key,
    sign,
    verify_statement,
)
from airswasm.wit import Capability, contract
from paired import Promise, Promises, Work, times

ANSWER = Ok(b"")
NAME = "local/hello"
KINDS = Kinds.of(storage_read=PLAIN)


def get(_caller: Caller, _key: str) -> object:
    """The cheapest host function there can be."""
    return ANSWER


def remembered(function: HostFunction) -> Callable[[Caller, str], object]:
    """Do the least that a guard does: look a decision up by caller and key, count, call on."""
    decisions: dict[tuple[str, str], bool] = {(NAME, "count"): True}
    counts = {True: 0, False: 0}

    def guarded(caller: Caller, key: str) -> object:
        is_allowed = decisions[caller.name, key]
        counts[is_allowed] += 1
        return function(caller, key)

    return guarded


def written(path: Path) -> Callable[[int], None]:
    """Do the least that a log does: make a line of JSON and append it."""
    file = path.open("ab", buffering=0)

    def write(number: int) -> None:
        line = {"at": 1.5, "component": NAME, "capability": "storage:read", "key": f"u/{number}"}
        file.write(json.dumps(line).encode() + b"\n")

    return write


def roles() -> RolesLayer:
    """Make three roles and an entry that denies, one role of which allows."""
    tables = [("orders/**",), ("count", "notes/*"), ("users/*", "users/*/name")]
    define = {
        str(number): Role(("component:local/*",), {"storage": {"read": patterns}})
        for number, patterns in enumerate(tables)
    }
    entry = AclEntry("component:local/hello", "deny", ("storage.read",), ("secret/**",))
    return RolesLayer(KINDS, RolesSettings(enforce=True, define=define), AclSettings((entry,)))


@asynccontextmanager
async def promises(folder: Path) -> AsyncIterator[Promises]:
    """Give the promises."""
    caller = Caller(NAME)
    offered = HostInterface("airswasm:component/storage@0.1.0", {"get": get})
    grants = {NAME: Grants({"storage:read": ("users/*/name", "count", "**")})}
    async with _synced(folder / "busy") as busy:
        log = AuditLog(folder / "audit", durability="os")
        door = Guard(KINDS, grants, audit=log).guarded(offered, contract()).functions["get"]
        fresh = Guard(KINDS, grants).guarded(offered, contract()).functions["get"]
        crowded = _crowded().guarded(offered, contract()).functions["get"]
        with_roles = Guard(KINDS, grants)
        with_roles.add_layer(roles())
        by_role = with_roles.guarded(offered, contract()).functions["get"]
        every = Guard(KINDS, grants, audit=log, allowed_lines="every").guarded(offered, contract())
        audited = every.functions["get"]
        kinds = Kinds([Capability("storage.read", "read", only_reads=True)])
        reads = Guard(kinds, grants, audit=busy, allowed_lines="every")
        together = reads.guarded(offered, contract()).functions["get"]
        at_least = remembered(get)
        keys = itertools.count()
        line = written(folder / "lines")
        bare = Work(times(lambda: at_least(caller, "count")), time.thread_time)
        yield {
            "same-key": Promise(Work(times(lambda: door(caller, "count")), time.thread_time), bare),
            "new-key": Promise(
                Work(times(lambda: fresh(caller, f"users/{next(keys)}")), time.thread_time), bare
            ),
            "ten-thousand": Promise(
                Work(times(lambda: crowded(caller, f"users/{next(keys)}")), time.thread_time),
                Work(times(lambda: fresh(caller, f"users/{next(keys)}")), time.thread_time),
            ),
            "new-key-with-roles": Promise(
                Work(times(lambda: by_role(caller, f"users/{next(keys)}")), time.thread_time), bare
            ),
            "audited": Promise(
                Work(times(lambda: audited(caller, "count")), time.thread_time),
                Work(times(lambda: line(7)), time.thread_time),
            ),
            "audited-together": Promise(
                Work(
                    times(lambda: together(caller, "count")),
                    time.thread_time,
                    after=lambda: _keep_busy(busy),
                ),
                Work(times(lambda: line(7)), time.thread_time),
            ),
            "verify": _verifying(),
        }
        log.close()


@asynccontextmanager
async def _synced(path: Path) -> AsyncIterator[AuditLog]:
    """Open a log as a host does, and make it busy."""
    with AuditLog(path, durability="batch", wait_seconds=0.01) as log:
        async with anyio.create_task_group() as group:
            group.start_soon(log.keep_synced)
            await _keep_busy(log)
            yield log
            group.cancel_scope.cancel()


async def _keep_busy(log: AuditLog) -> None:
    while not log.is_busy:
        for number in range(100):
            log.record(AuditEvent("decision", NAME, "deny", resource=str(number)))
        await anyio.sleep(0.01)


def _crowded() -> Guard:
    """A host of ten thousand components, each with a record of its own; one of them is asked."""
    guard = Guard(KINDS)
    asked = Grants({"storage:read": ("users/*/name", "count", "**")})
    for number in range(10_000):
        origin = GrantOrigin("operator", float(number), "1.0.0")
        held = GrantRecord.of(asked, origin).grants(asked, KINDS)
        guard.grant(f"local/c{number}" if number else NAME, held, asked=asked)
    return guard


def _verifying() -> Promise:
    key = generate_key()
    files = {f"file-{number}": bytes(100) for number in range(8)}
    signature = sign(Statement.of(NAME, "1.0.0", 1, files), key)
    message = bytes(1000)
    bare = key.sign(message)
    return Promise(
        Work(times(lambda: verify_statement(signature)), time.thread_time),
        Work(times(lambda: key.public.verifies(bare, message)), time.thread_time),
    )
