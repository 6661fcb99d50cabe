"""Host in the foreground: a `System`, its control API, and an orderly end.

The order matters. The home is locked, then the socket opens, then the components start: an operator
reaches a host whose components hang while they start, and a message to a component that has not
started yet waits for it. On shutdown the socket closes first, so the host accepts no request that
it would not finish. The first signal (SIGINT, SIGTERM) stops components in order, each
within its shutdown time; a second one ends the process at once, which the durable state survives.
The audit log names the signal. SIGHUP reloads config.toml, unless the terminal of the host is gone.

uvicorn needs asyncio and would handle the signals itself; both stay in this module.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import socket
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio
import anyio.abc
import uvicorn
from airswasm.lifecycle import System
from airswasm.security import AuditSink
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from .._control.api import all_operations
from .._control.connections import LocalConnection, NetworkConnection
from .._control.endpoint import endpoint_of, listen
from .._control.gate import Need, SocketGate, TokenGate
from .._control.operation import Table
from .._control.page_door import PageDoor
from .._control.page_sessions import PageSessions
from .._control.server import control_app
from .._control.tokens import Token, TokenFile
from .._session.process import EXIT_INTERRUPTED
from ..errors import SocketInUse
from .host import LocalHost
from .watching import monitor_of

__all__ = ("Listening", "StopSignals", "serve", "why_not_ready")

_GRACE_SECONDS = 2
_HANGUP_SECONDS = 0.3

_SILENT: dict[str, object] = {
    "version": 1,
    "disable_existing_loggers": False,
    "loggers": {"uvicorn": {"handlers": [], "level": 100, "propagate": False}},
}
"""The answer to a request describes its error; uvicorn need not log it again."""


@dataclass(frozen=True, slots=True)
class Listening:
    """The addresses of a host.

    Attributes:
        socket: The control socket.
        address: `http://127.0.0.1:PORT`, if TCP was requested.
        token_file: The file with the token for TCP.
        link: The link that opens the page once, if TCP was requested and the page is on.
    """

    socket: Path
    address: str | None = None
    token_file: Path | None = None
    link: str | None = None


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers, because the host handles signals."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Install no signal handlers."""
        yield


@asynccontextmanager
async def serve(
    system: System, *, port: int | None = None, operations: Table | None = None
) -> AsyncGenerator[Listening]:
    """Serve a system's control API inside the block.

    Args:
        system: The open, online system.
        port: Also serve loopback TCP on this port, with a token; 0 selects a free port.
        operations: The operations to serve; None for the host's own and those of its blocks.

    Raises:
        SocketInUse: The socket or the port cannot be opened.
    """
    home = system.home.folder
    operations = operations or all_operations(system.blocks)
    host = LocalHost(system, operations)
    audit = system.services.get(AuditSink)  # type: ignore[type-abstract]  # a key
    host.door = door = PageDoor(operations, audit)
    monitoring, page = _monitoring(system), [*door.routes(), *_page(system)]
    app = control_app(host, operations=operations, monitoring=monitoring, page=page)
    endpoint = endpoint_of(home)
    unix = listen(endpoint)
    servers = [(_Server(_config(SocketGate(app), LocalConnection)), unix)]
    listening = Listening(endpoint.path)
    if port is not None:
        tcp = _listen_tcp(port)
        own = tcp.getsockname()[1]
        loopback = [f"{name}:{own}" for name in ("127.0.0.1", "localhost", "[::1]")]
        urls = [f"{scheme}://{each}/**" for scheme in ("http", "https") for each in loopback]
        for wanted, patterns in (("tcp", loopback), ("udp", loopback), ("http.request", urls)):
            system.forbid("the control socket", wanted, patterns)
        token_file = home / "control.token"
        this_run, tokens = Token.of_run(_write_token(token_file)), TokenFile(home)
        needs = _needs(app, operations, len(page))
        gated = TokenGate(app, needs, this_run, tokens, audit, door)
        door.listen(PageSessions(tokens, this_run, lambda: _has_page(system)), own)
        servers.append((_Server(_config(gated, NetworkConnection)), tcp))
        link = door.link("all") if _has_page(system) else None
        listening = Listening(endpoint.path, f"http://127.0.0.1:{own}", token_file, link)
    try:
        async with anyio.create_task_group() as group:
            for server, listener in servers:
                group.start_soon(_run, server, listener)
            system.announce(endpoint.path)
            try:
                yield listening
            finally:
                system.announce(None)
                _end_streams(system)
                for server, _ in servers:
                    server.should_exit = True
    finally:
        endpoint.path.unlink(missing_ok=True)


class StopSignals:
    """SIGINT, SIGTERM and SIGHUP, during a host's life.

    SIGHUP asks for a reload, as service managers send it. Where the host's terminal was closed, the
    kernel or the shell sends it, too, and it stops the host, which no key could any more. `nohup`
    ignores it, and then so does the host.

    Any other first signal stops the host: while it opens, by cancelling that; once it is `ready`,
    through `stop`. The second one ends the process.

    Attributes:
        stop: Set by the first signal.
        opening: The scope in which the host opens.
        is_ready: Whether the host has opened.
        name: The name of the first signal, such as `SIGTERM`; empty before it.
    """

    def __init__(self) -> None:
        self.stop = anyio.Event()
        self._reload = anyio.Event()
        self._has_terminal = _has_terminal()
        self.opening = anyio.CancelScope()
        self.is_ready = False
        self.name = ""

    async def watch(self, *, task_status: anyio.abc.TaskStatus[None]) -> None:
        """Run until cancelled."""
        with anyio.open_signal_receiver(*_stop_signals()) as received:
            task_status.started()
            async for number in received:
                if self.stop.is_set():
                    os._exit(EXIT_INTERRUPTED)
                if number.name == "SIGHUP" and not await self._has_lost_terminal():
                    self._reload.set()
                    continue
                self.name = number.name
                self.stop.set()
                if not self.is_ready:
                    self.opening.cancel()

    async def next_reload(self) -> None:
        """Wait until a reload is asked for; several that come meanwhile are one."""
        await self._reload.wait()
        self._reload = anyio.Event()

    async def _has_lost_terminal(self) -> bool:
        """Return whether the host had a terminal, and it is gone or about to go."""
        if not self._has_terminal:
            return False
        if _has_terminal():
            await anyio.sleep(_HANGUP_SECONDS)  # a shell that ends tells before the terminal goes
        return not _has_terminal()


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


def _stop_signals() -> tuple[signal.Signals, ...]:
    if sys.platform == "win32" or signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        return signal.SIGINT, signal.SIGTERM
    return signal.SIGINT, signal.SIGTERM, signal.SIGHUP


async def _run(server: _Server, listener: socket.socket) -> None:
    with anyio.CancelScope(shield=True):
        await server.serve(sockets=[listener])


def _config(app: ASGIApp, connection: type[asyncio.Protocol]) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        lifespan="off",
        log_config=_SILENT,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_GRACE_SECONDS,
        ws="none",
        http=connection,
    )


def _listen_tcp(port: int) -> socket.socket:
    server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        server.bind(("127.0.0.1", port))
        server.listen(128)
        server.setblocking(False)
    except OSError as error:
        server.close()
        raise SocketInUse(f"127.0.0.1:{port}", error.strerror or str(error)) from error
    return server


def _write_token(path: Path) -> str:
    """Write a new token for each run, readable by the owner alone."""
    token = secrets.token_urlsafe(32)
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(token + "\n")
    return token


def _needs(app: Starlette, operations: Table, pages: int) -> list[tuple[BaseRoute, Need]]:
    """Return the needs of the routes: those of the operations, of monitoring, and of the page."""
    scopes = [Need(each.scope, each) for each in operations]
    rest = [Need("monitoring")] * (len(app.routes) - len(scopes) - pages)
    return list(zip(app.routes, [*scopes, *rest, *[Need(None)] * pages], strict=True))


def why_not_ready(system: System) -> str:
    """Return why `/readyz` answers 503; an empty text if the host should get traffic."""
    monitor = monitor_of(system)
    report = monitor.health() if monitor is not None else None
    if report is None or report.is_ready:
        return ""
    return next((f"{each.subject}: {each.text}" for each in report.findings), "it is unhealthy")


def _monitoring(system: System) -> Starlette | None:
    from airswasm.monitoring import monitoring_app

    monitor = monitor_of(system)
    return monitoring_app(monitor) if monitor is not None else None


def _end_streams(system: System) -> None:
    """End what clients follow, as uvicorn would wait for them."""
    system.end_streams()
    monitor = monitor_of(system)
    if monitor is not None:
        monitor.watching.close()


def _page(system: System) -> list[Route]:
    from airswasm.monitoring import page_routes

    return page_routes(lambda: _has_page(system)) if monitor_of(system) is not None else []


def _has_page(system: System) -> bool:
    monitor = monitor_of(system)
    return monitor is not None and monitor.has_page
