"""Talk to a running host over its socket.

`RemoteHost` is `Host` over HTTP: the same operations, the same documents. It has no method of its
own for an operation; each call builds one from its row of the table. A refusal by the host raises
`RemoteFailure` with the host's code, a failed connection `HostGone`.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path
from typing import cast
from urllib.parse import quote

from .._control.api import OPERATIONS
from .._control.document import Document, items, mapping
from .._control.operation import (
    Component,
    Json,
    JsonLines,
    Nothing,
    Operation,
    Parameter,
    Raw,
    Table,
)
from .._control.unix_http import Answer, Content, Stream, UnixClient
from ..errors import HostProtocolMismatch, RemoteFailure
from .host import Host

__all__ = ("RemoteHost", "host_behind")


def host_behind(socket: Path, *, operations: Table = OPERATIONS) -> Host:
    """Return the host behind a socket; every request opens a new connection.

    Args:
        socket: The socket's path; see `endpoint.endpoint_of`.
        operations: The operations that callers may use.
    """
    return cast("Host", RemoteHost(UnixClient(socket), operations))


class RemoteHost:
    """The running host, reached through its control API.

    Its methods are the operations of the table; `test_control_api` holds the names and the
    parameters equal to those of `Host`.
    """

    def __init__(self, client: UnixClient, operations: Table = OPERATIONS) -> None:
        self._client = client
        self._operations = operations

    def __getattr__(self, name: str) -> Callable[..., object]:
        if name.startswith("_") or name not in self._operations:
            raise AttributeError(f"a host has no operation {name!r}", name=name, obj=self)
        operation = self._operations[name]

        async def call(*positional: object, **named: object) -> object:
            return await self.perform(operation, operation.bind(*positional, **named))

        return call

    @property
    def is_online(self) -> bool:
        """Whether components run: always."""
        return True

    async def perform(self, operation: Operation, arguments: Mapping[str, object]) -> object:
        """Send the request of an operation and return its result.

        Raises:
            RemoteFailure: The host refused.
            HostGone: The host ended or does not answer.
            HostProtocolMismatch: The answer is not that of a host of this version.
        """
        stack = AsyncExitStack()
        try:
            response = await stack.enter_async_context(self._request(operation, arguments))
            if response.status >= 400:
                raise RemoteFailure(self._error_of(await response.read()))
            answer = operation.answer
            if isinstance(answer, JsonLines):
                return self._lines(response, stack.pop_all())
            if isinstance(answer, Raw) and answer.is_streamed:
                return _chunks(response, stack.pop_all())
            return self._result(operation, await response.read())
        finally:
            await stack.aclose()

    def _request(
        self, operation: Operation, arguments: Mapping[str, object]
    ) -> AbstractAsyncContextManager[Stream]:
        path, query = operation.path, dict[str, str]()
        content: Content = b""
        for each in operation.parameters:
            value = arguments[each.name]
            if each.place == "path":
                path = path.replace(f"{{{each.name}}}", _segments(each, str(value)))
            elif each.place == "body":
                content = cast("Content", value)
            elif value != each.default:
                query[each.name] = _written(value)
        return self._client.stream(operation.method, path, content=content, parameters=query)

    def _result(self, operation: Operation, response: Answer) -> object:
        answer = operation.answer
        if isinstance(answer, Nothing):
            return None
        if isinstance(answer, Raw):
            return None if response.status == 204 else response.content
        document = self._json(response)
        if isinstance(answer, Json) and answer.member:
            found = document.get(answer.member)
            return items(found) if answer.is_list else found
        return _without_schema(document)

    async def _lines(self, response: Stream, stack: AsyncExitStack) -> AsyncIterator[Document]:
        async with stack:
            async for line in response.lines():
                document = mapping(json.loads(line))
                if document.get("schema") == "airswasm.error/1":
                    raise RemoteFailure(mapping(document.get("error")))
                yield _without_schema(document)

    def _json(self, response: Answer) -> Document:
        try:
            return mapping(response.json())
        except ValueError as error:
            raise self._mismatch("its answer is not JSON") from error

    def _error_of(self, response: Answer) -> Document:
        try:
            return mapping(mapping(response.json())["error"])
        except (ValueError, KeyError) as error:
            reason = f"it answered {response.status} without an error document"
            raise self._mismatch(reason) from error

    def _mismatch(self, reason: str) -> HostProtocolMismatch:
        return HostProtocolMismatch(str(self._client.socket), reason)


async def _chunks(response: Stream, stack: AsyncExitStack) -> AsyncGenerator[bytes]:
    async with stack:
        async for chunk in response.chunks():
            yield chunk


def _segments(parameter: Parameter, value: str) -> str:
    """Encode a component's name as two segments of a path, any other text as one."""
    parts = value.split("/", 1) if isinstance(parameter.kind, Component) else [value]
    return "/".join(quote(part, safe="", errors="surrogatepass") for part in parts)


def _written(value: object) -> str:
    return str(int(value)) if isinstance(value, bool) else str(value)


def _without_schema(document: Document) -> Document:
    return {key: value for key, value in document.items() if key != "schema"}
