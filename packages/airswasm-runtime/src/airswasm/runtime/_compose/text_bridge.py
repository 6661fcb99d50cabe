"""The core wasm of a bridge: turning bytes into text and back, in place.

What the host sees of a byte list is a `string`, in one of four forms, told
apart by the first byte so that the commonest costs nothing at all:

- bytes that are all ASCII are their own text;
- up to 1 KiB, `C2 80` and two hex digits a byte: Python does that fastest;
- from half a KiB on, where the host can reach the bridge's memory, `C2 82` and where in
  it the bytes lie, which the host copies (`_calls.staging`);
- beyond, elsewhere, `C2 81`, the length in five digits of base 128, and blocks: 112 bytes
  become 128 of seven bits each, the eighth bits collected in the last sixteen.
  It costs a seventh more room, is ASCII and so passes the engine's UTF-8 check
  at full speed, and takes four SIMD instructions for sixteen bytes.

Rejected: latin-1 code points as UTF-8 (Python and the engine both handle text
that is not ASCII one character at a time, 4 to 6 ns a byte) and the engine's
own latin-1 string encoding (the same loops, hidden).

A memory begins with a header: a nonce by which the host finds it, whether it has, and
how much of the heap is in use, which the host moves on too for what it copies in.

Everything that a call needs lies behind that bump pointer, which goes back to the
start with every call: a bridge is entered by one call at a time, and its
arguments are copied out before its results come in. Each allocation keeps room
behind it for its text.
"""

from __future__ import annotations

import struct

BRIDGE_NAME = "airswasm-bridge"
"""The name of a bridge's core modules in backtraces."""
HEX_MARK, PACKED_MARK, STAGED_MARK = 0x80C2, 0x81C2, 0x82C2
HEX_MOST_BYTES = 1024
PACKED_HEADER_BYTES = 7
TEXT_OVERHEAD_BYTES = PACKED_HEADER_BYTES + 128
"""A text is at most twice the payload, and this."""
STAGED_LEAST_BYTES = 512
"""From here on, a copy and its reference take less time than text."""
STAGED_TEXT_BYTES = 18
NONCE_BYTES = 16
COPIES_AT, USED_AT, HEAP_AT = 16, 20, 24
RESULT_AREA = 32
_BLOCK = range(7)

_LOW = "(v128.const i64x2 0x7f7f7f7f7f7f7f7f 0x7f7f7f7f7f7f7f7f)"
_HIGH = "(v128.const i64x2 0x8080808080808080 0x8080808080808080)"
_NIBBLE = "(v128.const i64x2 0x0f0f0f0f0f0f0f0f 0x0f0f0f0f0f0f0f0f)"
_ONES = "(v128.const i64x2 0x0101010101010101 0x0101010101010101)"
_DIGITS = "(v128.const i8x16 48 49 50 51 52 53 54 55 56 57 97 98 99 100 101 102)"


def _pack_block() -> str:
    """112 bytes at $from become 128 at $to; all are read before any is written."""
    loads = [
        f"(local.set $v{k} (v128.load offset={16 * k} align=1 (local.get $from)))" for k in _BLOCK
    ]
    highs = "(v128.const i64x2 0 0)"
    for k in _BLOCK:
        bit = f"(i64x2.shr_u (v128.and (local.get $v{k}) {_HIGH}) (i32.const {k + 1}))"
        highs = f"(v128.or {highs} {bit})"
    stores = [
        f"(v128.store offset={16 * k} align=1 (local.get $to) (v128.and (local.get $v{k}) {_LOW}))"
        for k in _BLOCK
    ]
    return "\n".join([*loads, f"(local.set $h {highs})", *stores]) + (
        "\n(v128.store offset=112 align=1 (local.get $to) (local.get $h))"
    )


def _unpack_block() -> str:
    loads = [
        f"(local.set $v{k} (v128.load offset={16 * k} align=1 (local.get $from)))" for k in _BLOCK
    ]
    loads.append("(local.set $h (v128.load offset=112 align=1 (local.get $from)))")
    stores: list[str] = []
    for k in _BLOCK:
        bit = f"(v128.and (i64x2.shl (local.get $h) (i32.const {k + 1})) {_HIGH})"
        stores.append(
            f"(v128.store offset={16 * k} align=1 (local.get $to)"
            f" (v128.or (local.get $v{k}) {bit}))"
        )
    return "\n".join([*loads, *stores])


_VECTORS = " ".join(f"(local $v{k} v128)" for k in _BLOCK) + " (local $h v128)"

CONVERSIONS = f"""
  (func $is_ascii (param $at i32) (param $length i32) (result i32)
    (local $end i32) (local $found v128)
    (local.set $end (i32.add (local.get $at) (local.get $length)))
    (v128.store align=1 (local.get $end) (v128.const i64x2 0 0))
    (v128.store offset=16 align=1 (local.get $end) (v128.const i64x2 0 0))
    (v128.store offset=32 align=1 (local.get $end) (v128.const i64x2 0 0))
    (v128.store offset=48 align=1 (local.get $end) (v128.const i64x2 0 0))
    (block $done (loop $next
      (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
      (local.set $found (v128.and {_HIGH}
        (v128.or
          (v128.or (v128.load align=1 (local.get $at))
                   (v128.load offset=16 align=1 (local.get $at)))
          (v128.or (v128.load offset=32 align=1 (local.get $at))
                   (v128.load offset=48 align=1 (local.get $at))))))
      (if (v128.any_true (local.get $found)) (then (return (i32.const 0))))
      (local.set $at (i32.add (local.get $at) (i32.const 64)))
      (br $next)))
    (i32.const 1))

  (func $to_hex (param $at i32) (param $length i32) (result i32)
    (local $from i32) (local $to i32) (local $v v128) (local $high v128) (local $low v128)
    (local.set $from (i32.and (i32.add (local.get $length) (i32.const 15)) (i32.const -16)))
    (local.set $to (i32.add (i32.add (local.get $at) (i32.const 2))
                            (i32.shl (local.get $from) (i32.const 1))))
    (local.set $from (i32.add (local.get $at) (local.get $from)))
    (block $done (loop $next
      (br_if $done (i32.eq (local.get $from) (local.get $at)))
      (local.set $from (i32.sub (local.get $from) (i32.const 16)))
      (local.set $to (i32.sub (local.get $to) (i32.const 32)))
      (local.set $v (v128.load align=1 (local.get $from)))
      (local.set $high (i8x16.swizzle {_DIGITS}
        (v128.and (i64x2.shr_u (local.get $v) (i32.const 4)) {_NIBBLE})))
      (local.set $low (i8x16.swizzle {_DIGITS} (v128.and (local.get $v) {_NIBBLE})))
      (v128.store align=1 (local.get $to)
        (i8x16.shuffle 0 16 1 17 2 18 3 19 4 20 5 21 6 22 7 23
          (local.get $high) (local.get $low)))
      (v128.store offset=16 align=1 (local.get $to)
        (i8x16.shuffle 8 24 9 25 10 26 11 27 12 28 13 29 14 30 15 31
          (local.get $high) (local.get $low)))
      (br $next)))
    (i32.store16 align=1 (local.get $at) (i32.const {HEX_MARK}))
    (i32.add (i32.const 2) (i32.shl (local.get $length) (i32.const 1))))

  (func $nibbles (param $v v128) (result v128)
    (local $letter v128)
    (local.set $letter (v128.and (i64x2.shr_u (local.get $v) (i32.const 6)) {_ONES}))
    (local.set $v (i8x16.add (v128.and (local.get $v) {_NIBBLE})
      (i8x16.add (local.get $letter) (i64x2.shl (local.get $letter) (i32.const 3)))))
    (v128.and (v128.const i64x2 0x00ff00ff00ff00ff 0x00ff00ff00ff00ff)
      (v128.or (i16x8.shl (local.get $v) (i32.const 4))
               (i16x8.shr_u (local.get $v) (i32.const 8)))))

  (func $from_hex (param $at i32) (param $length i32) (result i32)
    (local $from i32) (local $to i32) (local $end i32)
    (local.set $length (i32.shr_u (i32.sub (local.get $length) (i32.const 2)) (i32.const 1)))
    (local.set $from (i32.add (local.get $at) (i32.const 2)))
    (local.set $to (local.get $at))
    (local.set $end (i32.add (local.get $at) (local.get $length)))
    (block $done (loop $next
      (br_if $done (i32.ge_u (local.get $to) (local.get $end)))
      (v128.store align=1 (local.get $to) (i8x16.narrow_i16x8_u
        (call $nibbles (v128.load align=1 (local.get $from)))
        (call $nibbles (v128.load offset=16 align=1 (local.get $from)))))
      (local.set $from (i32.add (local.get $from) (i32.const 32)))
      (local.set $to (i32.add (local.get $to) (i32.const 16)))
      (br $next)))
    (local.get $length))

  (func $pack (param $at i32) (param $length i32) (result i32)
    (local $blocks i32) (local $from i32) (local $to i32) {_VECTORS}
    (local.set $blocks (i32.div_u (i32.add (local.get $length) (i32.const 111))
                                  (i32.const 112)))
    (local.set $from (i32.add (local.get $at) (i32.mul (local.get $blocks) (i32.const 112))))
    (local.set $to (i32.add (i32.add (local.get $at) (i32.const {PACKED_HEADER_BYTES}))
                            (i32.shl (local.get $blocks) (i32.const 7))))
    (block $done (loop $next
      (br_if $done (i32.eq (local.get $from) (local.get $at)))
      (local.set $from (i32.sub (local.get $from) (i32.const 112)))
      (local.set $to (i32.sub (local.get $to) (i32.const 128)))
      {_pack_block()}
      (br $next)))
    (i32.store16 align=1 (local.get $at) (i32.const {PACKED_MARK}))
    {
    "".join(
        f'''
    (i32.store8 offset={2 + digit} (local.get $at)
      (i32.and (i32.shr_u (local.get $length) (i32.const {7 * digit})) (i32.const 127)))'''
        for digit in range(5)
    )
}
    (i32.add (i32.const {PACKED_HEADER_BYTES}) (i32.shl (local.get $blocks) (i32.const 7))))

  (func $unpack (param $at i32) (result i32)
    (local $length i32) (local $from i32) (local $to i32) (local $end i32) {_VECTORS}
    {
    "".join(
        f'''
    (local.set $length (i32.or (local.get $length)
      (i32.shl (i32.load8_u offset={2 + digit} (local.get $at)) (i32.const {7 * digit}))))'''
        for digit in range(5)
    )
}
    (local.set $from (i32.add (local.get $at) (i32.const {PACKED_HEADER_BYTES})))
    (local.set $to (local.get $at))
    (local.set $end (i32.add (local.get $at) (local.get $length)))
    (block $done (loop $next
      (br_if $done (i32.ge_u (local.get $to) (local.get $end)))
      {_unpack_block()}
      (local.set $from (i32.add (local.get $from) (i32.const 128)))
      (local.set $to (i32.add (local.get $to) (i32.const 112)))
      (br $next)))
    (local.get $length))

  (func $encode (export "encode") (param $at i32) (param $length i32) (result i32)
    (if (i32.eqz (local.get $length)) (then (return (i32.const 0))))
    (if (call $is_ascii (local.get $at) (local.get $length))
      (then (return (local.get $length))))
    (if (i32.le_u (local.get $length) (i32.const {HEX_MOST_BYTES}))
      (then (return (call $to_hex (local.get $at) (local.get $length)))))
    (call $pack (local.get $at) (local.get $length)))

  (func $decode (export "decode") (param $at i32) (param $length i32) (result i32)
    (local $mark i32)
    (if (i32.lt_u (local.get $length) (i32.const 2)) (then (return (local.get $length))))
    (local.set $mark (i32.load16_u align=1 (local.get $at)))
    (if (i32.eq (local.get $mark) (i32.const {HEX_MARK}))
      (then (return (call $from_hex (local.get $at) (local.get $length)))))
    (if (i32.eq (local.get $mark) (i32.const {PACKED_MARK}))
      (then (return (call $unpack (local.get $at)))))
    (local.get $length))
"""


_REFERENCES = f"""
  (func (export "to_host") (param $at i32) (param $length i32) (result i32 i32)
    (local $text i32)
    (if (i32.and (i32.load (i32.const {COPIES_AT}))
                 (i32.ge_u (local.get $length) (i32.const {STAGED_LEAST_BYTES}))) (then
      (local.set $text (i32.and (i32.const -16)
        (i32.add (i32.const 15) (i32.add (local.get $at) (local.get $length)))))
      (i32.store (local.get $text) (local.get $at))
      (i32.store offset=4 (local.get $text) (local.get $length))
      (drop (call $to_hex (local.get $text) (i32.const 8)))
      (i32.store16 (local.get $text) (i32.const {STAGED_MARK}))
      (return (local.get $text) (i32.const {STAGED_TEXT_BYTES}))))
    (local.get $at)
    (call $encode (local.get $at) (local.get $length)))

  (func (export "from_host") (param $at i32) (param $length i32) (result i32 i32)
    (if (i32.eq (local.get $length) (i32.const {STAGED_TEXT_BYTES})) (then
      (if (i32.eq (i32.load16_u align=1 (local.get $at)) (i32.const {STAGED_MARK})) (then
        (drop (call $from_hex (local.get $at) (local.get $length)))
        (return (i32.load align=1 (local.get $at)) (i32.load offset=4 align=1 (local.get $at)))))))
    (local.get $at)
    (call $decode (local.get $at) (local.get $length)))
"""


def allocator_module(heap: int, nonce: bytes = b"") -> str:
    """Return the module that owns a bridge's memory: allocation and conversion.

    Args:
        heap: the first address that calls may use.
        nonce: what its memory begins with from its first call on, by which the host finds
            it; empty for nothing. A data segment would take a page of each instance, and
            20 µs, whether it is called or not.
    """
    first, second = struct.unpack("<QQ", nonce or bytes(NONCE_BYTES))
    begin = f"""
    (i64.store (i32.const 0) (i64.const {first}))
    (i64.store (i32.const 8) (i64.const {second}))
    (i32.store (i32.const {HEAP_AT}) (i32.const {heap}))"""
    return f"""(module ${BRIDGE_NAME}
  (memory (export "memory") 1)
  (func (export "reset") {begin if nonce else ""}
    (i32.store (i32.const {USED_AT}) (i32.const 0)))
  (func $realloc (export "realloc")
    (param $old i32) (param $old_size i32) (param $align i32) (param $size i32) (result i32)
    (local $at i32) (local $end i32) (local $pages i32)
    (if (i32.le_u (local.get $size) (local.get $old_size))
      (then (return (select (local.get $old) (i32.const {heap}) (local.get $old)))))
    (if (i32.gt_u (local.get $size) (i32.const 0x1fffffff)) (then (unreachable)))
    (local.set $at (i32.add (i32.const {heap}) (i32.load (i32.const {USED_AT}))))
    (local.set $end (i32.and (i32.const -16) (i32.add
      (i32.add (local.get $at) (i32.const {HEX_MOST_BYTES + 64}))
      (i32.add (local.get $size) (i32.shr_u (local.get $size) (i32.const 2))))))
    (if (i32.lt_u (local.get $end) (local.get $at)) (then (unreachable)))
    (local.set $pages (i32.add (i32.const 1) (i32.shr_u (local.get $end) (i32.const 16))))
    (if (i32.gt_u (local.get $pages) (memory.size)) (then
      (if (i32.eq (i32.const -1)
            (memory.grow (i32.sub (local.get $pages) (memory.size))))
        (then (unreachable)))))
    (i32.store (i32.const {USED_AT}) (i32.sub (local.get $end) (i32.const {heap})))
    (if (local.get $old_size) (then
      (memory.copy (local.get $at) (local.get $old) (local.get $old_size))))
    (local.get $at))
{CONVERSIONS}{_REFERENCES})"""
