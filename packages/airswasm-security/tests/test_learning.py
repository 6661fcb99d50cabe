"""Learning: what is used is noted once, within bounds, and becomes the least manifest."""

from __future__ import annotations

import pytest
from airswasm.runtime import Caller, HostInterface
from airswasm.security import (
    PLAIN,
    AclEntry,
    AclSettings,
    Grants,
    Guard,
    Kinds,
    Learning,
    RolesLayer,
    RolesSettings,
    Spelling,
    Use,
    least_grants,
)
from airswasm.wit import contract
from hypothesis import given
from hypothesis import strategies as st

KINDS = Kinds.of(storage_read=PLAIN, storage_write=PLAIN, messaging_publish=Spelling("."))
STORAGE = "airswasm:component/storage@0.1.0"
WEB = "shop/web"


def uses(*pairs: tuple[str, str]) -> list[Use]:
    return [Use(capability, pattern) for capability, pattern in pairs]


def test_a_component_that_learns_may_use_what_it_was_not_granted() -> None:
    """And is held to its grants again afterwards, also for what it has used meanwhile."""
    guard = Guard(KINDS, {WEB: Grants({"storage:read": ("a",)})})
    assert not guard.check(WEB, "storage:read", "b")
    learning = guard.start_learning(WEB)
    assert guard.is_learning(WEB)
    for key in ("a", "b", "b"):
        assert guard.check(WEB, "storage:read", key)
    assert guard.check(WEB, "storage:read", "", argument="prefix")
    assert not guard.check("shop/back", "storage:read", "b")
    assert [use.pattern for use in learning.take()] == ["a", "b", "everything"]
    assert list(learning.take()) == []
    guard.stop_learning(WEB)
    assert not guard.is_learning(WEB)
    assert guard.check(WEB, "storage:read", "a")
    assert not guard.check(WEB, "storage:read", "b")


def test_a_guarded_function_is_noted_too() -> None:
    """The door in front of an interface is where components pass."""
    guard = Guard(KINDS)
    interface = HostInterface(STORAGE, {"get": lambda _caller, key: key})
    get = guard.guarded(interface, contract()).functions["get"]
    learning = guard.start_learning(WEB)
    assert get(Caller(WEB), "orders/1") == "orders/1"
    assert get(Caller(WEB), "orders/1") == "orders/1"
    assert [(use.capability, use.pattern) for use in learning.take()] == [
        ("storage.read", "orders/1")
    ]
    guard.stop_learning(WEB)
    assert get(Caller(WEB), "orders/1") != "orders/1"


def test_learning_lifts_nothing_but_missing_grants() -> None:
    """Denials of the component, the policy, roles and what has no safe spelling hold."""
    guard = Guard(
        KINDS,
        {WEB: Grants({}, {"storage:read": ("own",)})},
        policy=Grants({}, {"storage:read": ("host",)}),
    )
    entry = AclEntry("component:shop/web", "deny", ("storage.read",), ("acl",))
    guard.add_layer(RolesLayer(KINDS, RolesSettings(), AclSettings((entry,))))
    learning = guard.start_learning(WEB)
    for key in ("own", "host", "acl", "a/../b"):
        assert not guard.check(WEB, "storage:read", key), key
    assert list(learning.take()) == []


def test_what_is_noted_is_bounded() -> None:
    """A component that uses a million keys does not fill the host; the loss is counted."""
    learning = Learning()
    for number in range(3_000):
        learning.note("storage:read", f"key-{number}-" + "x" * 100)
    noted = list(learning.take())
    assert 100 < len(noted) < 1_000
    learning.note("storage:read", noted[0].pattern)
    assert list(learning.take()) == []
    smaller = Learning()
    smaller.note("storage:read", "x" * 70_000)
    smaller.note("storage:read", "y")
    assert [use.unnoted for use in smaller.take()] == [1]


@pytest.mark.parametrize(
    ("used", "least"),
    [
        (["a/1", "a/2"], ("a/1", "a/2")),
        ([f"a/{n}" for n in range(11)], tuple(sorted(f"a/{n}" for n in range(11)))),
        ([f"a/{n}" for n in range(12)], ("a/*",)),
        ([f"a/{n}" for n in range(12)] + ["b/1"], ("a/*", "b/1")),
        ([f"u/{n}/name" for n in range(12)], ("u/*/name",)),
        ([f"u/{n}/{m}" for n in range(12) for m in range(12)], ("u/*/*",)),
        ([str(n) for n in range(12)], ("*",)),
        (["a/**"], ("a/**",)),
    ],
)
def test_a_dozen_siblings_become_a_pattern(used: list[str], least: tuple[str, ...]) -> None:
    """They differ in one segment; fewer stand in the manifest as they are."""
    found = least_grants(KINDS, uses(*(("storage.read", key) for key in used)))
    assert found.allow == {"storage:read": least}


def test_segments_are_those_of_the_kind() -> None:
    """Topics have dots; a capability without a block is left out."""
    topics = [("messaging.publish", f"orders.{n}.paid") for n in range(12)]
    found = least_grants(KINDS, uses(*topics, ("gone.use", "x")))
    assert found.allow == {"messaging:publish": ("orders.*.paid",)}


keys = st.lists(st.text("ab*[?/", min_size=1, max_size=6), max_size=40)


@given(keys)
def test_the_least_manifest_is_enough(asked: list[str]) -> None:
    """It can be written into a manifest, and a component that holds to it is never denied."""
    guard = Guard(KINDS)
    learning = guard.start_learning(WEB)
    allowed = [key for key in asked if guard.check(WEB, "storage:read", key)]
    least = least_grants(KINDS, learning.take())
    guard.stop_learning(WEB)
    KINDS.check(least)
    guard.grant(WEB, least)
    assert all(guard.check(WEB, "storage:read", key) for key in allowed)
