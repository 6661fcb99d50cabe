"""`airswasm dlq`: the messages that were not handled, and the evidence."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from .._control.document import Document, mapping, number, one_line, text
from .._control.letter_api import Reason
from .._session.session import Session, verb

if TYPE_CHECKING:
    from .._hosts.host import Host

__all__ = ("app",)

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Show, replay and drop the messages that were not handled.",
)

_SHOWN_BYTES = 4_096
_HEAD = 32
"""Characters of a line between the ID and the receiver: time and reason."""
_AT_ONCE = 200
"""Ids in one request: a URL is not as long as one likes."""
_STYLES = {"crashed": "red", "killed": "red", "exhausted": "red"}
_OUTCOME_STYLES = {"died": "red", "refused": "yellow", "waits": "yellow"}
_Letters = Annotated[
    list[str] | None, typer.Argument(metavar="ID…", help="Letters; `airswasm dlq list` has them.")
]
_All = Annotated[str, typer.Option("--all", metavar="NAME", help="All letters to this receiver.")]
_DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would happen, and stop.")]


@app.command("list")
@verb
def list_letters(
    session: Session,
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="The receiver; else all of them.")
    ] = None,
    reason: Annotated[
        Reason | None,
        typer.Option(
            "--reason",
            metavar="REASON",
            help="crashed, killed, stopped, dropped, undelivered or exhausted.",
        ),
    ] = None,
    since: Annotated[
        str, typer.Option("--since", metavar="TIME", help='"2 h" ago, or 2026-11-29T12:00.')
    ] = "",
    lines: Annotated[
        int, typer.Option("--lines", "-n", min=1, max=1_000_000, help="The newest so many.")
    ] = 100,
) -> None:
    """List dead letters, oldest first.

    A message dies when its receiver crashes on it, is killed, or stops before it
    comes to it, when a full mailbox drops it, or when the receiver cannot take it.
    A durable one dies when it was tried in vain as often as its delivery allows.

    \b
    Example:
      airswasm dlq list
      airswasm dlq list shop/orders --reason crashed --since "2 h"
    """
    import anyio

    from .._hosts.opening import full_name, open_host
    from ._times import past_moment

    moment = past_moment(since) if since else None
    receiver = full_name(name) if name is not None else ""

    async def work() -> bool:
        async with open_host(session, "dlq list", "read") as host:
            found = await host.dead_letters(receiver, reason or "", moment, lines)
            return await _show_all(session, found)

    if not anyio.run(work):
        session.terminal.say("there are no such dead letters" if receiver or reason or since
                             else "there are no dead letters")  # fmt: skip


async def _show_all(session: Session, found: AsyncIterator[Document]) -> bool:
    from ._streams import streamed
    from ._times import when

    terminal, has_any = session.terminal, False
    async with streamed(found) as letters:
        async for each in letters:
            has_any = True
            if terminal.as_json:
                terminal.stream("dead-letter/1", each)
                continue
            died = text(each["reason"])
            mark = terminal.paint(f"{died:<11}", _STYLES.get(died, "yellow"), stream="stdout")
            time = terminal.paint(when(each["time"]), "dim", stream="stdout")
            why = one_line(mapping(each["cause"]).get("text"), most=200)
            why = why.removeprefix(f"{each['target']}: ")
            sender = "" if each["sender"] == "host" else f" from {one_line(each['sender'])}"
            says = f"{one_line(each['target'])}{sender}{f': {why}' if why else ''}"
            most = terminal.columns - len(text(each["id"])) - _HEAD if terminal.shows_tables else 0
            if 0 < most < len(says):
                says = f"{says[: most - 1]}…"
            terminal.line(f"{text(each['id'])}  {time}  {mark} ", says)
    return has_any


@app.command("show")
@verb
def show(
    session: Session,
    letter: Annotated[str, typer.Argument(metavar="ID", help="The letter.")],
    payload: Annotated[bool, typer.Option("--payload", help="Also show what was sent.")] = False,
) -> None:
    """Show a dead letter with the evidence.

    --payload needs the host's socket, or a token of the scope `all`. It shows text
    as text and CBOR as its values, with visible control characters, and anything
    else in hexadecimal; --json has all bytes in base64.

    \b
    Example:
      airswasm dlq show t6kq3x-118
      airswasm dlq show t6kq3x-118 --payload --json | jq -r .payload.base64
    """
    import anyio

    from .._hosts.opening import open_host
    from ._values import bytes_document

    async def work() -> tuple[Document, bytes | None]:
        async with open_host(session, "dlq show", "read") as host:
            found = await host.dead_letter(letter)
            return found, await host.dead_letter_payload(letter) if payload else None

    found, content = anyio.run(work)
    terminal = session.terminal
    if terminal.as_json:
        more = {"payload": bytes_document(content)} if payload else {}
        terminal.document("dead-letter/1", {**found, **more})
        return
    terminal.fields(_fields(found))
    backtrace = text(mapping(found["cause"]).get("backtrace"), absent="")
    if backtrace:
        terminal.data_styled("")
        for line in backtrace.split("\n"):
            terminal.data(f"  {one_line(line, most=300)}")
    if content is not None:
        terminal.data_styled("")
        for line in _readable(content):
            terminal.data(line)


def _fields(letter: Document) -> list[tuple[str, str]]:
    from ._times import amount, clock, short, size

    cause, envelope = mapping(letter["cause"]), mapping(letter["envelope"])
    kept = text(letter["unkept"], absent="")
    age = number(letter["time"]) - number(letter["sent_at"])
    after = f", {short(age)} after it was sent" if age > 0 else ""
    chain = letter["replays"]
    version = text(letter["version"], absent="")
    code = text(cause.get("code"), absent="")
    fields = [
        ("id", text(letter["id"])),
        ("died", f"{clock(letter['time'])}{after}"),
        ("reason", text(letter["reason"])),
        ("to", one_line(letter["target"])),
        ("from", one_line(letter["sender"])),
        ("topic", one_line(letter["topic"])),
        ("payload", f"{size(letter['payload_bytes'])}{f'; not kept: {kept}' if kept else ''}"),
        ("error", one_line(cause.get("kind")) + (f" ({code})" if code else "")),
        ("says", one_line(cause.get("text"), most=2_000)),
        ("fuel", amount(cause["fuel_used"]) if cause.get("fuel_used") is not None else ""),
        ("memory", size(cause["memory_peak_bytes"]) if cause.get("memory_peak_bytes") else ""),
        ("version", version and f"{version}, incarnation {text(letter['incarnation'])}"),
        ("artifact", text(letter["digest"], absent="")),
        ("message", text(letter["message_id"])),
        *((key, one_line(value)) for key, value in envelope.items()),
        ("replay of", text(chain, absent="")),
    ]
    return [(name, shown) for name, shown in fields if shown]


def _readable(content: bytes) -> Sequence[str]:
    """Return a payload in lines for people; what shows it interprets none of it."""
    from ._payloads import Reply

    decoded = Reply.of(content, "any")
    if decoded.text is not None:
        return [one_line(f"{decoded.codec} {decoded.text}", most=_SHOWN_BYTES)]
    content = decoded.content
    part = content[:_SHOWN_BYTES]
    rest = len(content) - len(part)
    more = [f"… and {rest:,} more bytes; --json has them all"] if rest else []
    try:
        shown = part.decode()
    except UnicodeDecodeError:
        rows = (part[at : at + 16] for at in range(0, len(part), 16))
        lines = [f"{16 * at:08x}  {row.hex(' ')}" for at, row in enumerate(rows)]
    else:
        lines = [one_line(line, most=_SHOWN_BYTES) for line in shown.split("\n")]
    return [*lines, *more]


@app.command("replay")
@verb
def replay(
    session: Session,
    letters: _Letters = None,
    everything: _All = "",
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="VERSION", help="A retained version; else what runs."),
    ] = None,
    timeout: Annotated[
        float | None,
        typer.Option("--timeout", help="Seconds to wait for each outcome.", min=0.001, max=1e9),
    ] = None,
    dry_run: _DryRun = False,
) -> None:
    """Send dead letters again, in order, and show each outcome.

    A replay is a new message with the old sender, topic and correlation; it names
    its letter, which is removed when the receiver's mailbox has taken the message.
    Codec, size and room are checked as for any message; the sender's rate and
    grants are not. A replay that dies again is a new letter.

    --to VERSION of a retained version that does not run tries the message: in an
    instance of its own, without a name and without grants. The letter stays.

    \b
    Example:
      airswasm dlq replay t6kq3x-118
      airswasm dlq replay --all shop/orders
      airswasm dlq replay t6kq3x-118 --to 1.2.0
    """
    import anyio

    from .._hosts.opening import open_host

    _check_chosen(letters, everything)
    seconds = timeout or session.settings.timeout

    async def work() -> list[Document]:
        need: Literal["read", "running"] = "read" if dry_run else "running"
        done: list[Document] = []
        async with open_host(session, "dlq replay", need) as host:
            for each in await _chosen(host, letters, everything):
                if dry_run:
                    letter = await host.dead_letter(each)
                    outcome: Document = {"letter": each, "target": letter["target"]}
                else:
                    outcome = await host.replay_letter(each, to, seconds)
                    _say_outcome(session, outcome)
                done.append(outcome)
        return done

    done = anyio.run(work)
    if session.terminal.as_json:
        session.terminal.document("replays/1", {"replays": done, "dry_run": dry_run})
    elif dry_run:
        for each in done:
            session.terminal.say(f"would replay {each['letter']} to {each['target']}")
    elif not done:
        session.terminal.say("there was nothing to replay")


def _say_outcome(session: Session, done: Document) -> None:
    from ._times import size

    terminal = session.terminal
    if terminal.as_json:
        return
    outcome = text(done["outcome"])
    version = text(done["version"], absent="")
    how = f"tried on {version}" if version else "replayed"
    words = {
        "replied": "it answered",
        "handled": "it was handled, without a reply",
        "refused": "it answered with an error",
        "died": "it died again",
        "waits": "it is not handled yet",
    }
    said = f"{how}: {words.get(outcome, outcome)}"
    reply = done.get("reply")
    if reply is not None:
        said += f" {size(len(base64.b64decode(str(reply))))}"
    if done["error"]:
        said += f": {one_line(done['error'])}"
    if done["died_as"]:
        said += f"; airswasm dlq show {text(done['died_as'])}"
    if version:
        said += "; the letter stays"
    mark = terminal.paint(text(done["letter"]), _OUTCOME_STYLES.get(outcome, "green"))
    terminal.event(mark, said)


@app.command("drop")
@verb
def drop(
    session: Session, letters: _Letters = None, everything: _All = "", dry_run: _DryRun = False
) -> None:
    """Remove dead letters for good; asks.

    \b
    Example:
      airswasm dlq drop t6kq3x-118
      airswasm dlq drop --all shop/orders --yes
    """
    import anyio

    from .._hosts.opening import full_name, open_host
    from ..errors import ConfirmationRefused
    from ._times import counted

    _check_chosen(letters, everything)
    terminal = session.terminal

    async def look() -> list[str]:
        async with open_host(session, "dlq drop", "read") as host:
            return await _chosen(host, letters, everything)

    async def work() -> int:
        async with open_host(session, "dlq drop", "change") as host:
            if everything:
                return await host.drop_letters(name=full_name(everything))
            parts = [named[at : at + _AT_ONCE] for at in range(0, len(named), _AT_ONCE)]
            return sum([await host.drop_letters(",".join(part)) for part in parts])

    named = anyio.run(look)
    what = counted(len(named), "dead letter")
    dropped = len(named)
    if named and not dry_run:
        if not terminal.confirm(f"Drop {what}, with their payloads?"):
            raise ConfirmationRefused(f"dropping {what}")
        dropped = anyio.run(work)
    if terminal.as_json:
        terminal.document("dropped-letters/1", {"letters": dropped, "dry_run": dry_run})
    else:
        would = "would drop" if dry_run else "dropped"
        terminal.done(f"{would} {counted(dropped, 'dead letter')}")


def _check_chosen(letters: Sequence[str] | None, everything: str) -> None:
    if bool(letters) == bool(everything):
        raise typer.BadParameter("name letters by their IDs, or --all NAME")


async def _chosen(host: Host, letters: Sequence[str] | None, everything: str) -> list[str]:
    """Return the ids of the letters that are meant, all of which are there."""
    from .._hosts.opening import full_name

    if everything:
        found = await host.dead_letters(full_name(everything), recent=0)
        return [text(each["id"]) async for each in found]
    named = list(dict.fromkeys(letters or ()))
    for each in named:
        await host.dead_letter(each)
    return named
