"""Signatures and annotations of exports, derived from shapes alone."""

from __future__ import annotations

import inspect

import pytest
from airswasm.runtime import Caller, Case, FunctionShape
from airswasm.runtime._exports import annotation_of, signature_of
from airswasm.wit import Case as TypeCase
from airswasm.wit import (
    Enum,
    Field,
    Flags,
    ListOf,
    OptionOf,
    Primitive,
    Record,
    ResultOf,
    TupleOf,
    Variant,
)

STRING, U8, U32 = Primitive("string"), Primitive("u8"), Primitive("u32")


@pytest.mark.parametrize(
    ("shape", "annotation"),
    [
        (U32, int),
        (Primitive("f64"), float),
        (Primitive("char"), str),
        (ListOf(U8), bytes),
        (ListOf(U32), "list[int]"),
        (TupleOf((U32, STRING)), "tuple[int, str]"),
        (OptionOf(STRING), "str | None"),
        (OptionOf(OptionOf(STRING)), "Some[str | None] | None"),
        (ResultOf(ListOf(U8), STRING), "Ok[bytes] | Err[str]"),
        (ResultOf(None, None), "Ok[None] | Err[None]"),
        (Record("key-value", (Field("key", STRING),)), "KeyValue"),
        (Variant("shape", (TypeCase("dot"),)), Case),
        (Enum("colour", (TypeCase("red"), TypeCase("blue"))), "Literal['red', 'blue']"),
        (Flags("modes", (TypeCase("read"),)), "frozenset[str]"),
    ],
)
def test_annotations_are_the_python_types(shape, annotation):
    """Each WIT type is annotated as the value that users see."""
    assert annotation_of(shape) == annotation


def test_signatures_use_python_names():
    """Kebab-case becomes snake_case, keywords get an underscore."""
    shape = FunctionShape("copy-file", (("from", STRING), ("max-bytes", U32)), None)
    signature = signature_of(shape)
    assert list(signature.parameters) == ["from_", "max_bytes"]
    assert signature.return_annotation is None
    with pytest.raises(TypeError):
        signature.bind(from_="a")
    assert str(shape) == "copy-file: func(from: string, max-bytes: u32)"


@pytest.mark.anyio
async def test_methods_show_their_signature(engine, probe_wasm, probe_host):
    """`help` has name, parameters and WIT text; wrong arguments are a TypeError, like Python's."""
    component = await engine.load(probe_wasm)
    instance = await component.link([probe_host]).instantiate(caller=Caller("x"))
    method = instance.exports.handler.handle_message
    assert method.__name__ == "handle_message"
    assert "handle-message: func(sender: string" in inspect.getdoc(method)
    assert str(inspect.signature(method)).endswith("'Ok[bytes | None] | Err[str]'")
    assert "add" in dir(instance.exports)
    with pytest.raises(TypeError):
        await method("a", payload=b"")


@pytest.mark.anyio
async def test_methods_are_made_once_for_a_component(engine, probe_wasm, probe_host):
    """Reading one is reading an attribute: no signature is built for it."""
    linked = (await engine.load(probe_wasm)).link([probe_host])
    first, second = [await linked.instantiate(caller=Caller("x")) for _ in range(2)]
    one, other = first.exports.handler.handle_message, second.exports.handler.handle_message
    assert one.__func__ is other.__func__
    assert type(first.exports) is type(second.exports)
    assert first.exports is first.exports
    assert await one("a", None, b"1") == await other(sender="a", topic=None, payload=b"1")


@pytest.mark.anyio
async def test_a_method_of_a_resource_takes_it_as_self_(engine, resources_wasm):
    """The name of its first parameter is `self_`, since `self` is the exports' too."""
    component = await engine.load(resources_wasm)
    bump = component._exports_type(Recorder()).counters.counter_bump
    assert list(inspect.signature(bump).parameters) == ["self_"]
    assert bump(self_=7) == bump(7) == ("test:res/counters#[method]counter.bump", 7)


class Recorder:
    """Says what it was called with."""

    def call(self, path: str, *arguments: object) -> tuple[object, ...]:
        return path, *arguments
