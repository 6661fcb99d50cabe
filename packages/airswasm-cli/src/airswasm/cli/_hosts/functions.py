"""Operations on the functions that components export, by a `System` of this process."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, cast

from .._control.document import Document
from .stored_host import to_document

if TYPE_CHECKING:
    from airswasm.lifecycle import System

__all__ = ("FunctionHost", "LocalFunctions")


class FunctionHost(Protocol):
    """The functions of a home's components."""

    async def functions(self, name: str) -> Sequence[Document]:
        """Return the functions that a component exports of its own."""
        ...

    async def call(
        self,
        name: str,
        function: str,
        arguments: bytes,
        timeout: float = 30.0,
        correlation: str = "",
        traceparent: str = "",
    ) -> Document:
        """Call a function with a JSON array of arguments, and return its value."""
        ...


class LocalFunctions:
    """The functions of a `System`'s components, in documents.

    Args:
        system: The open system.
    """

    def __init__(self, system: System) -> None:
        self._open_system = system

    async def functions(self, name: str) -> Sequence[Document]:
        """See `FunctionHost`."""
        from .._control.function_answers import FunctionDocument

        return [
            to_document(
                FunctionDocument(each.path, each.signature, each.types, not each.has_resources)
            )
            for each in self._open_system.component(name).functions
        ]

    async def call(
        self,
        name: str,
        function: str,
        arguments: bytes,
        timeout: float = 30.0,
        correlation: str = "",
        traceparent: str = "",
    ) -> Document:
        """See `FunctionHost`."""
        import anyio.to_thread
        from airswasm.lifecycle import ArgumentUnfit

        from .._control.function_answers import CallDocument

        component = self._open_system.component(name).calling(
            timeout=timeout, correlation=correlation, traceparent=traceparent
        )
        await component.ready()
        found = component.function(function)
        try:
            found.check_json()
            given = await anyio.to_thread.run_sync(
                lambda: found.read_arguments(_array(found.path, arguments))
            )
        except ArgumentUnfit as error:
            error.hint = (
                f"`airswasm send {name} --functions` shows the types of all functions; "
                "docs/embedding.md has the JSON form of each type"
            )
            raise
        value = await component.call(found.path, *given)
        document = await anyio.to_thread.run_sync(found.value_document, value)
        return to_document(CallDocument(found.path, document))


def _array(function: str, content: bytes) -> Sequence[object]:
    from airswasm.lifecycle import ArgumentUnfit

    try:
        read: object = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ArgumentUnfit(function, "a JSON array of arguments", str(error)) from error
    if not isinstance(read, list):
        raise ArgumentUnfit(function, "a JSON array of arguments", type(read).__name__)
    return cast("list[object]", read)
