"""`airswasm send`: one message, one reply."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated

import typer

from .._control.document import Document, items, mapping, text
from .._session.session import Session, verb
from ..errors import InputTooLarge, RemoteFailure

__all__ = ("app",)

app = typer.Typer(add_completion=False, rich_markup_mode=None)

_MOST_BYTES = 256 * 2**20
"""The control API's maximum; a component's own limit is `limits.host_call`."""


@app.command()
@verb
def send(
    session: Session,
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="The component; left out with --topic.")
    ] = None,
    message: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="MESSAGE",
            help="The payload; without it, or with -, from standard input. With --function, the "
            "arguments.",
        ),
    ] = None,
    function: Annotated[
        str | None,
        typer.Option(
            "--function",
            metavar="FUNCTION",
            help="Call this exported function instead, with JSON arguments.",
        ),
    ] = None,
    functions: Annotated[
        bool, typer.Option("--functions", help="List the functions that it exports instead.")
    ] = False,
    codec: Annotated[
        str | None,
        typer.Option(
            "--codec",
            metavar="CODEC",
            help="cbor, json, msgpack, raw, another installed codec, or none; without it, what "
            "the component prefers.",
        ),
    ] = None,
    timeout: Annotated[
        float | None,
        typer.Option("--timeout", help="Seconds to wait for the reply.", min=0.001, max=1e9),
    ] = None,
    topic: Annotated[
        str | None,
        typer.Option("--topic", metavar="TOPIC", help="Publish to a topic instead."),
    ] = None,
    retain: Annotated[
        bool, typer.Option("--retain", help="With --topic: later subscribers get it, too.")
    ] = False,
    correlation: Annotated[
        str,
        typer.Option(
            "--correlation", metavar="ID", help="The id of the conversation that it belongs to."
        ),
    ] = "",
    traceparent: Annotated[
        str, typer.Option("--traceparent", metavar="TEXT", help="The W3C trace context.")
    ] = "",
    trace: Annotated[
        bool, typer.Option("--trace", help="Trace the message, and say how to see the trace.")
    ] = False,
    receipt: Annotated[
        bool, typer.Option("--receipt", help="Also show what handling the message took.")
    ] = False,
) -> None:
    """Send one message to a component and print the reply.

    With --topic, publish it to a topic instead; with --function, call a function.

    A component that declares no codec gets MESSAGE as it is. For one that does, and
    with --codec, MESSAGE is JSON and is written in that codec; with raw it is bytes,
    with a codec that this host cannot write it is encoded already. A reply in a codec
    is printed as JSON, bytes in it as {"base64": …}. With none, nothing is encoded or
    decoded.

    Such a reply goes to standard output unchanged into a pipe or file, and on a screen
    with a newline and with visible control characters. --json prints it as text, as
    base64, and decoded. --receipt shows on standard error how long the message waited
    and took, and its fuel, by host function; with --json it is in the document.

    A component can export functions of its own. --function names one by its path, or
    by as much of the end as is unique: run, transform.run. Each argument is JSON, or
    else a text: 3, '"3"', hello, '{"text": "hi", "tags": []}'; write -- before a
    negative number. The value is printed as JSON; an err of the function is a value.

    --trace begins a trace of the message and of all that follows from it, whatever
    share of messages the host traces; `airswasm traces ID` shows it.

    The component may still be at work when --timeout is over; a message that it
    has not begun by then is not handled. What it sends meanwhile carries on the
    correlation and the trace context.

    \b
    Example:
      airswasm send local/hello "world"
      airswasm send local/hello "world" --receipt
      airswasm send local/orders '{"order": 4711}' --codec cbor
      cat photo.png | airswasm send local/resize - > small.png
      airswasm send --topic lights.hall on --retain
      airswasm send acme/plugin --functions
      airswasm send acme/plugin --function transform.scale '{"width": 3}' 2
    """
    import anyio

    from .._hosts.opening import full_name, open_host
    from ._payloads import NO_CODEC, check_codec, written

    if trace:
        traceparent = _begin_trace(session, traceparent)
    if function is not None or functions:
        others = codec, topic, retain or None, receipt or None
        if name is None or any(each is not None for each in others) or (functions and message):
            raise typer.BadParameter("--function goes with a component and its arguments alone")
        seconds = timeout or session.settings.timeout
        chain = correlation, traceparent
        _use_functions(session, full_name(name), function, message or [], seconds, chain)
        return
    if message is not None and len(message) > 1:
        raise typer.BadParameter("a message is one argument; put it in quotation marks")
    text_given = message[0] if message else None
    if topic is not None:
        name, text_given = None, _message_of_topic(name, text_given)
    elif name is None:
        raise typer.BadParameter("name the component, or --topic TOPIC")
    elif retain:
        raise typer.BadParameter("--retain goes with --topic")
    if text_given is None and sys.stdin.isatty():
        raise typer.BadParameter("pass the message, or - to type it and end with Ctrl-D")
    is_piped = text_given is None or text_given == "-"
    payload = _read_input() if is_piped else str(text_given).encode("utf-8", "surrogateescape")
    if codec is not None:
        check_codec(codec)
    if topic is not None:
        publication = payload if codec is None else written(payload, codec)
        _publish(session, topic, publication, retain, correlation, traceparent)
        return
    full = full_name(str(name))

    seconds = timeout or session.settings.timeout

    async def work() -> tuple[bytes | Document | None, str]:
        async with open_host(session, "send", "running") as host:
            chosen = codec or text((await host.codecs(full)).get("prefers"), absent=NO_CODEC)
            content, chain = written(payload, chosen), (correlation, traceparent)
            if receipt:
                return await host.deliver(full, content, seconds, *chain), chosen
            return await host.send(full, content, seconds, *chain), chosen

    report, chosen = anyio.run(work)
    if not isinstance(report, Mapping):
        _show(session, full, report, chosen)
        return
    reply = report.get("reply")
    if report.get("error"):
        if session.terminal.as_json:
            _show(session, full, None, chosen, mapping(report.get("receipt")))
        else:
            _show_receipt(session, mapping(report.get("receipt")))
        raise RemoteFailure(mapping(report["error"]))
    content = None if reply is None else base64.b64decode(str(reply))
    _show(session, full, content, chosen, mapping(report.get("receipt")))


def _begin_trace(session: Session, traceparent: str) -> str:
    """Return the context of a new, sampled trace."""
    from secrets import token_hex

    if traceparent:
        raise typer.BadParameter("--trace begins a trace, and --traceparent continues one")
    trace_id = token_hex(16)
    session.terminal.say(f"to see the trace: airswasm traces {trace_id[:12]}")
    return f"00-{trace_id}-{token_hex(8)}-01"


def _use_functions(
    session: Session,
    full: str,
    function: str | None,
    given: Sequence[str],
    timeout: float,
    chain: tuple[str, str],
) -> None:
    """Call a function of a component, or list those that it has."""
    import anyio

    from .._hosts.opening import open_host
    from ._functions import as_json, show_functions

    async def work() -> Document | Sequence[Document]:
        async with open_host(session, "send", "running") as host:
            if function is None:
                return await host.functions(full)
            return await host.call(full, function, as_json(given), timeout, *chain)

    done = anyio.run(work)
    if not isinstance(done, Mapping):
        show_functions(session.terminal, full, done)
    elif session.terminal.as_json:
        session.terminal.document("call/1", {"from": full, **done})
    elif done.get("value") is None:
        session.terminal.say(f"{full} returned from {text(done.get('function'))} without a value")
    else:
        session.terminal.data(json.dumps(done["value"], ensure_ascii=False, indent=2))


def _message_of_topic(name: str | None, message: str | None) -> str | None:
    """Return the message of a command line without a component."""
    if message is not None:
        raise typer.BadParameter("with --topic there is one argument, the message")
    return name


def _publish(
    session: Session, topic: str, payload: bytes, retain: bool, correlation: str, traceparent: str
) -> None:
    import anyio

    from .._hosts.opening import open_host

    async def work() -> Document:
        async with open_host(session, "send", "running") as host:
            return await host.publish(topic, payload, retain, correlation, traceparent)

    done = anyio.run(work)
    if session.terminal.as_json:
        session.terminal.document("publication/1", done)
        return
    count = done["mailboxes"]
    session.terminal.say(f"published to {count} mailbox{'' if count == 1 else 'es'}")


def _show(
    session: Session,
    full: str,
    reply: bytes | None,
    codec: str,
    receipt: Document | None = None,
) -> None:
    from ._payloads import Reply
    from ._values import bytes_document

    terminal = session.terminal
    read = Reply.of(reply, codec)
    if read.problem:
        terminal.warn(f"the reply is shown as it came: {read.problem}")
    if terminal.as_json:
        more: dict[str, object] = {} if receipt is None else {"receipt": receipt}
        if read.codec is not None:
            more |= {"codec": read.codec, "value": read.value}
        terminal.document("reply/1", {"from": full, **bytes_document(reply), **more})
        return
    if receipt is not None:
        _show_receipt(session, receipt)
    if reply is None:
        terminal.say(f"{full} acknowledged the message without a reply")
    elif read.text is not None:
        terminal.data(read.text)
    else:
        terminal.raw(read.content)


def _read_input() -> bytes:
    content = sys.stdin.buffer.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise InputTooLarge(_MOST_BYTES)
    return content


def _show_receipt(session: Session, receipt: Document) -> None:
    """Show what handling a message took, beside the reply."""
    from ._times import amount, short, size

    use = mapping(receipt.get("use"))
    talk = session.terminal.say
    talk(
        f"{text(receipt.get('outcome'))} by version {text(receipt.get('version'))}, "
        f"incarnation {text(receipt.get('incarnation'))}: waited "
        f"{short(receipt.get('queue_seconds'))}, took {short(receipt.get('run_seconds'))}, "
        f"at work {short(use.get('busy_seconds'))}"
    )
    talk(
        f"fuel {amount(use.get('fuel'))}, memory {size(use.get('memory_bytes'))}, "
        f"{size(receipt.get('bytes_in'))} in, {size(receipt.get('bytes_out'))} out"
    )
    for each in items(use.get("host_calls")):
        talk(
            f"  {text(each.get('function'))}: calls {amount(each.get('calls'))}, "
            f"{short(each.get('seconds'))}, fuel {amount(each.get('fuel'))}"
        )
