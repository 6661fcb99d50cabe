"""`airswasm dev`: build, run and swap a project at each change."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .._session.session import Session, verb

if TYPE_CHECKING:
    from airswasm.sdk import DevEvent

__all__ = ("app",)

app = typer.Typer(add_completion=False, rich_markup_mode=None)

_STYLES = {"failed": "red", "refused": "red", "denied": "yellow", "swapped": "green"}
_QUIET = {"building", "built"}


@app.command()
@verb
def dev(
    session: Session,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="The project.")] = Path(),
    reply: Annotated[
        list[str] | None,
        typer.Option(
            "--reply", metavar="NAME=TEXT", help="The answer of another component; may be repeated."
        ),
    ] = None,
    once: Annotated[
        bool, typer.Option("--once", help="End with the input, instead of at Ctrl-C.")
    ] = False,
    timeout: Annotated[
        float, typer.Option("--timeout", help="Seconds that one step may take.", min=1)
    ] = 600.0,
) -> None:
    """Build, run and swap a project at each change, and talk to it.

    The component runs in this process, under the limits and capabilities of its
    Component.toml. Its storage is memory, which stays from build to build; other
    components are stand-ins. Nothing is installed, and no host has to run. When a
    build, the manifest or a start fails, the earlier build goes on.

    Shown are its log, what it publishes and sends, and each denial with the line of
    Component.toml that grants it. A line that you type is sent as a message; :help
    lists the commands. Ctrl-C or :quit ends it. --json prints one document on a
    line. A change of a component in C, or in Python with the shared interpreter,
    runs about a second later; a standalone one in Python takes half a minute.

    \b
    Example:
      airswasm dev
      airswasm dev ../hello --reply shop/stock=7
      echo world | airswasm dev --once --json
    """
    import anyio
    from airswasm.sdk import develop

    replies = dict(_reply(each) for each in reply or ())

    async def work() -> None:
        def report(event: DevEvent) -> None:
            _show(session, event)

        await develop(folder, report, _lines(once=once), replies=replies, timeout=timeout)

    anyio.run(work)


def _reply(text: str) -> tuple[str, bytes]:
    name, equals, answer = text.partition("=")
    if not equals:
        raise typer.BadParameter(f"{text!r} has no answer: --reply NAME=TEXT")
    return name, answer.encode()


def _show(session: Session, event: DevEvent) -> None:
    terminal = session.terminal
    if terminal.as_json:
        document = {"kind": event.kind, "text": event.text, "detail": dict(event.detail)}
        terminal.stream("dev-event/1", document)
        return
    if event.kind in _QUIET:
        terminal.detail(f"{event.kind}: {event.text}")
        return
    mark = terminal.paint(f"{event.kind:<9} ", _STYLES.get(event.kind, "dim"), stream="stdout")
    for number, line in enumerate(event.text.splitlines() or [""]):
        terminal.line(mark if number == 0 else " " * 10, line)


async def _lines(*, once: bool) -> AsyncIterator[str]:
    """Yield what is typed, without a thread that would outlive the session.

    The end of the input ends the session at a terminal, and otherwise where `once` says so: what
    runs a process in the background often gives it an input that is empty.
    """
    import anyio

    descriptor = _descriptor_of_input()
    if descriptor is None:
        await _keep_on(once)
        return
    mode = os.fstat(descriptor).st_mode
    is_readable = not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or os.isatty(descriptor))
    rest = b""
    while True:
        if not is_readable:
            await anyio.wait_readable(descriptor)
        chunk = os.read(descriptor, 65_536)
        *complete, rest = (rest + chunk).split(b"\n")
        for line in complete:
            yield line.decode(errors="replace")
        if not chunk:
            if rest:
                yield rest.decode(errors="replace")
            await _keep_on(once or os.isatty(descriptor))
            return


def _descriptor_of_input() -> int | None:
    if os.name != "posix":  # elsewhere, only a thread could wait for it
        return None
    try:
        return sys.stdin.fileno()
    except (AttributeError, OSError):  # a process may have none
        return None


async def _keep_on(is_over: bool) -> None:
    import anyio

    if not is_over:
        await anyio.sleep_forever()
