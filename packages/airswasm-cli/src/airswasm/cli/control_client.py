"""Talking to a running host over its socket.

`RemoteHost` is `Host` by HTTP: the same operations, the same documents. What
the host refuses is raised as `RemoteFailure` with the host's code; what breaks
on the way is `HostGone`. A change that needs approval takes two requests: the
first is answered with the plan, the second repeats it with the plan's digest.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from .document import Document, items, mapping, number, plan_digest
from .errors import HostProtocolMismatch, RemoteFailure
from .host import Action, Ask
from .unix_http import Answer, Stream, UnixClient

if TYPE_CHECKING:
    from airswasm.lifecycle import Package

__all__ = ("RemoteHost", "connect")


def connect(socket: Path) -> RemoteHost:
    """The host behind a socket; see `endpoint.probe` first. Every request connects anew."""
    return RemoteHost(UnixClient(socket))


class RemoteHost:
    """The host that runs, by its control API."""

    def __init__(self, client: UnixClient) -> None:
        self._client = client
        self._address = str(client.socket)

    @property
    def is_online(self) -> bool:
        """Whether components run: always."""
        return True

    async def about(self) -> Document:
        """Who the host is: version, process, home."""
        return await self._json("GET", "/v1/host")

    async def install(self, package: Package, ask: Ask) -> Document:
        """Installs a new component; see `Host`."""
        return await self._change("POST", "/v1/components", package, ask)

    async def update(self, package: Package, ask: Ask) -> Document:
        """Switches to a newer version; see `Host`."""
        return await self._change("PUT", _path(package.name), package, ask)

    async def rollback(self, name: str, to: str | None) -> Document:
        """Goes back to a retained version; see `Host`."""
        parameters = {"to": to} if to else {}
        return await self._json("POST", f"{_path(name)}/rollback", parameters=parameters)

    async def uninstall(self, name: str, *, purge: bool) -> None:
        """Removes a component; see `Host`."""
        parameters = {"purge": "1"} if purge else {}
        await self._request("DELETE", _path(name), parameters=parameters)

    async def control(self, name: str, action: Action) -> Document:
        """Starts, stops or restarts a component; see `Host`."""
        return await self._json("POST", f"{_path(name)}/{action}")

    async def send(self, name: str, payload: bytes, timeout: float) -> bytes | None:
        """Delivers a message and waits for the reply; see `Host`."""
        path = f"{_path(name)}/messages"
        response = await self._request(
            "POST", path, content=payload, parameters={"timeout": str(timeout)}
        )
        return None if response.status == 204 else response.content

    async def list(self) -> Sequence[Document]:
        """All installed components; see `Host`."""
        return items((await self._json("GET", "/v1/components")).get("components"))

    async def info(self, name: str) -> Document:
        """All that is known of one; see `Host`."""
        return await self._json("GET", _path(name))

    async def status(self) -> Document:
        """How the host and its components do; see `Host`."""
        return await self._json("GET", "/v1/status")

    async def find_log(self, name: str) -> None:
        """Makes sure that a component has a log; see `Host`."""
        await self._request("GET", f"{_path(name)}/logs", parameters={"recent": "0"})

    async def logs(self, name: str | None, *, recent: int, follow: bool) -> AsyncIterator[Document]:
        """Log lines; see `Host`."""
        path = f"{_path(name)}/logs" if name else "/v1/logs"
        parameters = {"recent": str(recent), **({"follow": "1"} if follow else {})}
        async for line in self._lines(path, parameters):
            yield line

    async def entries(self, name: str, prefix: str) -> AsyncIterator[Document]:
        """What a component stored; see `Host`."""
        async for line in self._lines(f"{_path(name)}/storage", {"prefix": prefix}):
            yield line

    async def export(self, name: str) -> AsyncIterator[bytes]:
        """All that a component stored; see `Host`."""
        async with self._streamed(f"{_path(name)}/storage/export", {}) as response:
            async for chunk in response.chunks():
                yield chunk

    async def load(self, name: str, chunks: AsyncIterable[bytes], *, replace: bool) -> int:
        """Puts an export into a component's storage; see `Host`."""
        content = b"".join([chunk async for chunk in chunks])
        parameters = {"replace": "1"} if replace else {}
        path = f"{_path(name)}/storage/import"
        response = await self._request("POST", path, content=content, parameters=parameters)
        return int(number(mapping(response.json()).get("keys")))

    async def _lines(self, path: str, parameters: dict[str, str]) -> AsyncIterator[Document]:
        async with self._streamed(path, parameters) as response:
            async for line in response.lines():
                document = mapping(json.loads(line))
                if document.get("schema") == "airswasm.error/1":
                    raise RemoteFailure(mapping(document.get("error")))
                yield _without_schema(document)

    @asynccontextmanager
    async def _streamed(self, path: str, parameters: dict[str, str]) -> AsyncGenerator[Stream]:
        async with self._client.stream("GET", path, parameters=parameters) as response:
            if response.status >= 400:
                self._raise(await response.read())
            yield response

    async def _change(self, method: str, path: str, package: Package, ask: Ask) -> Document:
        content = package.to_archive()
        parameters = {"source": package.source}
        response = await self._send(method, path, content=content, parameters=parameters)
        if response.status == 409:
            error = self._error_of(response)
            plan = mapping(error.get("plan"))
            if not plan or not await ask(plan):
                raise RemoteFailure(error)
            parameters["approve"] = plan_digest(plan)
            response = await self._send(method, path, content=content, parameters=parameters)
        self._raise(response)
        return _without_schema(response.json())

    async def _json(
        self, method: str, path: str, *, parameters: dict[str, str] | None = None
    ) -> Document:
        response = await self._request(method, path, parameters=parameters)
        try:
            return _without_schema(response.json())
        except ValueError as error:
            raise HostProtocolMismatch(self._address, "its answer is not JSON") from error

    async def _request(
        self,
        method: str,
        path: str,
        *,
        content: bytes = b"",
        parameters: dict[str, str] | None = None,
    ) -> Answer:
        response = await self._send(method, path, content=content, parameters=parameters)
        self._raise(response)
        return response

    async def _send(
        self,
        method: str,
        path: str,
        *,
        content: bytes = b"",
        parameters: dict[str, str] | None = None,
    ) -> Answer:
        async with self._client.stream(
            method, path, content=content, parameters=parameters
        ) as response:
            return await response.read()

    def _raise(self, response: Answer) -> None:
        if response.status >= 400:
            raise RemoteFailure(self._error_of(response))

    def _error_of(self, response: Answer) -> Document:
        try:
            return mapping(mapping(response.json())["error"])
        except (ValueError, KeyError) as error:
            reason = f"it answered {response.status} without an error document"
            raise HostProtocolMismatch(self._address, reason) from error


def _path(name: str) -> str:
    namespace, _, short_name = name.partition("/")
    return f"/v1/components/{quote(namespace, safe='')}/{quote(short_name, safe='')}"


def _without_schema(document: object) -> Document:
    return {key: value for key, value in mapping(document).items() if key != "schema"}
