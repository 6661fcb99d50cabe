"""Codecs and rates of a manifest, in a running host and over its updates."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import nullcontext
from pathlib import Path

import pytest
from airswasm.actor import ActorSystem, MessageBroker
from airswasm.lifecycle import Configuration, InstallPlan, ManifestInvalid, System
from airswasm.messaging import (
    CodecNotAccepted,
    MessagingPolicy,
    Messenger,
    encode,
    messaging_interface,
)
from airswasm.runtime import Caller, Case, Err, Ok
from airswasm.wit import Blocks

from .conftest import Workshop

pytestmark = pytest.mark.anyio

NAME = "local/hello"
Approve = Callable[[InstallPlan], bool]
GOOD, BAD = encode({"n": 1}), encode({"n": 1}, "json")


@pytest.fixture
async def system(tmp_path: Path) -> AsyncIterator[System]:
    async with System(tmp_path / "home") as system:
        yield system


def codecs(accepts: str, more: str = "") -> str:
    return f"[codecs]\naccepts = {accepts}\n{more}"


async def test_every_way_in_compares_the_codec(
    system: System, workshop: Workshop, yes: Approve
) -> None:
    """Of components, of Python code by name and by reference, of the command and the operator."""
    await system.install(workshop.package(extra=codecs('["cbor"]')), approve=yes)
    broker = system.services.get(MessageBroker)
    ref = broker.resolve(NAME)
    broker.subscribe("news", NAME)
    call = messaging_interface(broker).functions
    caller = Caller("local/other")
    waiting: list[Callable[[bytes], Awaitable[object]]] = [
        lambda payload: system.send(NAME, payload),
        lambda payload: system.deliver(NAME, payload),
        lambda payload: broker.ask(NAME, payload),
        ref.ask,
        ref.send,
    ]
    telling: list[Callable[[bytes], object]] = [
        lambda payload: broker.tell(NAME, payload),
        ref.tell,
        lambda payload: Messenger(broker, codec="none").tell(NAME, payload),
    ]

    async def ask(way: Callable[[bytes], Awaitable[object]], payload: bytes) -> None:
        with pytest.raises(CodecNotAccepted) if payload != GOOD else nullcontext():
            await way(payload)

    def tell(way: Callable[[bytes], object], payload: bytes) -> None:
        with pytest.raises(CodecNotAccepted) if payload != GOOD else nullcontext():
            way(payload)

    for payload in (GOOD, BAD, b"plain", b""):
        is_read = payload == GOOD
        for way in waiting:
            await ask(way, payload)
        for way in telling:
            tell(way, payload)
        assert broker.publish("news", payload) == is_read
        assert call["publish"](caller, "news", payload) == Ok(int(is_read))
        outcome = call["send"](caller, NAME, payload)
        assert call["broadcast"](caller, [NAME], payload) == Ok([outcome])
        match outcome:
            case Err(Case("invalid", text)):
                assert not is_read
                assert "local/hello accepts cbor (prefers cbor)" in str(text)
            case _:
                assert outcome == Ok(None)
                assert is_read


async def test_an_update_changes_what_is_read(
    system: System, workshop: Workshop, yes: Approve
) -> None:
    """For more and for less, at once; back with a rollback."""
    await system.install(workshop.package(extra=codecs('["cbor"]')), approve=yes)
    assert system.acceptance_of(NAME).accepts == ("cbor",)
    with pytest.raises(CodecNotAccepted):
        await system.send(NAME, b"v")
    wider = workshop.package("0.2.0", extra=codecs('["json", "cbor"]', 'prefers = "cbor"'))
    await system.update(wider, approve=yes)
    assert (await system.send(NAME, GOOD), await system.send(NAME, BAD)) == (None, None)
    assert system.acceptance_of(NAME).prefers == "cbor"
    await system.update(workshop.package("0.3.0"), approve=yes)
    assert await system.send(NAME, b"v") == b"0.3.0"
    assert system.acceptance_of(NAME).prefers is None
    await system.rollback(NAME, "0.1.0")
    with pytest.raises(CodecNotAccepted):
        await system.send(NAME, b"v")


async def test_an_update_changes_the_rates_of_a_running_host(
    system: System, workshop: Workshop, yes: Approve
) -> None:
    """More is earned from then on, less holds at once, for messages and for bytes."""
    now = 100.0
    broker, policy = system.services.get(MessageBroker), system.services.get(MessagingPolicy)  # type: ignore[type-abstract]
    system.services.get(ActorSystem).spawn(lambda _message, _context: None, name="test/sink")
    send = messaging_interface(broker, policy, clock=lambda: now).functions["send"]

    def passed(tries: int, size: int = 1) -> int:
        return sum(send(Caller(NAME), "test/sink", bytes(size)) == Ok(None) for _ in range(tries))

    def limited(rates: str) -> str:
        return f'memory = "1 MiB"\n{rates}'

    await system.install(workshop.package(limits=limited("rates.messages = 5")), approve=yes)
    assert passed(100) == 5
    wider = workshop.package("0.2.0", limits=limited("rates.messages = 50"))
    await system.update(wider, approve=yes)
    now += 1.0
    assert passed(100) == 50
    await system.update(
        workshop.package("0.3.0", limits=limited("rates.messages = 5")), approve=yes
    )
    now += 1.0
    assert passed(100) == 5
    slim = workshop.package("0.4.0", limits=limited('rates.bytes = "1 KiB"'))
    await system.update(slim, approve=yes)
    now += 10.0
    assert passed(100, 100) == 10


@pytest.mark.parametrize(
    ("section", "problem"),
    [
        (codecs('["jsn"]'), "did you mean json"),
        (codecs('["messagepack"]'), "did you mean msgpack"),
        (codecs("[]"), "at least one"),
        (codecs('["any", "cbor"]'), "stands alone"),
        (codecs('["cbor"]', 'prefers = "json"'), "accepts does not name"),
        (codecs('["cbor"]', 'prefer = "cbor"'), "prefers"),
    ],
)
def test_what_no_receiver_can_mean_is_refused(
    workshop: Workshop, section: str, problem: str
) -> None:
    """With the key, and what was probably meant."""
    with pytest.raises(ManifestInvalid, match=problem):
        _ = workshop.package(extra=section).manifest


async def test_settings_bound_what_a_manifest_asks_for(
    tmp_path: Path, workshop: Workshop, yes: Approve
) -> None:
    """Bytes a second, asked for or not."""
    file = tmp_path / "config.toml"
    file.write_text("[limits]\nsent_bytes = 1000\n[install]\nunsigned = true\n")
    configuration = Configuration.load(file, Blocks.find(), {})
    async with System(tmp_path / "home", configuration=configuration) as system:
        await system.install(workshop.package(), approve=yes)
        policy = system.services.get(MessagingPolicy)  # type: ignore[type-abstract]
        assert policy.rate_of(NAME).bytes_per_second == 1000
        assert system.info(NAME).limits.rates.bytes == 1000
