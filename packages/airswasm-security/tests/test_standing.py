"""What stood on a grant ends with it, and only that."""

from __future__ import annotations

import anyio
import pytest
from airswasm.runtime import Caller, Err, HostInterface, Ok
from airswasm.security import PLAIN, Grants, Guard, Kinds, Resource, Verdict
from airswasm.wit import contract

KINDS = Kinds.of(storage_read=PLAIN, storage_write=PLAIN)
READ, WRITE = "storage:read", "storage:write"
NAME = "local/a"

pytestmark = pytest.mark.anyio


class NoSecrets:
    """A layer that forbids what has a name beneath `secret`."""

    name = "secrets"

    def judge(self, component: str, capability: str, resource: Resource) -> Verdict | None:
        del component, capability
        if not resource.text.startswith("secret"):
            return None
        return Verdict(self.name, is_allowed=False, rule="secret", is_explicit=True)

    def effort(self, component: str, capability: str) -> int:
        del component, capability
        return 1


def guarding(*patterns: str) -> Guard:
    return Guard(KINDS, {NAME: Grants({READ: patterns})})


def test_only_what_is_denied_ends_and_once() -> None:
    """With the denial; what was given back before is not ended."""
    guard, ended = guarding("everything"), list[str]()
    for resource in ("a", "b", "c"):
        guard.keep(NAME, READ, resource, lambda text, _r=resource: ended.append(f"{_r}: {text}"))  # type: ignore[misc]
    forget = guard.keep(NAME, READ, "d", ended.append)
    forget()
    forget()
    assert guard.count_held(NAME) == 3
    guard.grant(NAME, Grants({READ: ("a", "c")}))
    assert [each.partition(":")[0] for each in ended] == ["b"]
    assert "denied" in ended[0]
    guard.grant(NAME, Grants({READ: ("everything",)}))
    guard.revoke(NAME)
    assert [each.partition(":")[0] for each in ended] == ["b", "a", "c"]
    assert guard.count_held(NAME) == 0
    guard.revoke(NAME)


def test_a_layer_and_another_name_of_the_resource_end_it() -> None:
    """A new rule holds for what is open, also under the name that the resource was found by."""
    guard, ended = guarding("everything"), list[str]()
    guard.keep(NAME, READ, "plain", ended.append, also=["secret/1"])
    guard.keep(NAME, READ, "other", ended.append)
    guard.add_layer(NoSecrets())
    assert len(ended) == 1
    assert guard.count_held(NAME) == 1


def test_what_is_taken_while_others_end_does_not_disturb() -> None:
    """An end may give back other things that the component holds."""
    guard, ended = guarding("everything"), list[str]()
    forget = guard.keep(NAME, READ, "b", ended.append)
    guard.keep(NAME, READ, "a", lambda _text: forget())
    guard.revoke(NAME)
    assert guard.count_held(NAME) == 0


async def test_a_call_in_the_middle_ends_with_its_grant() -> None:
    """The guest gets the case `denied`; a call that another grant covers goes on."""
    guard = guarding("everything")
    entered, release = [anyio.Event(), anyio.Event()], anyio.Event()

    async def get(caller: Caller, key: str) -> object:
        del caller
        entered[key == "b"].set()
        await release.wait()
        return Ok(key)

    guarded = guard.guarded(
        HostInterface("airswasm:component/storage@0.1.0", {"get": get}), contract()
    )
    answers: dict[str, object] = {}

    async def call(key: str) -> None:
        answers[key] = await guarded.functions["get"](Caller(NAME), key)  # type: ignore[misc]

    async with anyio.create_task_group() as group:
        group.start_soon(call, "a")
        group.start_soon(call, "b")
        for each in entered:
            await each.wait()
        guard.grant(NAME, Grants({READ: ("b",)}))
        with anyio.fail_after(60):
            while "a" not in answers:
                await anyio.lowlevel.checkpoint()
        assert "b" not in answers
        release.set()
    refused = answers["a"]
    assert isinstance(refused, Err)
    assert refused.value.name == "denied"  # type: ignore[attr-defined]
    assert answers["b"] == Ok("b")
    assert guard.count_held(NAME) == 0
