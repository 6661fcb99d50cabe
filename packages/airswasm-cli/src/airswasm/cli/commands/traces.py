"""`airswasm traces`: what became of messages, and of all that followed from them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated

import typer

from .._control.document import Document, items, mapping, number, one_line, text
from .._session.session import Session, verb

__all__ = ("app",)

app = typer.Typer(add_completion=False, rich_markup_mode=None)

_TRACE_ID = re.compile(r"[0-9a-f]{1,32}", re.ASCII)
_DATE = len("2026-11-29 ")
_DEEPEST = 20
"""Levels that are indented: a chain of messages is as deep as it is long."""
_SHOWN_OTHERWISE = (
    "airswasm.component",
    "code.function.name",
    "messaging.destination.name",
    "messaging.operation.",
    "messaging.system",
)


@app.command()
@verb
def traces(
    session: Session,
    what: Annotated[
        str | None,
        typer.Argument(metavar="NAME|ID", help="A component, or a trace by the start of its id."),
    ] = None,
    lines: Annotated[
        int, typer.Option("--lines", "-n", min=1, max=100_000, help="How many traces to list.")
    ] = 20,
) -> None:
    """Show what became of messages, and of what followed from them.

    Lists the newest traces that the host keeps in memory; with an id, shows the
    steps of one: messages that were handled and sent, and the functions that a
    component and its host called. --verbose adds the attributes.

    The host traces 1 of 100 chains of messages, and each that begins with
    `airswasm send --trace` or comes in a sampled trace of its caller.
    `airswasm config set tracing.sample 1` traces all of them.

    \b
    Example:
      airswasm traces
      airswasm traces shop/orders
      airswasm traces 0af7651916cd --json | jq '.spans[].name'
    """
    import anyio

    from .._hosts.opening import full_name, open_host

    is_trace = what is not None and _TRACE_ID.fullmatch(what) is not None
    name = "" if what is None or is_trace else full_name(what)

    async def work() -> Document | Sequence[Document]:
        async with open_host(session, "traces", "running") as host:
            if what is not None and is_trace:
                return await host.trace(what)
            return await host.traces(name, lines)

    found = anyio.run(work)
    if isinstance(found, Mapping):
        _show_one(session, found)
    else:
        _show_all(session, found, name)


def _show_all(session: Session, found: Sequence[Document], name: str) -> None:
    from ._times import clock, short

    terminal = session.terminal
    if terminal.as_json:
        terminal.document("traces/1", {"traces": list(found)})
        return
    if not found:
        missing = f"no kept trace has {name} in it" if name else "no traces are kept"
        terminal.say(f"{missing}; `airswasm config set tracing.sample 1` traces everything")
        return
    is_shown = terminal.shows_tables
    rows = [
        (
            text(each.get("id"))[:12],
            clock(each.get("began_at"))[_DATE:] if is_shown else clock(each.get("began_at")),
            short(each.get("seconds")),
            f"{number(each.get('spans')):.0f}",
            f"{number(each.get('errors')):.0f}",
            one_line(each.get("name")),
        )
        for each in found
    ]
    terminal.table(("id", "began", "took", "spans", "errors", "first step"), rows)


def _show_one(session: Session, found: Document) -> None:
    from ._times import clock, short

    terminal = session.terminal
    if terminal.as_json:
        terminal.document("trace/1", found)
        return
    if terminal.shows_tables:
        terminal.fields(
            [
                ("trace", text(found.get("id"))),
                ("began", clock(found.get("began_at"))),
                ("took", short(found.get("seconds"))),
            ]
        )
    began_at = number(found.get("began_at"))
    rows: list[tuple[str, ...]] = []
    for depth, span in _tree(items(found.get("spans"))):
        indent = "  " * min(depth, _DEEPEST) if terminal.shows_tables else ""
        name = f"{indent}{one_line(span.get('name'))}"
        after = short(max(0.0, number(span.get("began_at")) - began_at))
        rows.append((name, after, short(span.get("seconds")), one_line(span.get("error"))))
        if terminal.verbosity > 0:
            rows.extend((f"{indent}  · {note}", "", "", "") for note in _notes(span))
    terminal.table(("step", "after", "took", "error"), rows)
    left_out = number(found.get("left_out"))
    if left_out:
        terminal.say(f"{left_out:.0f} more steps were not kept")


def _notes(span: Document) -> Iterator[str]:
    for key, value in mapping(span.get("attributes")).items():
        if not key.startswith(_SHOWN_OTHERWISE):
            yield one_line(f"{key}={value}")
    for event in items(span.get("events")):
        said = " ".join(f"{k}={v}" for k, v in mapping(event.get("attributes")).items())
        yield one_line(f"{event.get('name')} {said}".rstrip())


def _tree(spans: Sequence[Document]) -> Iterator[tuple[int, Document]]:
    """Yield the spans with their depths, each after its parent, in the order of their beginnings.

    Spans whose parents are not among them come first of their own; so do those that are their own
    ancestors, which only a broken trace has.
    """
    known = {text(span.get("id")): span for span in spans}
    children: dict[str, list[Document]] = {}
    for span in spans:
        parent = text(span.get("parent"))
        children.setdefault(parent if parent in known else "", []).append(span)
    shown: set[int] = set()
    waiting = [(0, span) for span in reversed(children.get("", []))]
    while waiting or len(shown) < len(spans):
        if not waiting:
            waiting = [(0, next(span for span in spans if id(span) not in shown))]
        depth, span = waiting.pop()
        if id(span) in shown:
            continue
        shown.add(id(span))
        yield depth, span
        below = children.get(text(span.get("id")), [])
        waiting.extend((depth + 1, each) for each in reversed(below))
