"""`airswasm audit`: what was decided and changed, and whether the log of it is whole."""

from __future__ import annotations

import difflib
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import typer

from .._control.document import Document, mapping, number, one_line, text
from .._session.session import Session, verb

if TYPE_CHECKING:
    from .._hosts.stored_host import HostReader

__all__ = ("app",)

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Show what was decided and changed, and verify the log of it.",
)
T = TypeVar("T")
_LOOKED_AT = 10_000
"""The newest lines, whose words are those that may have been meant."""

_STYLES = {"deny": "red", "failed": "red", "allow": "green", "done": "green"}
Kind = Annotated[
    str, typer.Option("--kind", metavar="KIND", help="decision, install, trust, config, …")
]
Component = Annotated[str, typer.Option("--component", metavar="NAME", help="The component.")]
Capability = Annotated[
    str, typer.Option("--capability", metavar="CAPABILITY", help="Such as storage.read.")
]
Outcome = Annotated[
    Literal["", "allow", "deny", "done", "failed"],
    typer.Option("--outcome", metavar="OUTCOME", help="allow, deny, done or failed."),
]
Containing = Annotated[
    str, typer.Option("--grep", metavar="TEXT", help="Resource, reason or a detail has this text.")
]
Since = Annotated[
    str, typer.Option("--since", metavar="TIME", help='"2 h" ago, or 2026-11-29T12:00.')
]
Until = Annotated[str, typer.Option("--until", metavar="TIME", help="The same forms.")]

Messages = Annotated[
    bool, typer.Option("--messages", help="The lines of messages ([audit] messages).")
]


@app.command()
@verb
def verify(
    session: Session,
    head: Annotated[
        list[str] | None,
        typer.Option("--head", metavar="HEAD", help="One that you kept; may be repeated."),
    ] = None,
    messages: Messages = False,
) -> None:
    """Verify that no line was changed, removed or cut off.

    Compares the log with the head that the host keeps in its store, with the one
    beside the log, and with those that you kept elsewhere (`audit head`). Exits
    with 3 when the log is not whole, and says what is missing.

    \b
    Example:
      airswasm audit verify
      airswasm audit verify --head "$KEPT_ELSEWHERE"
    """

    async def question(host: HostReader) -> Document:
        for each in head or ():
            await host.audit_verify(each, _log(messages))
        return await host.audit_verify(None, _log(messages))

    found = _ask(session, question)
    if session.terminal.as_json:
        session.terminal.document("audit-report/1", {**found, "heads": len(head or ())})
        return
    lines, first = number(found["lines"]), int(number(found["first_line"]))
    if not lines:
        session.terminal.done("there is no line yet")
        return
    session.terminal.done(f"lines: {lines:,.0f}, all of them whole; files: {found['files']}")
    if first > 1:
        session.terminal.say(f"  lines 1 to {first - 1:,} were removed by age; they are counted")
    places = [f"{_PLACES[place]}: {line:,}" for place, line in mapping(found["compared"]).items()]
    given = [f"{len(head)} of yours"] if head else []
    session.terminal.say(f"  compared with the heads {', '.join([*places, *given])}")
    if number(found["torn_bytes"]):
        session.terminal.warn("the last line is torn: the host was killed or lost its power")


_PLACES = {
    "host": "of the running host",
    "store": "in the host's store",
    "mark": "beside the log",
}


@app.command()
@verb
def query(
    session: Session,
    kind: Kind = "",
    component: Component = "",
    capability: Capability = "",
    outcome: Outcome = "",
    grep: Containing = "",
    since: Since = "",
    until: Until = "",
    lines: Annotated[
        int, typer.Option("--lines", "-n", min=1, max=100_000, help="The newest so many.")
    ] = 100,
    line: Annotated[
        int | None,
        typer.Option("--line", metavar="NUMBER", min=1, help="A line, and what came of it."),
    ] = None,
    messages: Messages = False,
) -> None:
    """Show lines of the audit log, by what they are about and when.

    A line of kind `effect` says what came of an allowed call, and in brackets the
    line of its decision: --line shows both.

    \b
    Example:
      airswasm audit query --line 4711
      airswasm audit query --outcome deny --since "2 h"
      airswasm audit query --component shop/orders --capability storage.read
      airswasm audit query --kind trust --json
    """
    chosen = _chosen(kind, component, capability, outcome, grep, since, until)

    async def question(host: HostReader) -> str:
        found = await host.audit_lines(**chosen, recent=lines, line=line, log=_log(messages))
        if await _show_all(session, found):
            return ""
        some = await host.audit_lines(recent=_LOOKED_AT, log=_log(messages))
        return f"no line matches{await _meant(some, kind, capability)}"

    if told := _ask(session, question):
        session.terminal.say(told)


@app.command()
@verb
def tail(
    session: Session,
    kind: Kind = "",
    component: Component = "",
    capability: Capability = "",
    outcome: Outcome = "",
    grep: Containing = "",
    lines: Annotated[
        int, typer.Option("--lines", "-n", min=0, max=100_000, help="How many earlier lines.")
    ] = 10,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
    messages: Messages = False,
) -> None:
    """Show the newest lines of the audit log, and follow it.

    --follow needs no running host: it goes on while hosts start and stop.

    \b
    Example:
      airswasm audit tail
      airswasm audit tail --follow --outcome deny
    """
    import anyio
    from airswasm.lifecycle import AuditTrail, Home

    from .._hosts.audit import StoredAudit

    chosen = _chosen(kind, component, capability, outcome, grep, "", "")
    home = Home(session.home)

    class _Read:
        audit, audited_messages = AuditTrail(home.audit_log), AuditTrail(home.message_log)

    async def work() -> bool:
        found = await StoredAudit(_Read()).audit_lines(
            **chosen, recent=lines, follow=follow, log=_log(messages)
        )
        return await _show_all(session, found)

    if not anyio.run(work):
        session.terminal.say("no line matches")


@app.command("head")
@verb
def show_head(session: Session, messages: Messages = False) -> None:
    """Print the newest line's number and hash, to keep elsewhere.

    An intruder who can write to the home can change the log and everything else in
    the home to match. Keep heads elsewhere: on another machine, or on paper.

    \b
    Example:
      airswasm audit head | ssh elsewhere 'cat >> heads'
    """
    found = _ask(session, lambda host: host.audit_head(_log(messages)))
    if session.terminal.as_json:
        session.terminal.document("audit-head/1", found)
        return
    session.terminal.data(f"{found['line']}:{found['sha256']}")


@app.command()
@verb
def accept(
    session: Session,
    reason: Annotated[str, typer.Argument(metavar="REASON", help="The reason, for the record.")],
) -> None:
    """Take note of the cuts that `audit verify` reports; asks.

    The log keeps the lines about them, and this one. Later cuts are reported anew.

    \b
    Example:
      airswasm audit accept "the disk was full on Sunday" --yes
    """
    import anyio

    from .._hosts.opening import open_host
    from ..errors import ConfirmationRefused

    if not session.terminal.confirm("Accept what the audit log misses?"):
        raise ConfirmationRefused("accepting the cuts of the audit log")

    async def work() -> Document:
        async with open_host(session, "audit accept", "change") as host:
            return await host.audit_accept(reason)

    found = anyio.run(work)
    if session.terminal.as_json:
        session.terminal.document("audit-head/1", found)
    else:
        session.terminal.done(f"recorded in line {found['line']}")


async def _meant(lines: AsyncIterator[Document], kind: str, capability: str) -> str:
    """Return what was probably meant: words that no line has, and the nearest that one has."""
    found = [line async for line in lines]
    told = ""
    for what, word in (("kind", kind), ("capability", capability)):
        known = {str(line[what]) for line in found} - {""}
        if word and word not in known:
            close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
            told += f"; none is of the {what} {word}"
            told += f": did you mean {close[0]}?" if close else ""
    return told


def _log(messages: bool) -> str:
    return "messages" if messages else "audit"


def _ask(session: Session, question: Callable[[HostReader], Coroutine[object, object, T]]) -> T:
    from .._hosts.opening import ask

    return ask(session, question)


def _chosen(
    kind: str, component: str, capability: str, outcome: str, grep: str, since: str, until: str
) -> dict[str, Any]:
    from .._hosts.opening import full_name
    from ._times import past_moment

    return {
        "kind": kind,
        "component": full_name(component) if component else "",
        "capability": capability,
        "outcome": outcome,
        "text": grep,
        "since": past_moment(since) if since else None,
        "until": past_moment(until) if until else None,
    }


async def _show_all(session: Session, found: AsyncIterator[Document]) -> bool:
    """Show lines as they come; return whether there was one."""
    has_any = False
    async for line in found:
        has_any = True
        _show(session, line)
    return has_any


def _show(session: Session, line: Document) -> None:
    from ._times import clock

    terminal = session.terminal
    if terminal.as_json:
        terminal.stream("audit-line/1", line)
        return
    outcome = text(line["outcome"])
    time = terminal.paint(clock(line["time"]), "dim", stream="stdout")
    mark = terminal.paint(f"{outcome:<6}", _STYLES.get(outcome, "dim"), stream="stdout")
    detail = mapping(line["detail"])
    act = detail.get("act") or detail.get("gate") or ""
    places = [line["kind"], act, line["component"]]
    about = [str(each) for each in (*places, line["capability"], line["resource"])]
    words = "  ".join(one_line(each) for each in about if each)
    reason = one_line(str(line["reason"]))
    if line["kind"] == "effect":
        words += f"  {_amounts(detail)}"
    terminal.line(f"{time}  {mark}  ", f"{words}{f': {reason}' if reason else ''}")
    if terminal.verbosity > 0:
        for key, value in detail.items():
            terminal.line("    ", f"{one_line(key)} = {one_line(text(value))}")


def _amounts(detail: Mapping[str, object]) -> str:
    """Return what an effect moved and took, and the line of its decision."""
    moved = [f"{text(detail[way])} bytes {way}" for way in ("in", "out") if way in detail]
    amounts = ", ".join([*moved, f"{text(detail.get('seconds'))} s"])
    return f"{amounts} [{text(detail['decision'])}]" if "decision" in detail else amounts
