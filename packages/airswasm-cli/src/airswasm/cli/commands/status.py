"""`airswasm status`: the status of the host and its components."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Annotated

from .._control.document import Document, items, number, one_line, text, texts
from .._hosts.opening import ask
from .._hosts.stored_host import HostReader
from .._session.options import Option
from .._session.session import Session

__all__ = ("status",)


def status(
    session: Session,
    *,
    watch: Annotated[bool, Option(("--watch", "-w"), "Again every second, until Ctrl-C.")] = False,
) -> None:
    """Show the status of the host and its components.

    Without a running host, it shows the installed components.

    \b
    Example:
      airswasm status
      airswasm status --watch
      airswasm status --json | jq '.components[] | select(.restarts > 0)'
    """
    while True:  # each time anew: a host may come and go meanwhile
        found = ask(session, _status)
        if watch and session.terminal.shows_tables:
            session.terminal.data_styled("\x1b[H\x1b[2J\x1b[3J")
        _show(session, found, stream=watch)
        if not watch:
            return
        time.sleep(1)


async def _status(host: HostReader) -> Document:
    return await host.status()


def _show(session: Session, found: Document, *, stream: bool) -> None:
    from ._times import amount, lasted, size

    terminal = session.terminal
    if terminal.as_json:
        (terminal.stream if stream else terminal.document)("status/1", found)
        return
    if terminal.shows_tables:
        terminal.fields(_host_fields(found))
    components = items(found.get("components"))
    rows = [
        (
            text(each["name"]),
            text(each["version"]),
            _state(each),
            lasted(each.get("uptime")),
            amount(each.get("restarts")),
            amount(each.get("messages")),
            _waiting(each),
            amount(each.get("fuel_used")),
            _processor(each),
            size(each.get("memory_bytes")) if each.get("memory_bytes") else "-",
            amount(each.get("unwritten_denials")),
            text(each.get("health")),
            text(each.get("last_error")),
            text(each.get("held")),
        )
        for each in components
    ]
    columns = (
        "name", "version", "state", "up", "restarts", "handled", "waiting", "fuel", "cpu", "memory",
        "denials unwritten", "health", "last error", "held to the policy",
    )  # fmt: skip
    if rows:
        _table(session, columns, rows)


_MOST_REASONS = 3
_ALWAYS = ("name", "version", "state", "up", "restarts")
_TEXTS = ("last error", "held to the policy")
_LEAST_WANTED = (
    "denials unwritten", "fuel", "cpu", "waiting", "memory", "health", "handled", "version",
    "restarts",
)  # fmt: skip
"""The columns that a narrow screen does without, the first first; `info` and --json have all."""


def _waiting(component: Document) -> str:
    from ._times import amount

    if component.get("is_durable"):
        return f"{amount(component.get('durable_messages'))} on disk"
    return amount(component.get("mailbox"))


def _processor(component: Document) -> str:
    seconds = number(component.get("processor_seconds"))
    return f"{seconds:.1f} s" if seconds >= 0.05 else "-"


def _state(component: Document) -> str:
    from ._times import lasted

    revives_in = component.get("revives_in")
    again = "" if revives_in is None else f", starts again in {lasted(revives_in)}"
    waits_for = texts(component.get("waits_for"))
    what = f" for {', '.join(waits_for)}" if waits_for else ""
    return f"{text(component['state'])}{what}{again}"


def _table(session: Session, columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """Show the figures that fit the screen, and below them the texts, a line for each.

    Without a screen, every column is there.
    """
    terminal = session.terminal
    if not terminal.shows_tables:
        terminal.table(columns, rows)
        return
    cells = {column: [row[index] for row in rows] for index, column in enumerate(columns)}
    shown = [
        column
        for column in columns
        if column not in _TEXTS
        and (column in _ALWAYS or any(cell not in ("-", "0") for cell in cells[column]))
    ]
    for column in _LEAST_WANTED:
        if terminal.fits(shown, _rows(cells, shown)):
            break
        if column in shown:
            shown.remove(column)
    terminal.table(shown, _rows(cells, shown))
    for column in _TEXTS:
        for name, said in zip(cells["name"], cells[column], strict=True):
            if said != "-":
                said = said.removeprefix(f"{name}: ")  # errors of an actor begin with its name
                line, most = one_line(f"{name}: {said}"), terminal.columns
                terminal.data_styled(line if len(line) <= most else f"{line[: most - 1]}…")


def _rows(cells: Mapping[str, Sequence[str]], columns: Sequence[str]) -> list[tuple[str, ...]]:
    return list(zip(*(cells[column] for column in columns), strict=True))


def _mode(found: Document) -> list[tuple[str, str]]:
    """Return what a reader must know of a development host."""
    if found.get("mode") != "development":
        return []
    free = [text(each["name"]) for each in items(found.get("components")) if each["is_development"]]
    names = f"; granted everything: {', '.join(free)}" if free else ""
    builds = [text(each["name"]) for each in items(found.get("components")) if each["is_swapped"]]
    names += f"; builds swapped in: {', '.join(builds)}" if builds else ""
    return [("mode", f"DEVELOPMENT: own and unsigned packages may use everything{names}")]


def _host_fields(found: Document) -> list[tuple[str, str]]:
    from ._times import lasted, size

    running, installed = bool(found.get("is_online")), text(found.get("installed"))
    state = f"running, process {text(found.get('pid'))}, up {lasted(found.get('uptime'))}"
    fields = [
        ("host", state if running else "not running; to start it: airswasm run"),
        ("home", text(found.get("home"))),
        *_mode(found),
        (
            "components",
            f"{installed} installed, {text(found.get('running'))} running",
        ),
    ]
    if found.get("health"):
        fields.append(("health", text(found.get("health"))))
        reasons = [one_line(each) for each in texts(found.get("health_reasons"))][:_MOST_REASONS]
        fields += [("because", each) for each in reasons]
        more = int(number(found.get("health_findings"))) - len(reasons)
        if more > 0:
            fields.append(("", f"and {more:,} more: airswasm status --json"))
    if number(found.get("dead_letters")):
        fields.append(("dead letters", _dead_letters(found)))
    taken = number(found.get("host_memory_bytes")) + number(found.get("guest_memory_bytes"))
    most = number(found.get("host_memory_most_bytes"))
    if most and 4 * taken > most:
        fields.append(("memory", f"{size(taken)} of {size(most)} taken by components"))
    most = number(found.get("most_descriptors"))
    if most and 4 * number(found.get("descriptors")) > most:
        opened = f"{text(found.get('descriptors'))} of {text(found.get('most_descriptors'))}"
        fields.append(("files and sockets", f"{opened} open for components"))
    for name in ("ended_for_memory", "lost_writes", "lost_log_lines", "lost_dead_letters"):
        if number(found.get(name)):
            fields.append((name.replace("_", " "), text(found.get(name))))
    return fields


def _dead_letters(found: Document) -> str:
    from ._times import amount

    waiting = number(found.get("dead_letters_waiting"))
    unwritten = f", {amount(waiting)} of them not on the disk yet" if waiting else ""
    return f"{amount(found.get('dead_letters'))} kept{unwritten}; airswasm dlq list"
