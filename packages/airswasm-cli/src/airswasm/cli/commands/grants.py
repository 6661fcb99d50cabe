"""`airswasm grants`: what components may do, and until when."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, cast

import typer

from .._session.session import Session, verb

if TYPE_CHECKING:
    from .._control.document import Document
    from .._hosts.grants import GrantChange
    from .._hosts.host import Host
    from .._session.terminal import Terminal

__all__ = ("app",)

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Show and change what components may do.",
)

_NOT_OF_PATTERNS = ("grants", "spelling", "system")
"""The layers whose answer about a pattern says nothing of what it covers."""
_NAME = typer.Argument(metavar="NAME", help="The component.")
_CAPABILITY = typer.Argument(metavar="CAPABILITY", help="The capability, such as storage.read.")
_PATTERNS = typer.Argument(metavar="PATTERN...", help="The patterns.")
_SOME = typer.Argument(metavar="[PATTERN...]", help="The patterns; all of it without any.")
_UNTIL = typer.Option(
    "--until", metavar="TIME", help="When it ends: 8h, 30 min, 2026-12-01, 2026-12-01T18:00."
)
_REASON = typer.Option("--reason", help="The reason, for the record.")


@app.command("list")
@verb
def list_grants(
    session: Session,
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="The component; all without one.")
    ] = None,
) -> None:
    """List what components may do, and who decided it.

    \b
    Example:
      airswasm grants list
      airswasm grants list shop/orders
    """
    import anyio

    from .._hosts.opening import full_name, open_host

    async def work() -> None:
        async with open_host(session, "grants list", "read") as host:
            if name is None:
                found = list(await host.grants())
            else:
                found = [await host.grants_of(full_name(name))]
        if session.terminal.as_json and name is not None:
            session.terminal.document("grants-of/1", found[0])
        elif session.terminal.as_json:
            session.terminal.document("grants/1", {"components": found})
        else:
            _show(session, found)

    anyio.run(work)


@app.command("add")
@verb
def add(
    session: Session,
    name: Annotated[str, _NAME],
    capability: Annotated[str, _CAPABILITY],
    patterns: Annotated[list[str], _PATTERNS],
    until: Annotated[str | None, _UNTIL] = None,
    reason: Annotated[str, _REASON] = "",
) -> None:
    """Grant patterns, and lift the denials that they cover.

    The component need not ask for them. What it does not ask for stays granted
    until you remove it.

    \b
    Example:
      airswasm grants add shop/orders storage.read "archive/**" --until 8h
    """
    _change(session, "add", name, capability, patterns, until, reason)


@app.command("narrow")
@verb
def narrow(
    session: Session,
    name: Annotated[str, _NAME],
    capability: Annotated[str, _CAPABILITY],
    patterns: Annotated[list[str], _PATTERNS],
    until: Annotated[str | None, _UNTIL] = None,
    reason: Annotated[str, _REASON] = "",
) -> None:
    """Grant these patterns instead of all that it has of a capability.

    Each must be within what it has. Updates keep the narrower grant.

    \b
    Example:
      airswasm grants narrow shop/orders storage.read "orders/eu/**"
    """
    _change(session, "narrow", name, capability, patterns, until, reason)


@app.command("deny")
@verb
def deny(
    session: Session,
    name: Annotated[str, _NAME],
    capability: Annotated[str, _CAPABILITY],
    patterns: Annotated[list[str] | None, _SOME] = None,
    until: Annotated[str | None, _UNTIL] = None,
    reason: Annotated[str, _REASON] = "",
) -> None:
    """Deny patterns, whatever is granted, in updates too.

    What the component holds open by them ends at once.

    \b
    Example:
      airswasm grants deny shop/orders http.request --reason "incident 12"
    """
    _change(session, "deny", name, capability, patterns or [], until, reason)


@app.command("remove")
@verb
def remove(
    session: Session,
    name: Annotated[str, _NAME],
    capability: Annotated[str, _CAPABILITY],
    patterns: Annotated[list[str] | None, _SOME] = None,
    denial: Annotated[bool, typer.Option("--denial", help="Lift a denial instead.")] = False,
    reason: Annotated[str, _REASON] = "",
) -> None:
    """Take a grant away, or lift a denial with --denial.

    \b
    Example:
      airswasm grants remove shop/orders storage.read "archive/**"
      airswasm grants remove shop/orders http.request --denial
    """
    change: GrantChange = "lift" if denial else "remove"
    _change(session, change, name, capability, patterns or [], None, reason)


def _change(
    session: Session,
    change: GrantChange,
    name: str,
    capability: str,
    patterns: list[str],
    until: str | None,
    reason: str,
) -> None:
    import anyio

    from .._hosts.opening import full_name, open_host
    from ._times import moment

    end = moment(until) if until is not None else 0.0
    if any("\n" in each for each in patterns):
        raise typer.BadParameter("a pattern is one line")

    async def work() -> None:
        async with open_host(session, f"grants {change}", "change") as host:
            lines = "\n".join(patterns)
            done = await host.change_grants(full_name(name), change, capability, lines, end, reason)
            refusals = [
                refusal
                for each in (patterns if change == "add" else ())
                if (refusal := await _refusal(host, full_name(name), capability, each))
            ]
        if session.terminal.as_json:
            session.terminal.document("grants-of/1", done)
        else:
            _tell(session, done, capability, is_lifted=change == "lift")
        for each in refusals:
            session.terminal.warn(each)

    anyio.run(work)


async def _refusal(host: Host, name: str, capability: str, pattern: str) -> str:
    """Return which layer refuses what was granted just now; empty where none does.

    The pattern is looked at as if it were a resource; one that can be none says nothing.
    """
    from airswasm.wit import AirswasmError

    from .._control.document import items, one_line, text

    try:
        found = await host.access(name, capability, pattern)
    except AirswasmError:
        return ""
    for layer in items(found.get("layers")):
        if not layer["is_allowed"] and text(layer["layer"]) not in _NOT_OF_PATTERNS:
            return one_line(f"{pattern} is still refused: {layer['layer']}: {layer['rule']}")
    return ""


def _tell(session: Session, done: Document, capability: str, *, is_lifted: bool) -> None:
    """Say what is in force of a capability now."""
    from .._control.document import one_line, text

    terminal, name = session.terminal, text(done["name"])
    held = [one_line(line) for line in _texts(done["in_force"]) if _is_of(line, capability)]
    is_granted = any(not line.startswith("deny.") for line in held)
    if is_lifted and not is_granted:
        terminal.done(f"{name}: the denial of {capability} is lifted, and nothing of it is granted")
        terminal.say(f"next: airswasm grants add {name} {capability} PATTERN")
        return
    if not is_granted or f'deny.{capability} = ["everything"]' in held:
        terminal.done(f"{name} may not use {capability}")
        return
    terminal.done(f"{name} may, by {capability}:")
    for line in held:
        terminal.say(f"    {line}")


def _show(session: Session, found: list[Document]) -> None:
    from .._control.document import items, one_line, text
    from ._times import when

    rows = [
        (text(each["name"]), "*", "granted", "everything", "level", when(entry["at"]), "-", "-")
        for each in found
        for entry in [entry for entry in items(each["entries"]) if _is_of_level(entry)][:1]
    ]
    rows += [
        (
            text(each["name"]),
            text(entry["capability"]).replace(":", ".", 1),
            f"{text(entry['verdict'])}{', not asked for' if entry['is_extra'] else ''}",
            one_line(", ".join(_texts(entry["patterns"]))),
            text(entry["by"]),
            when(entry["at"]),
            when(entry["until"]) if entry["until"] is not None else "-",
            one_line(entry["reason"]) or "-",
        )
        for each in found
        for entry in items(each["entries"])
        if not _is_of_level(entry)
    ]
    denied = {row[:2] + row[3:4] for row in rows if row[2] == "denied"}
    rows += [
        (text(each["name"]), *row, "-", "-", "-", "-")
        for each in found
        for line in _texts(each["not_granted"])
        if (text(each["name"]), (row := _row(line))[0], row[2]) not in denied
    ]
    terminal = session.terminal
    if not rows:
        terminal.say("no component asks for anything, or was granted anything")
    elif not terminal.shows_tables:
        terminal.table(_COLUMNS, rows)
    else:
        _show_on_screen(terminal, rows)


_COLUMNS = ("component", "capability", "verdict", "patterns", "by", "since", "until", "reason")


def _show_on_screen(terminal: Terminal, rows: Sequence[Sequence[str]]) -> None:
    """Write a heading for each component, and a line or two for each decision."""
    for name in sorted({row[0] for row in rows}):
        terminal.data(name)
        for _, capability, verdict, patterns, by, since, until, reason in _rows_of(rows, name):
            terminal.data(f"  {verdict.ljust(11)} {capability} on {patterns}")
            about = [f"by {by}, {since}"] if by != "-" else []
            about += [f"until {until}"] if until != "-" else []
            about += [reason] if reason != "-" else []
            if about:
                terminal.data(f"{' ' * 14}{'; '.join(about)}")


def _is_of_level(entry: Document) -> bool:
    """Return whether the development level granted it, which is all or nothing."""
    return entry["by"] == "level" and entry["verdict"] != "denied"


def _rows_of(rows: Sequence[Sequence[str]], name: str) -> list[Sequence[str]]:
    """Return the rows of one component, by capability."""
    return sorted((row for row in rows if row[0] == name), key=lambda row: row[1])


def _row(line: str) -> tuple[str, str, str]:
    """Return a line of a manifest that is asked for in vain."""
    from .._control.document import one_line

    capability, _, patterns = line.partition(" = ")
    return capability, "not granted", one_line(patterns.strip("[]").replace('"', ""))


def _is_of(line: str, capability: str) -> bool:
    name = line.partition(" = ")[0].removeprefix("deny.")
    return name == capability.replace(":", ".", 1)


def _texts(value: object) -> list[str]:
    return list(map(str, cast("list[object]", value))) if isinstance(value, list) else []
