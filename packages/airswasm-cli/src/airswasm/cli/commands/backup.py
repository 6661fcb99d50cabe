"""`airswasm backup`: the whole home in one file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from .._session.session import Session, verb

if TYPE_CHECKING:
    from airswasm.lifecycle import BackupSummary

    from .._session.terminal import Progress

__all__ = ("app",)

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
@verb
def backup(
    session: Session,
    output: Annotated[
        Path, typer.Argument(metavar="FILE", help="The file to write; - for standard output.")
    ],
) -> None:
    """Back up the whole home, while its host goes on.

    The file is a tar archive of one moment: registry, stored data, artifacts,
    settings, trust, keys, audit log and logs. It appears when it is whole and
    verified, and not before. It has your private keys: keep it as safe as those.

    \b
    Example:
      airswasm backup monday.backup
      airswasm backup - | zstd > monday.backup.zst
    """
    import anyio

    from ._streams import opened_output
    from ._times import counted, size

    terminal = session.terminal

    async def work() -> tuple[int, BackupSummary | None]:
        with terminal.progress("backing up") as line, opened_output(output) as file:
            written = await _write(session, file, line)
            if not file.seekable() or not file.readable():
                return written, None
            from airswasm.lifecycle import check_backup

            file.flush()
            file.seek(0)

            def tell(read: int) -> None:
                line.update(f"verifying: {size(read)}")

            return written, await check_backup(file, str(output), progress=tell)

    written, summary = anyio.run(work)
    if summary is None:
        terminal.done(f"backed up {size(written)}; airswasm restore --dry-run verifies it")
        return
    if terminal.as_json:
        content = {
            "file": str(output),
            "size_bytes": written,
            "files": summary.files,
            "created_at": summary.created_at,
            "engine": summary.engine,
            "components": list(summary.components),
        }
        terminal.document("backup/1", content)
        return
    components = counted(len(summary.components), "component")
    terminal.done(f"{output}: {components}, {counted(summary.files, 'file')}, {size(written)}")


async def _write(session: Session, file: BinaryIO, line: Progress) -> int:
    import anyio.to_thread

    from .._hosts.opening import open_host
    from ._streams import streamed
    from ._times import size

    written = 0
    async with (
        open_host(session, "backup", "change") as host,
        streamed(await host.backup()) as chunks,
    ):
        async for chunk in chunks:
            await anyio.to_thread.run_sync(file.write, chunk)
            written += len(chunk)
            line.update(f"backing up: {size(written)}")
    return written
