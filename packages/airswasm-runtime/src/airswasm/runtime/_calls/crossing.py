"""What lowering and lifting share: what a call keeps alive, and what it may carry."""

from __future__ import annotations

import struct
from typing import Protocol

from .._shape import Handle

Keep = list[object]
"""What a call keeps alive until the engine has copied it."""


class Unfit(Exception):
    """A value does not fit, found by a check of ours; `mismatch` says where."""


class AllowanceExceeded(Exception):
    """More bytes than one call may carry."""


class Handles(Protocol):
    """One instance's side of the plans: resources, and the call's allowance.

    Attributes:
        allowance: bytes that the values being passed may still have.
    """

    allowance: int

    def lower_handle(self, type_: Handle, value: object, keep: Keep) -> int:
        """The address of a handle for `value`; it lives as long as `keep`."""

    def lift_handle(self, type_: Handle, address: int) -> object:
        """The value behind a handle, converted exactly once."""


UNFIT = (
    Unfit,
    struct.error,
    TypeError,
    ValueError,  # UnicodeEncodeError among them
    KeyError,
    AttributeError,
    OverflowError,
)
"""What the closures raise for values that do not fit."""
