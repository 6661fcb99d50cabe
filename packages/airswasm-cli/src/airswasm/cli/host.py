"""What verbs ask of a host, whether it runs or only lies on the disk.

Two things answer: `LocalHost`, a `System` in this process, and
`control_client.RemoteHost`, which asks the running host over its socket. Both
speak in documents (`document`), so a verb prints the same thing either way,
and the control server is nothing but a `LocalHost` with routes.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Literal, Protocol

from .document import Document, mapping, to_json
from .errors import HostNotRunning

if TYPE_CHECKING:
    from airswasm.lifecycle import InstallPlan, Package, System
    from airswasm.storage import Namespace

__all__ = ("Action", "Ask", "Host", "LocalHost", "plan_document")

Action = Literal["start", "stop", "restart"]

Ask = Callable[[Document], Awaitable[bool]]
"""Shows an install plan to whoever decides, and returns the decision."""


class Host(Protocol):
    """A home's components, running or not."""

    @property
    def is_online(self) -> bool:
        """Whether components run."""
        ...

    async def install(self, package: Package, ask: Ask) -> Document:
        """Installs a new component."""
        ...

    async def update(self, package: Package, ask: Ask) -> Document:
        """Switches to a newer version."""
        ...

    async def rollback(self, name: str, to: str | None) -> Document:
        """Goes back to a retained version."""
        ...

    async def uninstall(self, name: str, *, purge: bool) -> None:
        """Removes a component; with `purge` what it stored and logged, too."""
        ...

    async def control(self, name: str, action: Action) -> Document:
        """Starts, stops or restarts a component, now and for the host's next start."""
        ...

    async def send(self, name: str, payload: bytes, timeout: float) -> bytes | None:
        """Delivers a message and waits for the reply."""
        ...

    async def list(self) -> Sequence[Document]:
        """All installed components."""
        ...

    async def info(self, name: str) -> Document:
        """All that is known of one."""
        ...

    async def status(self) -> Document:
        """How the host and its components do."""
        ...

    async def find_log(self, name: str) -> None:
        """Makes sure that a component has a log: it is installed, or was, or was tried."""
        ...

    def logs(self, name: str | None, *, recent: int, follow: bool) -> AsyncIterator[Document]:
        """Log lines; with `follow` without an end."""
        ...

    def entries(self, name: str, prefix: str) -> AsyncIterator[Document]:
        """What a component stored: `key` and `size_bytes`."""
        ...

    def export(self, name: str) -> AsyncIterator[bytes]:
        """All that a component stored, as one stream of bytes."""
        ...

    async def load(self, name: str, chunks: AsyncIterable[bytes], *, replace: bool) -> int:
        """Puts an export into a component's storage; returns how many keys."""
        ...


class LocalHost:
    """A `System` of this process, spoken to in documents."""

    def __init__(self, system: System) -> None:
        self._system = system

    @property
    def is_online(self) -> bool:
        """Whether components run."""
        return self._system.mode == "online"

    async def install(self, package: Package, ask: Ask) -> Document:
        """Installs a new component; see `Host`."""
        return _document(await self._system.install(package, approve=_approve(ask)))

    async def update(self, package: Package, ask: Ask) -> Document:
        """Switches to a newer version; see `Host`."""
        return _document(await self._system.update(package, approve=_approve(ask)))

    async def rollback(self, name: str, to: str | None) -> Document:
        """Goes back to a retained version; see `Host`."""
        return _document(await self._system.rollback(name, to))

    async def uninstall(self, name: str, *, purge: bool) -> None:
        """Removes a component; see `Host`."""
        await self._system.uninstall(name, purge=purge)

    async def control(self, name: str, action: Action) -> Document:
        """Starts, stops or restarts a component; see `Host`."""
        system = self._system
        await {"start": system.start, "stop": system.stop, "restart": system.restart}[action](name)
        return _document(system.info(name))

    async def send(self, name: str, payload: bytes, timeout: float) -> bytes | None:
        """Delivers a message and waits for the reply; see `Host`."""
        return await self._system.send(name, payload, timeout)

    async def list(self) -> Sequence[Document]:
        """All installed components; see `Host`."""
        return [_document(each) for each in self._system.list()]

    async def info(self, name: str) -> Document:
        """All that is known of one; see `Host`."""
        return _document(self._system.info(name))

    async def status(self) -> Document:
        """How the host and its components do; see `Host`."""
        return _document(self._system.status())

    async def find_log(self, name: str) -> None:
        """Makes sure that a component has a log; see `Host`."""
        from airswasm.lifecycle import is_component_name

        if not is_component_name(name) or not self._system.logs.recent(name, 1):
            self._system.component_status(name)

    async def logs(self, name: str | None, *, recent: int, follow: bool) -> AsyncIterator[Document]:
        """Log lines; see `Host`."""
        names = [name] if name else [each.name for each in self._system.list()]
        found = [line for each in names for line in self._system.logs.recent(each, recent)]
        for line in sorted(found, key=lambda each: each.time)[-recent:] if recent else ():
            yield _document(line)
        if not follow:
            return
        if not self.is_online:
            raise HostNotRunning("logs --follow", str(self._system.home.folder))
        async for line in self._system.logs.follow(name):
            yield _document(line)

    async def entries(self, name: str, prefix: str) -> AsyncIterator[Document]:
        """What a component stored; see `Host`."""
        async for entry in self._namespace(name).entries(prefix):
            yield {"key": entry.key, "size_bytes": len(entry.value)}

    async def export(self, name: str) -> AsyncIterator[bytes]:
        """All that a component stored; see `Host`."""
        async for chunk in self._namespace(name).export():
            yield chunk

    async def load(self, name: str, chunks: AsyncIterable[bytes], *, replace: bool) -> int:
        """Puts an export into a component's storage; see `Host`."""
        return await self._namespace(name).load(chunks, replace=replace)

    def _namespace(self, name: str) -> Namespace:
        from airswasm.storage import KeyValueStore

        self._system.info(name)
        store = self._system.services.get(KeyValueStore)  # type: ignore[type-abstract]  # a key
        return store.namespace(name)


def plan_document(plan: InstallPlan) -> Document:
    """An install plan as whoever approves it is shown it."""
    return {
        "name": plan.name,
        "version": plan.version,
        "description": plan.description,
        "previous_version": plan.previous_version,
        "signer": plan.signer,
        "is_new_signer": plan.is_new_signer,
        "capabilities": list(plan.capabilities.manifest_lines()),
        "added_capabilities": list(plan.added_capabilities.manifest_lines()),
        "limits": to_json(plan.limits),
        "wasm_bytes": plan.wasm_bytes,
    }


def _approve(ask: Ask) -> Callable[[InstallPlan], Awaitable[bool]]:
    async def approve(plan: InstallPlan) -> bool:
        return await ask(plan_document(plan))

    return approve


def _document(value: object) -> Document:
    return mapping(to_json(value))
