"""The generated guest: every value that WIT can say, laid out as the canonical ABI wants it."""

from __future__ import annotations

from pathlib import Path

import pytest
from airswasm.wit import Block, Blocks, ProbeArgument, read_component, write_probe

WIT = """package acme:many@0.1.0;
interface many {
  record point { x: u8, name: string, y: u64 }
  variant shape { none, dot(point), line(list<point>), wide(f64) }
  enum color { red, green }
  flags marks { a, b, c, d, e, f, g, h, i }
  resource thing {
    constructor(name: string);
    use-it: func(times: s16) -> result<list<u8>, string>;
    eat: static func(it: thing) -> bool;
  }
  resource found { look: func(); parts: func() -> list<tuple<u8, part>>; }
  resource part { whole: func() -> option<result<result<deep, string>>>; }
  resource deep { get: func(other: option<found>) -> u8; }
  resource never { look: func(); }
  /// @requires nothing "it is a test"
  all: func(those: list<borrow<thing>>, mine: list<part>) -> list<u32>;
  /// @requires nothing "it is a test"
  hidden: func(those: list<tuple<borrow<thing>, u8>>);
  /// @requires nothing "it is a test"
  find: func(where: string) -> result<found, color>;
  /// @requires nothing "it is a test"
  draw: func(what: shape, tint: color, ticks: marks, at: option<tuple<u16, char, bool>>) -> shape;
  /// @requires nothing "it is a test"
  many: func(a: string, b: string, c: list<string>, d: list<list<u8>>, e: string, f: string,
             g: u64, h: s8, i: string, j: f32) -> u64;
}
"""


@pytest.fixture
def blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Blocks:
    folder = tmp_path / "many_block" / "wit"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").touch()
    (folder / "many.wit").write_text(WIT)
    monkeypatch.syspath_prepend(tmp_path)
    return Blocks.find().joined(Block(name="many", summary="Much.", wit="many_block:wit"))


ARGUMENTS = (
    ProbeArgument("nothing", "", b"", 0, 0),
    ProbeArgument("much", "aä\U0001f600" * 100, bytes(range(256)), 2**70, 37),
)


def test_every_function_gets_a_loop_for_each_argument(blocks: Blocks) -> None:
    """Records, variants, flags, handles, sixteen parameters and more: all are called."""
    guest = write_probe(blocks, ["acme:many/many@0.1.0", "not:there/it@1.0.0"], ARGUMENTS)
    assert {each.argument for each in guest.calls} == {"nothing", "much"}
    functions = [each.function for each in guest.calls]
    assert len(functions) == 2 * len(set(functions)) == 22
    assert [each.number for each in guest.calls] == list(range(22))
    assert set(guest.left_out) == {
        "acme:many/many@0.1.0#[method]never.look",
        "acme:many/many@0.1.0#hidden",
    }


def test_it_is_a_component_that_imports_what_it_calls(blocks: Blocks) -> None:
    """wasm-tools has compared the core type of every import with the WIT."""
    guest = write_probe(blocks, ["acme:many/many@0.1.0"], ARGUMENTS)
    world = read_component(guest.wasm)
    assert [each for each in world.imports if "many" in each]
    assert "run" in str(world)
