"""The host's half of the bytes bridge: bytes to text and back, see `_compose.text_bridge`.

Small payloads are turned by what Python does fastest; large ones by the same
SIMD code as in the bridge, in a core module of our own on an engine of its own
(no fuel, no epochs: it is our code and it ends). One is shared by all of an
engine's components: the module's memory is scratch space, so a lock covers its
use by calls on worker threads.
"""

from __future__ import annotations

from binascii import hexlify, unhexlify
from ctypes import c_void_p, cast, memmove
from threading import Lock

from wasmtime import (
    Config,
    Engine,
    Func,
    Instance,
    Memory,
    Module,
    Store,
    WasmtimeError,
    wat2wasm,
)

from .._compose.text_bridge import (
    CONVERSIONS,
    HEX_MARK,
    HEX_MOST_BYTES,
    PACKED_MARK,
)
from .._wasmtime.bindings import CoreFunction, memory

_HEX = HEX_MARK.to_bytes(2, "little")
_PACKED = PACKED_MARK.to_bytes(2, "little")
_PAGE = 65536
_FIRST_PAGES = 2


class BytesAsText:
    """Turns payloads into the text that a bridge understands, and text into payloads."""

    def __init__(self) -> None:
        self._large: _LargeText | None = None
        self._lock = Lock()

    def encode(self, payload: bytes) -> bytes:
        """Return the text, in UTF-8, that stands for a payload."""
        if payload.isascii():
            return payload
        if len(payload) <= HEX_MOST_BYTES:
            return _HEX + hexlify(payload)
        with self._lock:
            return self._converter().encode(payload)

    def decode(self, text: bytes) -> bytes:
        """Return the payload that a text, in UTF-8, stands for."""
        mark = text[:2]
        if mark == _HEX:
            return unhexlify(text[2:])
        if mark == _PACKED:
            with self._lock:
                return self._converter().decode(text, len(text))
        return text

    def decode_at(self, address: int, size_bytes: int) -> bytes:
        """Return the payload that the text at an address stands for."""
        if size_bytes > HEX_MOST_BYTES and memory[address : address + 2] == _PACKED:
            with self._lock:
                return self._converter().decode(address, size_bytes)
        return self.decode(memory[address : address + size_bytes])

    def _converter(self) -> _LargeText:
        if self._large is None:
            self._large = _LargeText()
        return self._large


class _LargeText:
    """A core module that converts in its own memory, which Python fills and reads."""

    def __init__(self) -> None:
        try:
            self._open(Engine())
        except WasmtimeError:  # no 4 GiB of address space here: slower, with checks in the code
            config = Config()
            config.memory_reservation = config.memory_guard_size = 0
            config.memory_reservation_for_growth = 2**20
            self._open(Engine(config))
        self._room, self._base = 0, 0

    def _open(self, engine: Engine) -> None:
        module = f'(module (memory (export "memory") {_FIRST_PAGES}) {CONVERSIONS})'
        self._store = Store(engine)
        instance = Instance(self._store, Module(engine, bytes(wat2wasm(module))), [])
        exports = instance.exports(self._store)
        memory, encode, decode = exports["memory"], exports["encode"], exports["decode"]
        assert isinstance(memory, Memory)
        assert isinstance(encode, Func)
        assert isinstance(decode, Func)
        self._memory = memory
        self._encode = CoreFunction(self._store, encode)
        self._decode = CoreFunction(self._store, decode)

    def encode(self, payload: bytes) -> bytes:
        return self._convert(self._encode, payload, len(payload))

    def decode(self, text: bytes | int, size_bytes: int) -> bytes:
        return self._convert(self._decode, text, size_bytes)

    def _convert(self, function: CoreFunction, source: bytes | int, size_bytes: int) -> bytes:
        if size_bytes > self._room:
            self._make_room(size_bytes)
        memmove(self._base, source, size_bytes)
        return memory[self._base : self._base + function(0, size_bytes)]

    def _make_room(self, size_bytes: int) -> None:
        needed = size_bytes + size_bytes // 4 + HEX_MOST_BYTES + 64
        missing = needed // _PAGE + 1 - self._memory.size(self._store)
        if missing > 0:
            self._memory.grow(self._store, missing)
        address = cast(self._memory.data_ptr(self._store), c_void_p).value
        assert address is not None
        self._base, self._room = address, size_bytes
