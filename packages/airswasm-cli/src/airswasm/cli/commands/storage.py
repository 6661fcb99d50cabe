"""`airswasm storage`: the stored data of components."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated

import typer

from .._session.session import Session, verb

__all__ = ("app",)

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="List, export and import a component's stored data.",
)

_NAME = typer.Argument(metavar="NAME", help="The component.")
_CHUNK_BYTES = 1 << 16


@app.command("list")
@verb
def list_keys(
    session: Session,
    name: Annotated[str, _NAME],
    prefix: Annotated[str, typer.Option("--prefix", help="Only keys with this prefix.")] = "",
) -> None:
    """List the keys that a component stored, with their sizes.

    \b
    Example:
      airswasm storage list local/hello
      airswasm storage list shop/orders --prefix order/
    """
    import anyio

    from .._hosts.opening import full_name, open_host
    from ._times import size

    async def work() -> None:
        async with open_host(session, "storage list", "read") as host:
            found = [entry async for entry in await host.entries(full_name(name), prefix)]
        if session.terminal.as_json:
            for entry in found:
                session.terminal.stream("entry/1", entry)
            return
        rows = [(str(entry["key"]), size(entry["size_bytes"])) for entry in found]
        if not rows:
            session.terminal.say(f"{full_name(name)} has stored nothing")
            return
        session.terminal.table(("key", "size"), rows)

    anyio.run(work)


@app.command("export")
@verb
def export(
    session: Session,
    name: Annotated[str, _NAME],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="FILE", help="The file to write; by default standard output."
        ),
    ] = Path("-"),
) -> None:
    """Export a component's stored data to a file.

    \b
    Example:
      airswasm storage export local/hello --output hello.backup
    """
    import anyio

    from .._hosts.opening import full_name, open_host

    async def work() -> int:
        parts: list[bytes] = []
        async with open_host(session, "storage export", "read") as host:
            async for chunk in await host.export(full_name(name)):
                parts.append(chunk)
        content = b"".join(parts)
        if str(output) == "-":
            sys.stdout.buffer.write(content)
            sys.stdout.buffer.flush()
        else:
            _write(output, content)
        return len(content)

    size_bytes = anyio.run(work)
    if session.terminal.as_json and str(output) != "-":
        content = {"name": full_name(name), "file": str(output), "size_bytes": size_bytes}
        session.terminal.document("export/1", content)
        return
    session.terminal.done(f"exported {full_name(name)}, {size_bytes:,} bytes")


@app.command("import")
@verb
def load(
    session: Session,
    name: Annotated[str, _NAME],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An export; - for standard input.")],
    replace: Annotated[
        bool,
        typer.Option("--replace", help="Delete the existing data first; asks for confirmation."),
    ] = False,
) -> None:
    """Import an export into a component's storage.

    \b
    Example:
      airswasm storage import local/hello hello.backup
      airswasm storage import local/hello hello.backup --replace --yes
    """
    import anyio

    from .._hosts.opening import full_name, open_host
    from ..errors import ConfirmationRefused

    full = full_name(name)
    content = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    if replace and not session.terminal.confirm(f"Replace all stored data of {full}?"):
        raise ConfirmationRefused(f"import into {full}")

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(content), _CHUNK_BYTES):
            yield content[start : start + _CHUNK_BYTES]

    async def work() -> int:
        async with open_host(session, "storage import", "change") as host:
            await host.info(full)
            return await host.load(full, chunks(), replace=replace)

    count = anyio.run(work)
    if session.terminal.as_json:
        session.terminal.document("import/1", {"name": full, "keys": count})
        return
    session.terminal.done(f"imported into {full}, keys: {count:,}")


def _write(file: Path, content: bytes) -> None:
    """Write whole or not at all; write directly to a device, a pipe or a link."""
    if file.is_symlink() or (file.exists() and not file.is_file()):
        file.write_bytes(content)
        return
    partial = file.with_name(f".{file.name}.partial")
    try:
        partial.write_bytes(content)
        partial.replace(file)
    except OSError:
        partial.unlink(missing_ok=True)
        raise
