"""`airswasm info`: all details of one component."""

from __future__ import annotations

from typing import Annotated, cast

from .._control.document import Document, items, mapping, one_line, text
from .._hosts.opening import ask, full_name
from .._hosts.stored_host import HostReader
from .._session.options import Word
from .._session.session import Session

__all__ = ("info",)


def info(
    session: Session,
    name: Annotated[str, Word("NAME", "The component.")],
) -> None:
    """Show everything about one component.

    Shows its signer, its capabilities and limits, the retained versions, and its
    use of storage.

    \b
    Example:
      airswasm info local/hello
    """

    async def question(host: HostReader) -> Document:
        return await host.info(full_name(name))

    found = ask(session, question)
    if session.terminal.as_json:
        session.terminal.document("info/1", found)
        return
    fields = _fields(found)
    if session.terminal.shows_tables:  # as everywhere on a screen; --json has all digits
        fields = [(key, value[:16] if key == "signer" else value) for key, value in fields]
    session.terminal.fields(fields)


def _fields(info: Document) -> list[tuple[str, str]]:
    from ._terms import shown_codecs, shown_delivery, shown_limits, shown_supervision
    from ._times import size
    from ._versions import shown_interfaces, shown_version

    manifest = mapping(info.get("manifest"))
    component = mapping(manifest.get("component"))
    versions = "\n".join(map(shown_version, items(info.get("versions"))))
    capabilities = "\n".join(
        one_line(f"{capability} = {_patterns(patterns)}")
        for capability, patterns in mapping(manifest.get("capabilities")).items()
    )
    limits = dict(shown_limits(mapping(info.get("limits")), "limits."))
    if mapping(manifest.get("limits")).get("message_bytes") is None:
        limits["limits.message_bytes"] += " at most, or an eighth of the memory that it leaves free"
    return [
        ("name", text(info["name"])),
        ("description", one_line(component.get("description")) or "-"),
        ("authors", one_line(component.get("authors")) or "-"),
        ("version", text(info["version"])),
        ("state", text(info["state"])),
        ("signer", text(info.get("signer"), absent="unsigned")),
        ("asks for", capabilities or "nothing but to log and answer"),
        ("was granted", f"airswasm grants list {text(info['name'])}"),
        *limits.items(),
        ("imports", shown_interfaces(info.get("imports")) or "-"),
        ("exports", shown_interfaces(info.get("exports")) or "-"),
        ("accepts", shown_codecs(mapping(manifest.get("codecs")))),
        ("delivery", shown_delivery(mapping(info.get("delivery")))),
        ("supervision", shown_supervision(mapping(manifest.get("supervision")))),
        *[
            ("needs", one_line(f"{need}, {state}"))
            for need, state in mapping(info.get("needs")).items()
        ],
        ("stores", size(info.get("storage_bytes"))),
        *_waiting(info),
        *_recorded(info),
        ("versions", versions),
        *[("held to the policy", str(each)) for each in cast("list[str]", info.get("held") or [])],
    ]


def _waiting(info: Document) -> list[tuple[str, str]]:
    from ._times import amount, lasted, size, when

    shown: list[tuple[str, str]] = []
    if info.get("is_durable"):
        count = amount(info.get("durable_messages"))
        oldest = info.get("oldest_durable_age")
        waits = f"{count} messages, {size(info.get('durable_bytes'))}"
        if oldest is not None:
            waits += f"; the oldest for {lasted(oldest)}"
        shown.append(("waits on disk", waits))
    timers = "\n".join(
        one_line(
            f"{each['id']}: {'every' if each.get('repeats') else 'after'} "
            f"{lasted(each.get('seconds'))} to {each['target']}"
            f"{', durable' if each.get('is_durable') else ''}, next {when(each.get('due'))}, "
            f"{each['fired']} sent, {each['missed']} missed"
        )
        for each in items(info.get("timers"))
    )
    return [*shown, ("timers", timers)] if timers else shown


def _recorded(info: Document) -> list[tuple[str, str]]:
    from ._times import amount, size, when

    found = mapping(info.get("recording") or {})
    if not found:
        return []
    shown = f"{amount(found.get('messages'))} messages, {size(found.get('size_bytes'))}"
    if found.get("oldest") is not None:
        shown += f", since {when(found.get('oldest'))}"
    if not found.get("is_recording"):
        shown += "; no more are recorded from its next start on"
    return [("recorded", shown)]


def _patterns(patterns: object) -> str:
    listed = cast("list[object]", patterns) if isinstance(patterns, list) else []
    return "[" + ", ".join(f'"{each}"' for each in listed) + "]"
