"""`airswasm logs`: the components' own lines and their supervisors' reports."""

from __future__ import annotations

import re
from typing import Annotated

from .._control.document import Document, mapping
from .._hosts.opening import ask, full_name
from .._hosts.stored_host import HostReader
from .._session.options import Option, Word
from .._session.session import Session
from .._session.terminal import Terminal

__all__ = ("logs",)

_TRACE_ID = re.compile(r"[0-9a-f]{1,32}", re.ASCII)
_LEVELS = ("trace", "debug", "info", "warn", "error")
_STYLES = {"error": "red", "warn": "yellow", "debug": "dim", "trace": "dim"}


def logs(
    session: Session,
    name: Annotated[str | None, Word("NAME", "The component; else all of them.")] = None,
    *,
    follow: Annotated[
        bool, Option(("--follow", "-f"), "Go on until Ctrl-C, or the host stops.")
    ] = False,
    lines: Annotated[
        int, Option(("--lines", "-n"), "How many earlier lines.", least=0, most=100_000)
    ] = 50,
    since: Annotated[str, Option(("--since",), '"2 h" ago, or 2026-11-29T12:00.', "TIME")] = "",
    until: Annotated[str, Option(("--until",), "The same forms.", "TIME")] = "",
    level: Annotated[
        str, Option(("--level",), "The least: trace, debug, info, warn or error.", "LEVEL")
    ] = "",
    grep: Annotated[str, Option(("--grep",), "Only lines with this text in them.", "TEXT")] = "",
    trace: Annotated[
        str, Option(("--trace",), "Only lines of this trace: its id, or how it begins.", "ID")
    ] = "",
) -> None:
    """Show a component's log.

    The log has the component's own lines, its output, and its supervisor's
    reports. --json prints one document on each line.

    \b
    Example:
      airswasm logs local/hello
      airswasm logs local/hello --follow --level warn
      airswasm logs --since "2 h" --grep refused
      airswasm logs -n 1000 --json | jq -r 'select(.level == "error").message'
    """
    chosen = _chosen(since, until, level, grep, trace)

    async def question(host: HostReader) -> None:
        full = full_name(name) if name is not None else None
        if full:
            found = await host.logs(full, lines, follow, *chosen)
        else:
            found = await host.all_logs(lines, follow, *chosen)
        is_empty = True
        async for line in found:
            _show(session.terminal, line, with_name=full is None)
            is_empty = False
        if is_empty:
            session.terminal.say("nothing was logged")

    ask(session, question, running_for="logs --follow" if follow else None)


def _chosen(
    since: str, until: str, level: str, grep: str, trace: str
) -> tuple[float | None, float | None, str, str, str]:
    """Return which lines are wanted."""
    from ..errors import LevelMalformed, TraceMalformed
    from ._times import past_moment

    if level and level not in _LEVELS:
        raise LevelMalformed(level)
    if trace and _TRACE_ID.fullmatch(trace) is None:
        raise TraceMalformed(trace)
    begin = past_moment(since) if since else None
    return begin, past_moment(until) if until else None, level, grep, trace


def _show(terminal: Terminal, line: Document, *, with_name: bool) -> None:
    from ._times import clock

    if terminal.as_json:
        terminal.stream("log/1", line)
        return
    level = str(line.get("level", ""))
    shown = terminal.paint(f"{level:<5}", _STYLES.get(level, "green"), stream="stdout")
    time = terminal.paint(clock(line.get("time")), "dim", stream="stdout")
    source = str(line.get("source", ""))
    origin = "" if source == "component" else f"[{source}] "
    name = f"{line.get('component')}  " if with_name else ""
    fields = ""
    if terminal.verbosity > 0:
        given = mapping(line.get("fields")).items()
        fields = "".join(f" {key}={value}" for key, value in given)
    terminal.line(f"{time}  {shown}  {name}{origin}", f"{line.get('message', '')}{fields}")
