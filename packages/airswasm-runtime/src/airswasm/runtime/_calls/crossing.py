"""Shared by lowering and lifting: what a call keeps alive, and how much it may carry."""

from __future__ import annotations

import struct
from typing import Protocol

from .._shape import Handle
from .staging import Staging, Stagings

Keep = list[object]
"""All that a call keeps alive until the engine has copied it."""


class Unfit(Exception):
    """A value does not fit, found by a check of ours; `mismatch` says where."""


class AllowanceExceeded(Exception):
    """More bytes than one call may carry."""


class Handles(Protocol):
    """One instance's side of the plans: resources, and the call's allowance.

    Attributes:
        allowance: bytes that the values being passed may still have.
        stagings: the memories that bytes are copied into and out of.
        unstaged: that for which a payload crossed as text, until the call ends.
    """

    allowance: int
    stagings: Stagings
    unstaged: Staging | None

    def lower_handle(self, type_: Handle, value: object, keep: Keep) -> int:
        """Return the address of a handle for `value`; it lives as long as `keep`."""
        ...

    def lift_handle(self, type_: Handle, address: int) -> object:
        """Return the value behind a handle, converted exactly once."""
        ...


UNFIT = (
    Unfit,
    struct.error,
    TypeError,
    ValueError,  # UnicodeEncodeError among them
    KeyError,
    AttributeError,
    OverflowError,
)
"""The errors that the closures raise for values that do not fit."""
