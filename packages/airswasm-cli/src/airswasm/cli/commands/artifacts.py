"""`airswasm artifacts`: the stored files of what is installed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, cast

import typer

from .._control.document import Document, items, number, one_line, text
from .._session.session import Session, verb

__all__ = ("app",)

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="List, verify, pin and clean up the files of installed versions.",
)

_SHOWN_USES = 2
_Name = Annotated[str, typer.Argument(metavar="NAME", help="The component.")]
_Version = Annotated[str, typer.Argument(metavar="VERSION", help="A retained version.")]


@app.command("list")
@verb
def list_artifacts(session: Session) -> None:
    """List the stored files, with what needs them.

    A file is stored once, however many names and versions need it. `airswasm
    artifacts gc` removes one that is unneeded.

    \b
    Example:
      airswasm artifacts list
      airswasm artifacts list --json | jq '[.artifacts[].size_bytes] | add'
    """
    import anyio

    from .._hosts.opening import open_host
    from ._times import counted, size, when

    async def work() -> Sequence[Document]:
        async with open_host(session, "artifacts list", "read") as host:
            return await host.artifacts()

    found, terminal = anyio.run(work), session.terminal
    if terminal.as_json:
        terminal.document("artifacts/1", {"artifacts": list(found)})
        return
    if not found:
        terminal.say("nothing is installed, and no file is stored")
        return
    rows = [
        (
            text(each["digest"])[:12],
            text(each["kind"]),
            "missing" if each["size_bytes"] is None else size(each["size_bytes"]),
            when(each["since"]),
            _uses(each),
        )
        for each in found
    ]
    terminal.table(("sha256", "kind", "size", "since", "needed by"), rows)
    taken = sum(number(each["size_bytes"] or 0) for each in found)
    terminal.say(f"{counted(len(found), 'file')}, {size(taken)}")


def _uses(artifact: Document) -> str:
    uses = items(artifact["needed_by"])
    shown = [f"{each['name']} {each['version']}" for each in uses[:_SHOWN_USES]]
    more = len(uses) - len(shown)
    return ", ".join([*shown, *([f"{more:,} more"] if more else [])]) or "nothing"


@app.command("verify")
@verb
def verify(session: Session) -> None:
    """Read and hash every stored file that a version needs.

    Says of each damaged one what needs it and how to get it back. The exit status
    is 3 if there is any.

    \b
    Example:
      airswasm artifacts verify
    """
    import anyio

    from .._hosts.opening import open_host
    from ._streams import streamed
    from ._times import counted, size

    terminal = session.terminal
    damaged: list[Document] = []

    async def work() -> tuple[int, int]:
        files, size_bytes = 0, 0
        async with open_host(session, "artifacts verify", "read") as host:
            with terminal.progress("reading the stored files") as progress:
                async with streamed(await host.verify_artifacts()) as checks:
                    async for each in checks:
                        files, size_bytes = files + 1, size_bytes + int(number(each["size_bytes"]))
                        of = int(number(each["files"]))
                        progress.update(f"{files:,} of {of:,} files, {size(size_bytes)}")
                        if each["problem"]:
                            damaged.append(each)
        return files, size_bytes

    files, size_bytes = anyio.run(work)
    if terminal.as_json:
        content = {"files": files, "size_bytes": size_bytes, "damaged": damaged}
        terminal.document("artifacts-verify/1", content)
    for each in () if terminal.as_json else damaged:
        head = terminal.paint(text(each["digest"])[:12], "red", stream="stdout")
        terminal.line(f"{head}  ", f"{text(each['kind'])}: {one_line(each['problem'])}")
        terminal.data(f"    needed by {_uses(each)}")
        for line in _mends(each):
            terminal.data(f"    {line}")
    if damaged:
        from airswasm.lifecycle import ArtifactsDamaged

        raise ArtifactsDamaged(len(damaged), files)
    if not terminal.as_json:
        terminal.done(f"{counted(files, 'file')} in order, {size(size_bytes)}")


def _mends(check: Document) -> Iterator[str]:
    for each in _listed(check["mend"]):
        yield f"to get it back: {one_line(each, most=400)}"


def _listed(value: object) -> list[object]:
    return cast("list[object]", value) if isinstance(value, list) else []


@app.command("gc")
@verb
def gc(
    session: Session,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be removed, and stop.")
    ] = False,
) -> None:
    """Remove the versions and the files that no rule keeps.

    What runs, what is pinned, and the newest versions of each name stay; config.toml
    has the rules, `[install] retain`. A host cleans up by itself each minute; this
    does it now, and also removes compiled code of components that are gone.

    \b
    Example:
      airswasm artifacts gc --dry-run
      airswasm artifacts gc
    """
    import anyio

    from .._hosts.opening import open_host
    from ._times import counted, size

    async def work() -> Document:
        async with open_host(session, "artifacts gc", "change") as host:
            return await host.clean_artifacts(dry_run)

    done, terminal = anyio.run(work), session.terminal
    if terminal.as_json:
        terminal.document("clean-up/1", done)
        return
    versions = _listed(done["versions"])
    for each in versions:
        terminal.say(f"{'would remove' if dry_run else 'removed'} {one_line(each)}")
    would = "would remove" if dry_run else "removed"
    compiled = f"{counted(done['compiled'], 'compiled component')}"
    terminal.done(
        f"{would} {counted(len(versions), 'version')}, {counted(done['files'], 'file')} "
        f"({size(done['size_bytes'])}), {compiled} ({size(done['compiled_bytes'])})"
    )


@app.command("pin")
@verb
def pin(session: Session, name: _Name, version: _Version) -> None:
    """Keep a version until you unpin it.

    \b
    Example:
      airswasm artifacts pin local/hello 1.2.0
    """
    _pinned(session, name, version, is_pinned=True)


@app.command("unpin")
@verb
def unpin(session: Session, name: _Name, version: _Version) -> None:
    """Leave a version to the rules again.

    The next clean-up removes it if no other rule keeps it.

    \b
    Example:
      airswasm artifacts unpin local/hello 1.2.0
    """
    _pinned(session, name, version, is_pinned=False)


def _pinned(session: Session, name: str, version: str, *, is_pinned: bool) -> None:
    import anyio

    from .._hosts.opening import full_name, open_host
    from ._versions import shown_keeping

    act, full = "pin" if is_pinned else "unpin", full_name(name)

    async def work() -> Document:
        async with open_host(session, f"artifacts {act}", "change") as host:
            change = host.pin_version if is_pinned else host.unpin_version
            return await change(full, version)

    info, terminal = anyio.run(work), session.terminal
    if terminal.as_json:
        terminal.document("component/1", info)
        return
    kept = next(each for each in items(info["versions"]) if each["version"] == version)
    what = "it stays until you unpin it" if is_pinned else f"it is {shown_keeping(kept)}"
    terminal.done(f"{act}ned {full} {version}; {what}")
