"""`airswasm recordings`: recorded messages, and versions that are tried on them."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Annotated, cast

import typer

from .._control.document import Document, items, mapping, number, one_line, text
from .._session.session import Session, verb

__all__ = ("app",)

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Show recorded messages, and try other versions on them.",
)

_Name = Annotated[str, typer.Argument(metavar="NAME", help="The component.")]
_VERDICTS = {"passed": "green", "blocked": "red", "not comparable": "yellow"}


@app.command("list")
@verb
def list_recordings(session: Session) -> None:
    """List the recordings of messages.

    `replay.record` in config.toml names the components whose messages are recorded,
    from their next start on. A recording is bounded in messages, bytes and age.

    \b
    Example:
      airswasm config set replay.record '["shop/*"]'
      airswasm recordings list
    """
    import anyio

    from .._hosts.opening import open_host
    from ._times import amount, size, when

    async def work() -> Sequence[Document]:
        async with open_host(session, "recordings list", "read") as host:
            return await host.recordings()

    found = anyio.run(work)
    terminal = session.terminal
    if terminal.as_json:
        terminal.document("recordings/1", {"recordings": list(found)})
        return
    if not found:
        terminal.say("no messages are recorded")
        return
    rows = [
        (
            text(each["name"]),
            amount(each["messages"]),
            size(each["size_bytes"]),
            when(each["oldest"]) if each["oldest"] is not None else "-",
            "recording" if each["is_recording"] else "ended",
        )
        for each in found
    ]
    terminal.table(("component", "messages", "size", "since", "state"), rows)


@app.command("show")
@verb
def show(session: Session, name: _Name) -> None:
    """List the recorded messages of a component, without their content.

    \b
    Example:
      airswasm recordings show shop/orders
    """
    import anyio

    from .._hosts.opening import full_name, open_host
    from ._streams import streamed
    from ._times import when

    async def work() -> bool:
        has_any = False
        async with (
            open_host(session, "recordings show", "read") as host,
            streamed(await host.recorded_messages(full_name(name))) as found,
        ):
            async for each in found:
                has_any = True
                if session.terminal.as_json:
                    session.terminal.stream("recorded-message/1", each)
                else:
                    time = session.terminal.paint(when(each["at"]), "dim", stream="stdout")
                    session.terminal.line(f"{time} ", _line_of(each))
        return has_any

    if not anyio.run(work):
        session.terminal.say(f"no message of {name} is recorded")


@app.command("replay")
@verb
def replay(
    session: Session,
    name: _Name,
    to: Annotated[
        str | None,
        typer.Option(
            "--to", metavar="VERSION", help="A retained version; by default the one that runs."
        ),
    ] = None,
) -> None:
    """Try a version on the recorded messages; nothing has an effect.

    Two versions handle the messages on copies of the same data: the running one,
    and the other. Replies, refusals, calls of other components and of the system,
    stored values and fuel are compared. A message that the running version itself
    does not repeat is not compared, and counted. Ends with status 1 where the
    version differs.

    \b
    Example:
      airswasm recordings replay shop/orders
      airswasm recordings replay shop/orders --to 1.2.0 --json
    """
    import anyio
    from airswasm.lifecycle import ReplayDiverged

    from .._hosts.opening import full_name, open_host

    if to == "":
        raise typer.BadParameter("pass a version, or omit --to for the one that runs")

    async def work() -> Document:
        async with open_host(session, "recordings replay", "change") as host:
            with session.terminal.progress(f"replaying messages of {name}"):
                return await host.replay(full_name(name), to)

    report = anyio.run(work)
    if session.terminal.as_json:
        session.terminal.document("recording-replay/1", report)
    else:
        _show(session, report)
    if report["verdict"] == "blocked":
        raise ReplayDiverged(
            text(report["name"]), text(report["candidate"]), int(number(report["diverged"])),
            int(number(report["compared"])), int(number(report["differing_keys"])),
        )  # fmt: skip


@app.command("forget")
@verb
def forget(
    session: Session,
    name: _Name,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would happen, and stop.")
    ] = False,
) -> None:
    """Remove the recorded messages of a component; asks.

    Its messages are recorded all the same as long as `replay.record` names it.

    \b
    Example:
      airswasm recordings forget shop/orders --yes
    """
    import anyio

    from .._hosts.opening import full_name, open_host
    from ..errors import ConfirmationRefused
    from ._times import counted

    full = full_name(name)

    async def look() -> int:
        async with open_host(session, "recordings forget", "read") as host:
            found = [each for each in await host.recordings() if each["name"] == full]
            if not found:
                await host.info(full)  # an unknown name is an error, with the one that was meant
            return int(number(found[0]["messages"])) if found else 0

    async def work() -> int:
        async with open_host(session, "recordings forget", "change") as host:
            return await host.forget_recording(full)

    count = anyio.run(look)
    terminal = session.terminal
    if count and not dry_run:
        if not terminal.confirm(f"Forget {counted(count, 'recorded message')} of {full}?"):
            raise ConfirmationRefused(f"forgetting the recording of {full}")
        count = anyio.run(work)
    if terminal.as_json:
        terminal.document("forgotten-recording/1", {"messages": count, "dry_run": dry_run})
    else:
        would = "would forget" if dry_run else "forgot"
        terminal.done(f"{would} {counted(count, 'recorded message')}")


def _line_of(each: Document) -> str:
    if each["kind"] == "start":
        return f"start of {text(each['version'])}"
    sender = one_line(each["sender"])
    topic = f" on {one_line(each['topic'])}" if each["topic"] else ""
    called = f" of {one_line(each['function'])}" if each.get("function") else ""
    why = f"; without its content: {one_line(each['unkept'])}" if each["unkept"] else ""
    uncovered = cast("list[object]", each["uncovered"])
    also = f"; cannot be replayed: it calls {one_line(uncovered[0])}" if uncovered else ""
    return (
        f"{text(each['id'])}  {text(each['kind'])}{called} from {sender}{topic}: "
        f"{text(each['ending'])}, {int(number(each['fuel'])):,} fuel{why}{also}"
    )


def _show(session: Session, report: Document) -> None:
    from ._times import when

    terminal = session.terminal
    verdict = text(report["verdict"])
    shown = terminal.paint(verdict, _VERDICTS.get(verdict, ""), stream="stdout")
    terminal.line(f"{shown} ", _summary(report))
    for reason, count in mapping(report["incomparable"]).items():
        terminal.line("  ", f"{count} not compared: {one_line(reason)}")
    for each in items(report["divergences"]):
        place = f"{text(each['message'])}, {when(each['at'])}" if each["message"] else "start"
        terminal.line("  ", f"{text(each['kind'])} of {place}")
        terminal.line("    ", f"running    {one_line(each['recorded'])}")
        terminal.line("    ", f"candidate  {one_line(each['came'])}")
    for each in items(report["differences"]):
        by = f", written by {text(each['message'])}" if each["message"] else ""
        terminal.line("  ", f"stored value of {one_line(each['key'])}{by}")
        terminal.line("    ", f"running    {_value(each['running'])}")
        terminal.line("    ", f"candidate  {_value(each['candidate'])}")


def _summary(report: Document) -> str:
    compared, messages = int(number(report["compared"])), int(number(report["messages"]))
    text_ = f"{text(report['candidate'])} beside {text(report['running'])}: "
    text_ += f"{compared} of {messages} messages compared, "
    text_ += f"{int(number(report['diverged']))} differ"
    keys = int(number(report["differing_keys"]))
    if keys:
        text_ += f"; {keys} stored values differ"
    before, now = number(report["running_fuel"]), number(report["candidate_fuel"])
    if before:
        text_ += f"; {now / before:.2f} times the fuel"
    return text_


def _value(value: object) -> str:
    if value is None:
        return "not there"
    from airswasm.lifecycle import show_payload

    return one_line(show_payload(base64.b64decode(str(value))))
