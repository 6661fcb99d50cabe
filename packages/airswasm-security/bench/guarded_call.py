"""What the guard costs on a host call, against the same call without it; one run, ratios."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from airswasm.runtime import Caller, HostInterface, Ok
from airswasm.security import (
    PLAIN,
    AuditLog,
    Grants,
    Guard,
    Kinds,
    Statement,
    generate_key,
    sign,
    verify_statement,
)
from airswasm.wit import contract

CALLS = 100_000
KINDS = Kinds.of(storage_read=PLAIN)
ANSWER = Ok(b"")


def get(_caller: Caller, _key: str) -> object:
    """The cheapest host function there can be."""
    return ANSWER


def nanoseconds(call: Callable[[int], object], calls: int = CALLS) -> float:
    """The best of three rounds, for one call."""

    def one_round() -> float:
        start = time.perf_counter_ns()
        for number in range(calls):
            call(number)
        return (time.perf_counter_ns() - start) / calls

    return min(one_round() for _ in range(3))


def main() -> None:
    caller = Caller("local/hello")
    offered = HostInterface("airswasm:component/storage@0.1.0", {"get": get})
    grants = {"local/hello": Grants({"storage:read": ("users/*/name", "count", "**")})}
    bare = offered.functions["get"]
    with (
        tempfile.TemporaryDirectory() as folder,
        AuditLog(Path(folder) / "audit", durability="os") as log,
    ):
        doors = {
            "the same key again": Guard(KINDS, grants, audit=log).guarded(offered, contract()),
            "every call with a line": Guard(
                KINDS, grants, audit=log, allowed_lines="every"
            ).guarded(offered, contract()),
        }
        fresh = Guard(KINDS, grants).guarded(offered, contract()).functions["get"]
        base = nanoseconds(lambda _: bare(caller, "count"))
        print(f"without a guard          {base:8.0f} ns")
        for name, door in doors.items():
            call = door.functions["get"]
            cost = nanoseconds(lambda _, call=call: call(caller, "count"), 20_000)
            print(f"{name:24} {cost:8.0f} ns  {cost - base:+8.0f} ns")
        cost = nanoseconds(lambda number: fresh(caller, f"users/{number}"), 20_000)
        print(f"{'a new key each time':24} {cost:8.0f} ns  {cost - base:+8.0f} ns")
    key = generate_key()
    signature = sign(Statement.of("local/hello", "1.0.0", 1, {"component.wasm": bytes(1000)}), key)
    cost = nanoseconds(lambda _: verify_statement(signature), 50)
    print(f"{'verifying a signature':24} {cost / 1e6:8.2f} ms")


if __name__ == "__main__":
    main()
