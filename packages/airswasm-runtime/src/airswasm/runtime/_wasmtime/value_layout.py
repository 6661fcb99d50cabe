"""The layout of values in the C interface: a kind byte, then up to three words.

As in wasmtime's `component/val.h`. The engine does not promise this layout from one
release to the next; `tests/test_value_layout.py` compares each constant with what the
library's own bindings say.
"""

from __future__ import annotations

import struct

SLOT_BYTES = 32
FIELD_BYTES = 48
NAME_BYTES = 16

KIND_LIST = 13
KIND_RECORD = 14
KIND_TUPLE = 15
KIND_VARIANT = 16
KIND_ENUM = 17
KIND_OPTION = 18
KIND_RESULT = 19
KIND_FLAGS = 20
KIND_RESOURCE = 21

NUMBERS = {
    "s8": (1, "b", 23),
    "u8": (2, "B", 23),
    "s16": (3, "h", 22),
    "u16": (4, "H", 22),
    "s32": (5, "i", 20),
    "u32": (6, "I", 20),
    "s64": (7, "q", 16),
    "u64": (8, "Q", 16),
    "f32": (9, "f", 20),
    "f64": (10, "d", 16),
}
"""Kind, `struct` code, bytes of padding behind it."""
KIND_CHAR = 11
KIND_STRING = 12

DATA_OFFSET_BYTES = bytes.__basicsize__ - 1
"""The place of the data in a `bytes` object of CPython, which ends with the NUL byte."""

U8_SLOT = struct.pack("<B7xB23x", NUMBERS["u8"][0], 0)
WORD = struct.Struct("<Q").unpack_from
TWO_WORDS = struct.Struct("<QQ").unpack_from
CASE_AND_WORD = struct.Struct("<?7xQ").unpack_from
pack_word = struct.Struct("<B7xQ16x").pack
pack_two = struct.Struct("<B7xQQ8x").pack
pack_three = struct.Struct("<B7xQQQ").pack
pack_result = struct.Struct("<B7xB7xQ8x").pack
