"""Single keys: list, get, set and delete them."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from ..._control.storage_api import MOST_VALUE_BYTES
from ..._session.session import Session, verb
from ._watching import watched

__all__ = ("NAME", "delete", "get_value", "list_keys", "set_value", "utf8")

NAME = typer.Argument(metavar="NAME", help="The component.")


def utf8(word: str | None) -> str | None:
    """Refuse a word that is no UTF-8: no key or label is, and no host could be asked for it."""
    try:
        (word or "").encode()
    except UnicodeEncodeError:
        raise typer.BadParameter("it is not UTF-8") from None
    return word


_KEY = typer.Argument(metavar="KEY", help="The key.", callback=utf8)


@verb
def list_keys(
    session: Session,
    name: Annotated[str, NAME],
    prefix: Annotated[
        str, typer.Option("--prefix", help="Only keys with this prefix.", callback=utf8)
    ] = "",
    after: Annotated[
        str | None,
        typer.Option("--after", metavar="KEY", help="Begin behind this key.", callback=utf8),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=0, help="The most keys; 0 for all.")] = 0,
    reverse: Annotated[bool, typer.Option("--reverse", help="Begin with the highest key.")] = False,
) -> None:
    """List the keys that a component stored, with their sizes.

    \b
    Example:
      airswasm storage list local/hello
      airswasm storage list shop/orders --prefix order/ --limit 20 --reverse
    """
    import anyio

    from ..._hosts.opening import full_name, open_host
    from .._streams import streamed
    from .._times import size

    full, terminal = full_name(name), session.terminal

    async def work() -> bool:
        rows: list[tuple[str, str]] = []
        is_empty = True
        async with (
            open_host(session, "storage list", "read") as host,
            streamed(
                await host.entries(full, prefix=prefix, after=after, limit=limit, reverse=reverse)
            ) as found,
        ):
            async for entry in found:
                is_empty = False
                row = str(entry["key"]), size(entry["size_bytes"])
                if terminal.as_json:
                    terminal.stream("entry/1", entry)
                elif terminal.shows_tables:
                    rows.append(row)
                else:
                    terminal.table((), [row])
        if rows:
            terminal.table(("key", "size"), rows)
        return is_empty

    if anyio.run(work) and not terminal.as_json:
        terminal.say(f"{full} has stored nothing" + (f" under {prefix}" if prefix else ""))


@verb
def get_value(session: Session, name: Annotated[str, NAME], key: Annotated[str, _KEY]) -> None:
    """Print the value of a key.

    A terminal shows it readably; a file or pipe gets its bytes. --json prints it
    as text and as base64.

    \b
    Example:
      airswasm storage get local/hello count
      airswasm storage get shop/orders order/17 > order.cbor
    """
    import anyio

    from ..._hosts.opening import full_name, open_host
    from .._values import bytes_document

    full = full_name(name)

    async def work() -> bytes:
        async with open_host(session, "storage get", "read") as host:
            return await host.read_value(full, key) or b""

    value = anyio.run(work)
    if session.terminal.as_json:
        content = {"name": full, "key": key, **bytes_document(value)}
        session.terminal.document("value/1", content)
    else:
        session.terminal.raw(value)


@verb
def set_value(
    session: Session,
    name: Annotated[str, NAME],
    key: Annotated[str, _KEY],
    value: Annotated[str, typer.Argument(metavar="VALUE", help="The value; - for standard input.")],
    ttl: Annotated[
        str | None,
        typer.Option("--ttl", metavar="TIME", help="When it expires: 90 (seconds), 30 min, 8h."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Change nothing.")] = False,
) -> None:
    """Set the value of a key, within the component's quota.

    \b
    Example:
      airswasm storage set local/hello count 7
      airswasm storage set shop/orders order/17 - < order.cbor
      airswasm storage set local/hello banner "back at nine" --ttl "8 h"
    """
    import anyio

    from ..._hosts.opening import full_name, open_host
    from .._times import seconds, size

    full, terminal = full_name(name), session.terminal
    lasts = None if ttl is None else seconds(ttl)
    content = _standard_input() if value == "-" else value.encode(errors="surrogateescape")

    async def work() -> None:
        async with open_host(session, "storage set", "read" if dry_run else "change") as host:
            if dry_run:
                await host.checkpoints(full)  # refuses a name that stores nothing
            else:
                await host.write_value(full, key, content, lasts)

    anyio.run(work)
    if terminal.as_json:
        document = {"name": full, "key": key, "size_bytes": len(content), "ttl": lasts}
        terminal.document("set/1", {**document, "dry_run": dry_run})
    else:
        done = "would set" if dry_run else "set"
        terminal.done(f"{done} {key} of {full}, {size(len(content))}")


def _standard_input() -> bytes:
    """Read a value, in memory that a pipe without an end cannot take."""
    content = sys.stdin.buffer.read(MOST_VALUE_BYTES + 1)
    if len(content) > MOST_VALUE_BYTES:
        most = MOST_VALUE_BYTES // 2**20
        raise typer.BadParameter(f"standard input has more than {most} MiB, the most of a value")
    return content


@verb
def delete(
    session: Session,
    name: Annotated[str, NAME],
    key: Annotated[
        str | None, typer.Argument(metavar="[KEY]", help="The key.", callback=utf8)
    ] = None,
    prefix: Annotated[
        str,
        typer.Option(
            "--prefix", help="All keys that start so; asks for confirmation.", callback=utf8
        ),
    ] = "",
    everything: Annotated[
        bool,
        typer.Option("--all", help="All keys and checkpoints; asks for confirmation."),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count, and change nothing.")] = False,
) -> None:
    """Delete a key, the keys of a prefix, or all data.

    --all also removes what an uninstalled component left behind (`airswasm
    storage usage` lists it).

    \b
    Example:
      airswasm storage delete local/hello count
      airswasm storage delete shop/orders --prefix order/2024- --yes
      airswasm storage delete local/gone --all
    """
    import anyio

    from ..._hosts.opening import full_name, open_host
    from ...errors import ConfirmationRefused
    from .._times import counted

    if (key is not None) + bool(prefix) + everything != 1:
        raise typer.BadParameter("name one of KEY, --prefix and --all")
    full, terminal = full_name(name), session.terminal
    what = f"key {key}" if key is not None else f"keys {prefix}*" if prefix else "all data"

    async def count() -> int:
        async with open_host(session, "storage delete", "read") as host:
            if key is not None:
                await host.read_value(full, key)
                return 1
            return len([1 async for _ in await host.entries(full, prefix=prefix)])

    async def work() -> int:
        async with open_host(session, "storage delete", "change") as host:
            if key is not None:
                await host.delete_value(full, key)
                return 1
            doing = f"deleting {what} of {full}"
            with terminal.progress(doing) as line:
                if everything:
                    return await host.purge_storage(full)
                async with watched(host, line, doing, full, "delete"):
                    return await host.delete_prefix(full, prefix)

    if dry_run:
        deleted = anyio.run(count)
    else:
        if key is None and not terminal.assume_yes:
            what = f"{what}, {counted(anyio.run(count), 'key')},"
            if not terminal.confirm(f"Delete {what} of {full}?"):
                raise ConfirmationRefused(f"deleting {what} of {full}")
        deleted = anyio.run(work)
    if terminal.as_json:
        terminal.document("deleted/1", {"name": full, "keys": deleted, "dry_run": dry_run})
    else:
        keys = f"{deleted:,} key{'' if deleted == 1 else 's'}"
        terminal.done(f"{'would delete' if dry_run else 'deleted'} {keys} of {full}")
