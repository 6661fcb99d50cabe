"""The places in an author's sources that a fault's backtrace leads to.

The engine tells where in the code that it compiled a frame is. That is the component within another
one, which carries its calls across, so that all of its addresses are later by the same number of
bytes. Which number, the frames themselves tell: each is in the body of the function that it names,
and each but the innermost is at a call. Where more than one number fits, no place is shown: none is
better than a wrong one.
"""

from __future__ import annotations

from collections.abc import Sequence

from airswasm.runtime import GuestFault
from airswasm.wit import CodePlace, read_code_places

from ._code_ranges import code_ranges

__all__ = ("fault_places",)

_CALLS = frozenset({0x10, 0x11})  # directly, and through a table
_MOST_FRAMES = 20


def fault_places(wasm: bytes, fault: GuestFault) -> tuple[CodePlace, ...]:
    """Return the places of a fault's frames, innermost first; none without `build --debug`.

    Blocks while wasm-tools runs, once or twice for each frame; from async code call it in a worker
    thread.

    Args:
        wasm: The component that had the fault.
        fault: The fault.

    Raises:
        WitTooComplex, ScratchUnusable: Its debugging information cannot be read.
    """
    if b".debug_line" not in wasm:
        return ()
    bodies = code_ranges(wasm)
    frames = [each for each in fault.backtrace[:_MOST_FRAMES] if each.function in bodies]
    outer = [each.offset_bytes for each in frames if each is not fault.backtrace[0]]
    moved = _moved_by(wasm, [(each.offset_bytes, *bodies[each.function]) for each in frames], outer)
    if moved is None:
        return ()
    places = (read_code_places(wasm, each.offset_bytes - moved) for each in frames)
    return tuple(place for found in places for place in found)


def _moved_by(
    wasm: bytes, frames: Sequence[tuple[int, int, int]], outer: Sequence[int]
) -> int | None:
    """Return by how many bytes the code was moved; None where that cannot be told.

    Args:
        wasm: The component.
        frames: Of each, where it is now, and where the function's body begins and ends here.
        outer: Those that are at a call, where they are now.
    """
    if not frames:
        return None
    least = max(now - end + 1 for now, _, end in frames)
    most = min(now - start for now, start, _ in frames)
    fitting = [
        moved
        for moved in range(max(least, 0), most + 1)
        if all(wasm[now - moved] in _CALLS for now in outer)
    ]
    return fitting[0] if len(fitting) == 1 else None
