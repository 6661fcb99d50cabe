"""The layout of values is the library's: each constant agrees with its own bindings."""

from __future__ import annotations

import ctypes

import pytest
from airswasm.runtime._wasmtime import value_layout
from wasmtime import _ffi

_KINDS = {
    "NUMBERS": None,
    "KIND_CHAR": "CHAR",
    "KIND_STRING": "STRING",
    "KIND_LIST": "LIST",
    "KIND_RECORD": "RECORD",
    "KIND_TUPLE": "TUPLE",
    "KIND_VARIANT": "VARIANT",
    "KIND_ENUM": "ENUM",
    "KIND_OPTION": "OPTION",
    "KIND_RESULT": "RESULT",
    "KIND_FLAGS": "FLAGS",
    "KIND_RESOURCE": "RESOURCE",
}


def kind(name: str) -> int:
    return int(getattr(_ffi, f"WASMTIME_COMPONENT_{name}").value)


@pytest.mark.parametrize(("constant", "name"), [(c, n) for c, n in _KINDS.items() if n])
def test_each_kind_has_the_library_s_number(constant: str, name: str) -> None:
    """The number before a value says what it is."""
    assert getattr(value_layout, constant) == kind(name)


@pytest.mark.parametrize("number", value_layout.NUMBERS)
def test_each_number_has_the_library_s_kind_and_place(number: str) -> None:
    """Kind, width and padding of one slot."""
    value, code, padding = value_layout.NUMBERS[number]
    assert value == kind(number.upper())
    assert 8 + ctypes.sizeof(_BY_CODE[code]) + padding == value_layout.SLOT_BYTES


_BY_CODE = {
    "b": ctypes.c_int8, "B": ctypes.c_uint8, "h": ctypes.c_int16, "H": ctypes.c_uint16,
    "i": ctypes.c_int32, "I": ctypes.c_uint32, "q": ctypes.c_int64, "Q": ctypes.c_uint64,
    "f": ctypes.c_float, "d": ctypes.c_double,
}  # fmt: skip


def test_sizes_and_offsets_are_the_library_s() -> None:
    """A slot, a record's field, a name, and where a slot's value begins."""
    assert ctypes.sizeof(_ffi.wasmtime_component_val_t) == value_layout.SLOT_BYTES
    assert ctypes.sizeof(_ffi.wasmtime_component_valrecord_entry_t) == value_layout.FIELD_BYTES
    assert ctypes.sizeof(_ffi.wasm_byte_vec_t) == value_layout.NAME_BYTES
    assert _ffi.wasmtime_component_val_t.of.offset == 8
