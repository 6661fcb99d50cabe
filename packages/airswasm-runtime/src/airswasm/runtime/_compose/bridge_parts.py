"""The core of a bridge: a module that owns its memory, and one that converts what crosses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from wasmtime import wat2wasm

from .text_bridge import RESULT_AREA, allocator_module
from .wrappers import Wrapper, result_area_bytes, wrapper_module
from .writer import CORE_FUNCTION, CORE_MEMORY, ComponentWriter, Sort


@dataclass(frozen=True, slots=True)
class Allocator:
    """The place where a bridge keeps its values: a core instance, its memory, its `realloc`."""

    instance: int
    memory: int
    realloc: int


def write_allocator(
    writer: ComponentWriter, wrappers: Sequence[Wrapper], nonce: bytes
) -> Allocator:
    """Write the core module that owns a bridge's memory."""
    heap = RESULT_AREA + result_area_bytes(wrappers)
    own = writer.core_instance(writer.core_module(assembled_core(allocator_module(heap, nonce))))
    memory = writer.core_alias(CORE_MEMORY, own, "memory")
    return Allocator(own, memory, writer.core_alias(CORE_FUNCTION, own, "realloc"))


def write_wrappers(
    writer: ComponentWriter,
    wrappers: Sequence[Wrapper],
    allocator: Allocator,
    other: int,
    lifted_types: Sequence[Callable[[], int]],
    name: str,
) -> None:
    """Write what converts, calls `other` and offers the outcome as `name` and a number."""
    core = core_wrappers(writer, wrappers, allocator, other)
    for number, lifted_type in enumerate(lifted_types):
        function = writer.core_alias(CORE_FUNCTION, core, f"f{number}")
        after = writer.core_alias(CORE_FUNCTION, core, f"after{number}")
        offered = writer.lift(function, lifted_type(), allocator.memory, allocator.realloc, after)
        writer.export(f"{name}{number}", Sort.FUNCTION, offered)


def core_wrappers(
    writer: ComponentWriter, wrappers: Sequence[Wrapper], allocator: Allocator, other: int
) -> int:
    """Write what converts and calls `other`; return the core instance."""
    module = writer.core_module(assembled_core(wrapper_module(wrappers)))
    return writer.core_instance(module, [("own", allocator.instance), ("other", other)])


def assembled_core(source: str) -> bytes:
    """Return a core module that is given as text."""
    return bytes(wat2wasm(source))
