"""What is kept of a compiled component: the same as the engine would say."""

from __future__ import annotations

from pathlib import Path

import pytest
import wasmtime
from airswasm.runtime._compile.child import compile_image
from airswasm.runtime._compile.description import Description
from airswasm.runtime._compose.added_exports import without_added
from airswasm.runtime._wasmtime.features import HardenedSettings, hardened_config
from airswasm.runtime._wasmtime.reflection import reflect
from airswasm.wit import Own

GUESTS = Path(__file__).with_name("guests")
EVERY_TYPE = """(component (import "test:every/types@1.0.0" (instance
  (export "thing" (type $thing (sub resource)))
  (type $pair' (record (field "left" u8) (field "right-one" (option string))))
  (export "pair" (type $pair (eq $pair')))
  (type $case' (variant (case "none") (case "some" (list $pair))))
  (export "case" (type $case (eq $case')))
  (type $level' (enum "low" "high"))
  (export "level" (type $level (eq $level')))
  (type $set' (flags "a" "b-c"))
  (export "set" (type $set (eq $set')))
  (export "[method]thing.of" (func (param "self" (borrow $thing)) (result (own $thing))))
  (export "all" (func (param "values" (tuple $pair $case $level $set char f64 (list u8)))
    (result (result (error (result $level (error $set))))))))))"""


@pytest.mark.parametrize("bridge", [True, False])
@pytest.mark.parametrize(
    "text", ["(component)", EVERY_TYPE, (GUESTS / "bytes.wat").read_text()], ids=len
)
def test_a_description_says_what_the_engine_says(text: str, bridge: bool) -> None:
    """Written and read again, it equals what reflection reads from the same code."""
    wasm = bytes(wasmtime.wat2wasm(text))
    image, made = compile_image(wasm, HardenedSettings(), bridge=bridge)
    read = Description.from_json(made.to_json())
    assert read == made
    assert repr(read.shape) == repr(made.shape)  # names too, which types are not compared by
    engine = wasmtime.Engine(hardened_config(HardenedSettings()))
    component = wasmtime.component.Component.deserialize(engine, bytes(image))
    shape = reflect(engine, component, read.bridging)
    assert read.shape == without_added(
        shape, read.bridging.rebound.values(), read.bridging.added.names
    )


def test_handles_share_the_identity_of_their_resource() -> None:
    """A handle that was read back refers to the component's resource type, by number."""
    wasm = bytes(wasmtime.wat2wasm(EVERY_TYPE))
    _, made = compile_image(wasm, HardenedSettings(), bridge=True)
    shape = Description.from_json(made.to_json()).shape
    interface = shape.imports["test:every/types@1.0.0"]
    method = interface.functions["[method]thing.of"]
    assert method.result == Own(shape.resources[0])
    assert interface.resources["thing"] is shape.resources[0]
