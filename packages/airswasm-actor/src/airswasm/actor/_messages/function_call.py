"""A call of an exported function as a payload: it waits in the mailbox, as every message does.

So it keeps its place among messages, and bounds, deadlines, receipts, supervision and updates hold
for it without a second mechanism. Only Python code sends one: its arguments are Python values,
which no codec writes and no disk keeps.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import TYPE_CHECKING, cast

from .bounds import Weighed

if TYPE_CHECKING:
    from airswasm.runtime import Function

__all__ = ("FunctionCall",)

_WORD_BYTES = 8
_MOST_BYTES = 128 * 2**20
"""Of values other than texts and bytes; the engine takes no larger call."""
_MOST_DEPTH = 200


@dataclass(frozen=True, slots=True, eq=False)
class FunctionCall(Weighed):
    """A payload that makes an exported function of a component be called, in turn with messages.

    The answer is the function's value as the runtime gives it: an `Err` is a value, no refusal.

    Attributes:
        function: The path, `acme:plugin/transform@1.0.0#run`; or the function of an instance.
        arguments: Python values for its parameters.
    """

    function: str | Function
    arguments: tuple[object, ...] = ()
    _weight: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_weight", _weigh(self.arguments))

    @property
    def path(self) -> str:
        """The path of the function."""
        return self.function if isinstance(self.function, str) else self.function.path

    @property
    def weight_bytes(self) -> int:
        """The bytes of its texts and byte strings, and a word for each other value."""
        return self._weight


def _weigh(arguments: tuple[object, ...]) -> int:
    """Return the weight; more than a call takes, of what holds itself or is too deep."""
    total = 0
    level: list[object] = list(arguments)
    for _ in range(_MOST_DEPTH):
        below: list[object] = []
        for value in level:
            if isinstance(value, (str, bytes, bytearray)):
                total += len(value)
            elif isinstance(value, memoryview):
                total += value.nbytes
            else:
                total += _WORD_BYTES
                below += _parts_of(value)
                if total + _WORD_BYTES * len(below) > _MOST_BYTES:
                    return _MOST_BYTES + 1
        if not below:
            return total
        level = below
    return _MOST_BYTES + 1


def _parts_of(value: object) -> list[object]:
    if isinstance(value, (list, tuple, set, frozenset)):
        return list(cast("Collection[object]", value))
    if isinstance(value, Mapping):
        return list(cast("Mapping[object, object]", value).values())
    if is_dataclass(value) and not isinstance(value, type):  # a record, or `Ok`, `Case`, …
        return [getattr(value, each.name) for each in fields(value)]
    return []
