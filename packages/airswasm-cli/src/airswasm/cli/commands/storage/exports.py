"""The whole of a component's data as one file: export and import it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..._session.session import Session, verb
from ._watching import watched
from .keys import NAME

__all__ = ("export", "load")


@verb
def export(
    session: Session,
    name: Annotated[str, NAME],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="FILE", help="The file to write; by default standard output."
        ),
    ] = Path("-"),
) -> None:
    """Export a component's stored data as it is now.

    The file is JSON Lines with a checksum. It appears when it is whole and
    verified, and not before.

    \b
    Example:
      airswasm storage export local/hello --output hello.backup
      airswasm storage export local/hello | zstd > hello.backup.zst
    """
    import anyio
    from airswasm.storage import ExportCheck, ExportSummary

    from ..._hosts.opening import full_name, open_host
    from .._streams import opened_output, streamed
    from .._times import size

    full, terminal = full_name(name), session.terminal

    async def work() -> ExportSummary:
        check, written = ExportCheck(), 0
        with terminal.progress(f"exporting {full}") as line, opened_output(output) as file:
            async with (
                open_host(session, "storage export", "read") as host,
                streamed(await host.export(full)) as chunks,
            ):
                async for chunk in chunks:
                    await anyio.to_thread.run_sync(check.feed, chunk)
                    file.write(chunk)
                    written += len(chunk)
                    line.update(f"exporting {full}: {size(written)}")
            return check.finish()

    summary = anyio.run(work)
    if terminal.as_json and str(output) != "-":
        content = {"name": full, "file": str(output), "size_bytes": summary.size_bytes}
        terminal.document("export/1", {**content, "keys": summary.entries})
        return
    terminal.done(f"exported {full}: keys: {summary.entries:,}, bytes: {summary.size_bytes:,}")


@verb
def load(
    session: Session,
    name: Annotated[str, NAME],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An export; - for standard input.")],
    replace: Annotated[
        bool,
        typer.Option("--replace", help="Delete the existing data first; asks for confirmation."),
    ] = False,
    any_name: Annotated[
        bool, typer.Option("--any-name", help="Accept the export of another component.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check the file, and import nothing.")
    ] = False,
) -> None:
    """Import an export into a component's storage.

    \b
    Example:
      airswasm storage import local/hello hello.backup
      airswasm storage import local/hello hello.backup --replace --yes
      airswasm storage import shop/test shop.backup --any-name
    """
    import anyio
    from airswasm.storage import ExportCheck, ExportForeign, ExportSummary

    from ..._hosts.opening import full_name, open_host
    from ...errors import ConfirmationRefused
    from .._streams import opened_input, read_chunks
    from .._times import size, when

    full, terminal = full_name(name), session.terminal

    async def check() -> ExportSummary:
        checking = ExportCheck()
        with opened_input(file) as source, terminal.progress(f"checking {file}"):
            async for chunk in read_chunks(source):
                await anyio.to_thread.run_sync(checking.feed, chunk)
        summary = checking.finish()
        if summary.namespace != full and not any_name:
            raise ExportForeign(summary.namespace, full)
        return summary

    async def work() -> int:
        with opened_input(file) as source, terminal.progress(f"importing {file}") as line:

            def tell(read: int) -> None:
                line.update(f"importing {file}: {size(read)}")

            async with (
                open_host(session, "storage import", "change") as host,
                watched(host, line, f"importing {file}", full, "import"),
            ):
                chunks = read_chunks(source, tell)
                return await host.load(full, chunks, replace=replace, any_name=any_name)

    if dry_run:
        summary = anyio.run(check)
        content = {"name": full, "keys": summary.entries, "created_at": summary.created_at}
        if terminal.as_json:
            terminal.document("import/1", {**content, "dry_run": True})
            return
        done = f"would import into {full}, keys: {summary.entries:,}"
        terminal.done(f"{done}, exported: {when(summary.created_at)}")
        return
    if replace and not terminal.confirm(f"Replace all stored data of {full}?"):
        raise ConfirmationRefused(f"import into {full}")
    count = anyio.run(work)
    if terminal.as_json:
        terminal.document("import/1", {"name": full, "keys": count, "dry_run": False})
        return
    terminal.done(f"imported into {full}, keys: {count:,}")
