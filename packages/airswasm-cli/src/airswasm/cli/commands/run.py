"""`airswasm run`: the host."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from .._control.document import one_line
from .._session.session import Session, verb
from .._session.terminal import Terminal

if TYPE_CHECKING:
    from airswasm.actor import LifecycleEvent
    from airswasm.lifecycle import ReloadReport, System, SystemStatus

    from .._hosts.service_manager import ServiceManager
    from .._hosts.serving import Listening, StopSignals

__all__ = ("app",)

_YOUNG = 1
"""The generations from 0 to this one: not what was there before."""

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
@verb
def run(
    session: Session,
    port: Annotated[
        int | None,
        typer.Option(
            "--listen",
            metavar="PORT",
            min=0,
            max=65535,
            help="Also listen on this port of 127.0.0.1, with a token, and serve the page.",
        ),
    ] = None,
) -> None:
    """Host the installed components, in the foreground.

    Starts and supervises the installed components, and serves the control API on
    a Unix socket in the home. The other verbs use it: install, update, send,
    status and logs work while the host runs. The socket also serves /metrics and
    /healthz. With --listen, a browser shows the host: open the link that is
    printed. Ctrl-C stops in order; a second one stops at once.

    SIGHUP has the host take config.toml over, as `airswasm reload` does. Under
    systemd it says when it is ready, and feeds the watchdog.

    \b
    Example:
      airswasm run
      airswasm run --listen 7700
      curl --unix-socket "$AIRSWASM_HOME/control.sock" http://host/healthz
    """
    import anyio

    anyio.run(_host, session, port)


async def _host(session: Session, port: int | None) -> None:
    import anyio

    from .._hosts.serving import StopSignals
    from .._session.process import EXIT_INTERRUPTED

    signals = StopSignals()
    async with anyio.create_task_group() as group:
        await group.start(signals.watch)
        with signals.opening:
            await _open_and_serve(session, port, signals)
        group.cancel_scope.cancel()
    if not signals.is_ready:
        raise typer.Exit(EXIT_INTERRUPTED)
    session.terminal.done("stopped")


async def _open_and_serve(session: Session, port: int | None, signals: StopSignals) -> None:
    from airswasm.lifecycle import System

    from .._hosts.first_run import choose_mode
    from .._hosts.opening import closing_system
    from .._hosts.service_manager import find_manager
    from .._hosts.serving import serve

    terminal = session.terminal
    manager = find_manager()
    started = time.monotonic()
    choose_mode(session)
    system = System(session.home, starts=False)
    with terminal.progress(f"opening {session.home}"), _collecting_later():
        await system.__aenter__()
    async with closing_system(system):
        subscription = system.events.listen(_narrator(terminal, system))
        try:
            async with serve(system, port=port) as listening:
                signals.is_ready = True
                gc.freeze()  # what was imported and opened lives as long as the process
                await _start_and_stay(terminal, system, listening, signals, manager, started)
        finally:
            subscription.cancel()


async def _start_and_stay(
    terminal: Terminal,
    system: System,
    listening: Listening,
    signals: StopSignals,
    manager: ServiceManager,
    started: float,
) -> None:
    """Start the components, and host them until a signal, which may also come during the start."""
    import anyio

    from .._hosts.service_manager import is_making_progress
    from .._hosts.serving import why_not_ready

    async def start() -> None:
        async with anyio.create_task_group() as telling:
            telling.start_soon(manager.tell_start, system)
            with terminal.progress("starting the components"), _collecting_later():
                await system.start_all()
            telling.cancel_scope.cancel()
        _greet(terminal, system.status(), listening, time.monotonic() - started)
        await manager.wait_ready(lambda: why_not_ready(system))
        manager.ready(_running(system))

    async def reload() -> None:
        while True:
            await signals.next_reload()
            manager.reloading()
            status = await _reload(terminal, system)
            await manager.wait_ready(lambda: why_not_ready(system))
            manager.ready(status)

    system.note(f"started, process {os.getpid()}")
    system.on_reload(lambda report: _tell_reload(terminal, report))
    async with anyio.create_task_group() as group:
        group.start_soon(manager.feed, is_making_progress(system))
        group.start_soon(start)
        group.start_soon(reload)
        await signals.stop.wait()
        group.cancel_scope.cancel()
    manager.stopping(f"stopping, by {signals.name}")
    system.note(f"stopping, by {signals.name}")
    terminal.say(f"stopping, by {signals.name}; a second signal ends at once")


async def _reload(terminal: Terminal, system: System) -> str:
    """Take config.toml over, and return the status; a file that is wrong changes nothing."""
    from airswasm.wit import AirswasmError

    try:
        await system.reload()
    except AirswasmError as error:
        terminal.warn(f"not reloaded, nothing changed: {error}")
        return f"not reloaded: {error}"
    return _running(system)


def _tell_reload(terminal: Terminal, report: ReloadReport) -> None:
    applied, waiting = report.in_state("applied"), report.in_state("waiting")
    names = ", ".join(each.name for each in applied)
    rest = f"; from the next start on: {', '.join(each.name for each in waiting)}"
    terminal.event(terminal.paint("reloaded ", "green"), f"{names}{rest if waiting else ''}")


def _running(system: System) -> str:
    status = system.status()
    return f"{status.running} of {status.installed} components run"


@contextmanager
def _collecting_later() -> Generator[None]:
    """Pause garbage collection: most objects of a start live as long as the host.

    Repeated collections took a third of the CPU time in which ten thousand components started.
    The one at the end moves what is left to the oldest generation. Components are not frozen: one
    that stops leaves cycles behind.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.collect(_YOUNG)
        gc.enable()


def _greet(terminal: Terminal, status: SystemStatus, listening: Listening, seconds: float) -> None:
    terminal.done(
        f"hosting {status.home}: {status.running} of {status.installed} components run, "
        f"ready in {seconds:.1f} s"
    )
    if listening.address:
        terminal.say(f"  {listening.address}, token in {listening.token_file}")
    if listening.link:
        terminal.say(f"  the page, once: {listening.link}")
    if status.mode == "development":
        terminal.warn(
            "DEVELOPMENT MODE: own and unsigned packages may use everything but the forbidden list"
        )
    if not status.installed:
        terminal.say("  no component is installed; in another terminal: airswasm install .")
    if status.lost_writes:
        terminal.warn(
            f"the disk lost the last {status.lost_writes} writes that were acknowledged: "
            "check it, and what the components stored"
        )
    for each in status.components:
        if each.state != "running" or each.last_error:
            why = f" ({each.last_error})" if each.last_error else ""
            terminal.warn(f"{each.name} is {each.state}{why}: airswasm logs {each.name}")
    terminal.say("  Ctrl-C stops")


def _narrator(terminal: Terminal, system: System) -> Callable[[LifecycleEvent], None]:
    """Return a callback that prints components' life-cycle events, one line each.

    A quarantine is one line, too: what follows under the name is not the component's.
    """
    failed: set[str] = set()
    quarantined: dict[str, str] = {}

    def tell(event: LifecycleEvent) -> None:
        found = system.quarantine_of(event.name)
        if found is not None:
            if quarantined.get(event.name) != found.text:
                quarantined[event.name] = found.text
                why = one_line(found.text.removeprefix("quarantined: "))
                shown = terminal.paint("quarantined", "red")
                terminal.event(shown, f"{event.name}  {why}; {one_line(found.hint)}")
            return
        was_quarantined = quarantined.pop(event.name, None) is not None
        is_supervisor = not event.incarnation  # of its own supervisor, only the giving up
        if event.kind not in _TOLD or (
            is_supervisor and event.kind != "given_up" and not was_quarantined
        ):
            return
        word = _word_for(event, failed)
        shown = terminal.paint(f"{word:<9}", _STYLES.get(event.kind, "dim"))
        cause = str(event.cause).removeprefix(f"{event.name}: ") if event.cause else ""
        terminal.event(shown, f"{event.name}  {cause}".rstrip())

    return tell


_TOLD = frozenset({"ready", "stopped", "failed", "restarted", "given_up"})
_STYLES = {"ready": "green", "failed": "red", "given_up": "red", "restarted": "yellow"}


def _word_for(event: LifecycleEvent, failed: set[str]) -> str:
    """Return an event in one word: a new start without a failure is a switch."""
    if event.kind == "failed":
        failed.add(event.name)
    elif event.kind == "restarted" and event.name not in failed:
        return "switched"
    elif event.kind in ("ready", "stopped", "given_up"):
        failed.discard(event.name)
    return event.kind.replace("_", " ")
