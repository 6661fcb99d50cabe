"""One message to several targets, with an outcome for each."""

from __future__ import annotations

import pytest
from airswasm.actor import ActorSystem, MailboxSpec
from airswasm.actor.testing import Probe
from airswasm.messaging import (
    BLOCK,
    MESSAGING_INTERFACE,
    MessagingCounters,
    MessagingLimits,
    Rate,
    SamePolicy,
    messaging_interface,
)
from airswasm.runtime import Caller, Err, HostInterface, Ok
from airswasm.security import Grants, Guard, Kinds, UnannotatedFunction
from airswasm.wit import contract

from .test_guests import case_of

pytestmark = pytest.mark.anyio

KINDS = Kinds(BLOCK.capabilities)


async def test_each_target_has_its_outcome() -> None:
    """Denied, unknown, malformed and full ones keep it from no other."""
    async with ActorSystem() as system:
        one, other = Probe(), Probe()
        system.spawn(one, name="test/one")
        system.spawn(other, name="test/other")
        system.spawn(Probe(), name="test/full", mailbox=MailboxSpec(1), is_paused=True).tell(b"y")
        grants = Grants({"messaging:send": ("test/*",)}, {"messaging:send": ("test/secret",)})
        guard, counters = Guard(KINDS, {"local/a": grants}), MessagingCounters()
        interface = messaging_interface(system.broker, guard=guard, counters=counters)
        call = guard.guarded(interface, contract()).functions["broadcast"]
        targets = [
            "test/one", "test/secret", "other/x", "test/full", "test/absent", "test/", "test/other",
        ]  # fmt: skip
        outcome = call(Caller("local/a"), targets, b"hello")
        assert isinstance(outcome, Ok)
        words = ["ok" if each == Ok(None) else case_of(each) for each in outcome.value]
        assert words == [
            "ok", "denied", "denied", "mailbox-full", "unknown-target", "denied", "ok",
        ]  # fmt: skip
        assert await one.wait_for(1) == await other.wait_for(1) == [b"hello"]
        assert (counters.broadcast_targets, counters.broadcast_refused) == (2, 5)


async def test_the_number_of_targets_is_bounded() -> None:
    """Beyond it nothing is sent; each target counts against the rate."""
    async with ActorSystem() as system:
        probe = Probe()
        system.spawn(probe, name="test/one")
        policy = SamePolicy(MessagingLimits(broadcast_targets=3), Rate(0.001, 2))
        call = messaging_interface(system.broker, policy).functions["broadcast"]
        caller = Caller("local/a")
        assert case_of(call(caller, ["test/one"] * 4, b"x")) == "too-large"
        outcome = call(caller, ["test/one"] * 3, b"x")
        assert isinstance(outcome, Ok)
        assert outcome.value[:2] == [Ok(None), Ok(None)]
        assert case_of(outcome.value[2]) == "rate-limited"
        assert await probe.wait_for(2) == [b"x", b"x"]


def test_a_function_that_decides_nothing_is_not_offered() -> None:
    """A list of resources is decided by the function itself, which says so, or not at all."""

    def broadcast(_caller: Caller, _targets: list[str], _payload: bytes) -> object:
        return Ok([])

    interface = HostInterface(MESSAGING_INTERFACE, {"broadcast": broadcast})
    with pytest.raises(UnannotatedFunction, match="decides_each"):
        Guard(KINDS).guarded(interface, contract())


async def test_a_denial_is_remembered_with_those_of_send() -> None:
    """A target that may be sent to may be among those of a broadcast, and the reverse."""
    async with ActorSystem() as system:
        system.spawn(Probe(), name="test/one")
        guard = Guard(KINDS, {"local/a": Grants({"messaging:send": ("test/one",)})})
        interface = messaging_interface(system.broker, guard=guard)
        offered = guard.guarded(interface, contract()).functions
        caller = Caller("local/a")
        for _ in range(2):
            assert offered["send"](caller, "test/one", b"") == Ok(None)
            assert offered["broadcast"](caller, ["test/one"], b"") == Ok([Ok(None)])
            outcome = offered["broadcast"](caller, ["test/two"], b"")
            assert isinstance(outcome, Ok)
            assert isinstance(outcome.value[0], Err)
        guard.revoke("local/a")
        outcome = offered["broadcast"](caller, ["test/one"], b"")
        assert isinstance(outcome, Ok)
        assert case_of(outcome.value[0]) == "denied"
