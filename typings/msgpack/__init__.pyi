"""What airswasm uses of msgpack, which ships no types."""

from collections.abc import Callable

def packb(value: object) -> bytes: ...
def unpackb(
    content: bytes, *, object_pairs_hook: Callable[[list[tuple[object, object]]], object]
) -> object: ...

class ExtType(tuple[int, bytes]):
    def __new__(cls, code: int, data: bytes) -> ExtType: ...

class Timestamp:
    def __init__(self, seconds: int) -> None: ...
