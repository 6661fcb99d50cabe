"""Every host function of every installed block holds, and the attack finds one that does not."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest
from airswasm.lifecycle.testing import ARGUMENTS, Attack, AttackReport, attack
from airswasm.runtime import (
    Caller,
    Case,
    Engine,
    Err,
    FuelExhausted,
    HostFunction,
    HostInterface,
    Limits,
    Ok,
    Services,
)
from airswasm.wit import Block, Blocks, ProbeArgument, ProbeCall, write_probe

pytestmark = pytest.mark.anyio

WIT = """package acme:slow@0.1.0;
interface slow {
  /// @requires nothing "it is a test"
  work: func(text: string) -> result<u32>;
  /// @requires nothing "it is a test"
  keep: func(data: list<u8>) -> result<u32>;
  /// @requires nothing "it is a test"
  fail: func(sides: u32) -> result<u32>;
}
"""


_OUT_OF_REACH = (
    "[method]incoming-request.",  # nothing serves http here
    "[method]response-outparam.",
    "[static]response-outparam.",
    "[method]error.",  # a stream that failed, and what asks about it
    "filesystem-error-code",
    "network-error-code",
    "http-error-code",
    "[method]connection.",  # the other end of a connection
    "[method]listener.",
    "[method]socket.",
    "[method]open-file.",
    "[method]child.",
    "[method]request-body.",
    "[method]response-body.",
    "[method]incoming-datagram-stream.",
    "[method]outgoing-datagram-stream.",
    "[method]future-incoming-response.",
    "[method]incoming-response.",
    "[method]incoming-body.",
    "[static]incoming-body.",
    "[method]future-trailers.",
)
"""What needs a peer, or a failure: such functions have tests of their own."""
_OF_OSL = (
    "[method]descriptor.",
    "[method]directory-entry-stream.",
    "[method]tcp-socket.",
    "[method]udp-socket.",
    "[method]resolve-address-stream.",
)
"""Only where a block gives components one: `airswasm.osl`, which this one does not need."""


async def test_every_host_function_holds() -> None:
    """None holds the loop for 50 ms or keeps more than the account allows, whatever it is given."""
    report = await attack(quick=True)
    packages = {each.call.interface.partition("/")[0] for each in report.attacks}
    assert packages >= {"airswasm:component", "wasi:io", "wasi:http", "wasi:filesystem"}
    functions = {(each.call.interface, each.call.function) for each in report.attacks}
    assert len(functions) >= 100
    assert {each.is_granted for each in report.attacks} == {True, False}
    missed = {each.partition("#")[2] for each in (*report.left_out, *report.unreached)}
    out_of_reach = _OUT_OF_REACH if find_spec("airswasm.osl") else _OUT_OF_REACH + _OF_OSL
    assert [each for each in missed if not each.startswith(out_of_reach)] == []
    report.raise_for_failures()


MANY = """package acme:many@0.1.0;
interface many {
  record point { x: u8, name: string, y: u64 }
  variant shape { none, line(list<point>), dot(point) }
  enum color { red, green }
  draw: func(what: shape, tint: color, at: option<tuple<u16, char, bool>>) -> shape;
  many: func(a: string, b: list<u8>, c: list<string>, d: list<list<u8>>, e: string, f: string,
             g: u64, h: s8, i: string, j: f32, k: u32) -> u64;
  one: func(a: result<u64, string>, b: list<tuple<u8, u64>>) -> result<list<string>, color>;
}
"""


async def test_the_generated_values_are_those_that_were_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the guest lays out in its memory is what the engine reads there."""
    (tmp_path / "many_block" / "wit").mkdir(parents=True)
    (tmp_path / "many_block" / "__init__.py").touch()
    (tmp_path / "many_block" / "wit" / "many.wit").write_text(MANY)
    monkeypatch.syspath_prepend(tmp_path)
    blocks = Blocks.find().joined(Block(name="many", summary="Much.", wit="many_block:wit"))
    text, data = "aä\U0001f600" * 4, bytes(range(200))
    argument = ProbeArgument("much", text, data, 2**70, 3)
    guest = write_probe(blocks, ["acme:many/many@0.1.0"], [argument])
    seen: dict[str, tuple[object, ...]] = {}

    def note(name: str, answer: object) -> HostFunction:
        def function(_caller: Caller, *values: object) -> object:
            seen[name] = values
            return answer

        return function

    functions = {
        "draw": note("draw", Case("line", [{"x": 1, "name": "n", "y": 2}])),
        "many": note("many", 7),
        "one": note("one", Ok(["a", "b"])),
    }
    async with Engine() as engine:
        component = await engine.load(guest.wasm)
        linked = component.link([HostInterface("acme:many/many@0.1.0", functions)])
        for call in guest.calls:
            limits = Limits(fuel=1_000_000, memory_bytes=2**20)
            instance = await linked.instantiate(caller=Caller("test/probe"), limits=limits)
            with pytest.raises(FuelExhausted):
                await instance.call("#run", call.number)
    what, tint, at = seen["draw"]
    assert isinstance(what, Case)
    assert (what.name, what.value.x, what.value.name, what.value.y) == (
        "dot", 255, text, 2**64 - 1,
    )  # fmt: skip
    assert (tint, at) == ("green", (65_535, "a", True))
    part, piece = text[: len(text) // 3], data[: len(data) // 3]
    assert seen["many"] == (
        text, data, [part] * 3, [piece] * 3, text, text, 2**64 - 1, 127, text, 0.0, 2**32 - 1,
    )  # fmt: skip
    assert seen["one"] == (Err(text), [(255, 2**64 - 1)] * 3)


async def test_a_function_that_does_not_hold_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stranger's block is attacked like ours: long work and bytes off the account show."""
    (tmp_path / "slow_block" / "wit").mkdir(parents=True)
    (tmp_path / "slow_block" / "__init__.py").touch()
    (tmp_path / "slow_block" / "wit" / "slow.wit").write_text(WIT)
    monkeypatch.syspath_prepend(tmp_path)
    kept: list[bytes] = []

    def work(_caller: Caller, text: str) -> Ok[int]:
        return Ok(sum(1 for _ in range(2_000_000)) if len(text) > 10_000 else 0)

    def keep(caller: Caller, data: bytes) -> Ok[int]:
        kept.append(data)
        caller.account.kept_bytes += 100 * len(data)  # and does not ask for room
        return Ok(len(data))

    def fail(_caller: Caller, sides: int) -> Ok[int]:
        raise ValueError(f"no dice of {sides} sides")

    def provide(_services: Services) -> list[HostInterface]:
        functions = {"work": work, "keep": keep, "fail": fail}
        return [HostInterface("acme:slow/slow@0.1.0", functions)]

    block = Block(
        name="slow",
        summary="Does not hold.",
        wit="slow_block:wit",
        interfaces=("acme:slow/slow@0.1.0",),
        provide=provide,
    )
    blocks = Blocks.find().joined(block)
    report = await attack(blocks, interfaces=["acme:slow/slow@0.1.0"], quick=True)
    failures = {each.call.function for each in report.failures()}
    assert failures == {"work", "keep", "fail"}
    with pytest.raises(AssertionError, match=r"^\d+ host functions do not hold") as caught:
        report.raise_for_failures()
    assert "HostFunctionFailed by ValueError: no dice of" in str(caught.value)


def test_what_counts_as_a_failure() -> None:
    """Time, the account, the process, and a host function that fails."""
    call = ProbeCall(0, "a:b/c", "f", "letters")
    fine = Attack(call, True, 0.01, 0, 0, "FuelExhausted")
    bad = (
        Attack(call, True, 0.06, 0, 0, "FuelExhausted"),
        Attack(call, True, 0.01, 2**30, 0, "FuelExhausted"),
        Attack(call, True, 0.01, 0, 2**30, "FuelExhausted"),
        Attack(call, True, 0.01, 0, 0, "HostFunctionFailed"),
    )
    assert AttackReport((fine, *bad)).failures() == bad


def test_every_argument_has_a_name_of_its_own() -> None:
    """A report names the argument, so two of one name would hide each other."""
    assert len({each.name for each in ARGUMENTS}) == len(ARGUMENTS)
