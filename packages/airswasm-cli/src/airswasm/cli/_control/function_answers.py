"""The documents of functions that components export, and of their calls."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ("CallDocument", "FunctionDocument")


@dataclass(frozen=True, slots=True)
class FunctionDocument:
    """A function that a component exports of its own.

    Attributes:
        path: Its path, `acme:plugin/transform@1.0.0#run`.
        signature: Its type in WIT.
        types: The definitions of the named types in it.
        is_callable: Whether JSON can call it; false where it takes or gives a resource.
    """

    path: str
    signature: str
    types: tuple[str, ...]
    is_callable: bool


@dataclass(frozen=True, slots=True)
class CallDocument:
    """The value of a call.

    Attributes:
        function: The path of the function that was called.
        value: Its value; null if it gives none.
    """

    function: str
    value: object
