"""`airswasm storage checkpoints`: copies of one component's storage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from ..._control.document import Document
from ..._session.session import Session, verb
from ._watching import watched
from .keys import NAME, utf8

__all__ = ("app",)

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Copy a component's storage, and go back to the copy.",
)
_LABEL = typer.Argument(metavar="LABEL", help="The checkpoint's name.", callback=utf8)


@app.command("list")
@verb
def list_checkpoints(session: Session, name: Annotated[str, NAME]) -> None:
    """List the checkpoints of a component's storage.

    \b
    Example:
      airswasm storage checkpoints list local/hello
    """
    import anyio

    from ..._hosts.opening import full_name, open_host
    from .._times import amount, size, when

    full, terminal = full_name(name), session.terminal

    async def work() -> Sequence[Document]:
        async with open_host(session, "storage checkpoints list", "read") as host:
            return await host.checkpoints(full)

    found = anyio.run(work)
    if terminal.as_json:
        terminal.document("checkpoints/1", {"name": full, "checkpoints": list(found)})
        return
    if not found:
        terminal.say(f"{full} has no checkpoint")
        return
    rows = [
        (
            str(each["label"]),
            when(each["created_at"]),
            amount(each["keys"]),
            size(each["used_bytes"]),
        )
        for each in found
    ]
    terminal.table(("label", "created", "keys", "size"), rows)


@app.command("create")
@verb
def create(session: Session, name: Annotated[str, NAME], label: Annotated[str, _LABEL]) -> None:
    """Copy a component's storage as it is now; the component goes on.

    \b
    Example:
      airswasm storage checkpoints create local/hello before-cleanup
    """
    import anyio

    from ..._hosts.opening import full_name, open_host
    from .._times import amount

    full, terminal = full_name(name), session.terminal

    async def work() -> Document:
        doing = f"copying the storage of {full}"
        with terminal.progress(doing) as line:
            async with (
                open_host(session, "storage checkpoints create", "change") as host,
                watched(host, line, doing, full, "create checkpoint"),
            ):
                return await host.create_checkpoint(full, label)

    made = anyio.run(work)
    if terminal.as_json:
        terminal.document("checkpoint/1", {"name": full, **made})
    else:
        terminal.done(f"{label}: a copy of {amount(made['keys'])} keys of {full}")


@app.command("restore")
@verb
def restore(
    session: Session,
    name: Annotated[str, NAME],
    label: Annotated[str, _LABEL],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count what would change, and change nothing.")
    ] = False,
) -> None:
    """Make a component's storage what it was; asks for confirmation.

    Later changes are lost, unless a checkpoint of now is created first. The
    checkpoint stays.

    \b
    Example:
      airswasm storage checkpoints restore local/hello before-cleanup
    """
    import anyio

    from ..._hosts.opening import full_name, open_host
    from ...errors import ConfirmationRefused
    from .._times import amount, counted

    full, terminal = full_name(name), session.terminal

    async def count() -> int:
        async with open_host(session, "storage checkpoints restore", "read") as host:
            return len([1 async for _ in await host.diff_checkpoint(full, label)])

    async def work() -> Document:
        doing = f"restoring the storage of {full}"
        with terminal.progress(doing) as line:
            async with (
                open_host(session, "storage checkpoints restore", "change") as host,
                watched(host, line, doing, full, "restore checkpoint"),
            ):
                return await host.restore_checkpoint(full, label)

    if dry_run:
        changed = anyio.run(count)
        if terminal.as_json:
            content = {"name": full, "label": label, "changed": changed, "dry_run": True}
            terminal.document("checkpoint/1", content)
        else:
            terminal.done(f"would change {changed:,} keys of {full}")
        return
    changes = "" if terminal.assume_yes else f" ({counted(anyio.run(count), 'change')})"
    if not terminal.confirm(f"Set all stored data of {full} back to {label}{changes}?"):
        raise ConfirmationRefused(f"restoring {label} of {full}")
    restored = anyio.run(work)
    if terminal.as_json:
        terminal.document("checkpoint/1", {"name": full, **restored, "dry_run": False})
    else:
        terminal.done(f"{full} has the {amount(restored['keys'])} keys of {label} again")


@app.command("drop")
@verb
def drop(session: Session, name: Annotated[str, NAME], label: Annotated[str, _LABEL]) -> None:
    """Remove a checkpoint; asks for confirmation.

    \b
    Example:
      airswasm storage checkpoints drop local/hello before-cleanup --yes
    """
    import anyio

    from ..._hosts.opening import full_name, open_host
    from ...errors import ConfirmationRefused

    full, terminal = full_name(name), session.terminal

    async def work() -> None:
        async with open_host(session, "storage checkpoints drop", "change") as host:
            await host.drop_checkpoint(full, label)

    async def look() -> None:
        """Refuse what does not exist before a person is asked about it."""
        async with open_host(session, "storage checkpoints drop", "read") as host:
            async for _ in await host.diff_checkpoint(full, label):
                return

    if not terminal.assume_yes:
        anyio.run(look)
    if not terminal.confirm(f"Remove the checkpoint {label} of {full}?"):
        raise ConfirmationRefused(f"dropping {label} of {full}")
    anyio.run(work)
    if terminal.as_json:
        terminal.document("checkpoint-dropped/1", {"name": full, "label": label})
    else:
        terminal.done(f"dropped {label} of {full}")


@app.command("diff")
@verb
def diff(session: Session, name: Annotated[str, NAME], label: Annotated[str, _LABEL]) -> None:
    """List the keys that were added, changed or removed since a checkpoint.

    \b
    Example:
      airswasm storage checkpoints diff local/hello before-cleanup
    """
    import anyio

    from ..._hosts.opening import full_name, open_host
    from .._streams import streamed
    from .._times import size

    full, terminal = full_name(name), session.terminal

    async def work() -> int:
        rows: list[tuple[str, str, str, str]] = []
        count = 0
        async with (
            open_host(session, "storage checkpoints diff", "read") as host,
            streamed(await host.diff_checkpoint(full, label)) as found,
        ):
            async for each in found:
                count += 1
                row = (
                    str(each["change"]), str(each["key"]),
                    size(each["before_bytes"]), size(each["now_bytes"]),
                )  # fmt: skip
                if terminal.as_json:
                    terminal.stream("difference/1", each)
                elif terminal.shows_tables:
                    rows.append(row)
                else:
                    terminal.table((), [row])
        if rows:
            terminal.table(("change", "key", "before", "now"), rows)
        return count

    if not anyio.run(work) and not terminal.as_json:
        terminal.say(f"{full} is as it was at {label}")
