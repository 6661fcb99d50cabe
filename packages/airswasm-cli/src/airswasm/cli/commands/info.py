"""`airswasm info`: all details of one component."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, cast

from .._control.document import Document, items, mapping, number, one_line, text
from .._hosts.opening import ask, full_name
from .._hosts.stored_host import HostReader
from .._session.options import Word
from .._session.session import Session

__all__ = ("info",)

_SIZES = ("memory", "host_call", "host_memory", "storage")


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
    session.terminal.fields(_fields(found))


def _fields(info: Document) -> list[tuple[str, str]]:
    from ._times import size, when

    manifest = mapping(info.get("manifest"))
    component = mapping(manifest.get("component"))
    versions = "\n".join(
        f"{each['version']}{' (active)' if each.get('is_active') else ''}, "
        f"sequence {each['sequence']}, installed {when(each.get('installed_at'))}, "
        f"sha256 {str(each['wasm_digest'])[:16]}"
        for each in items(info.get("versions"))
    )
    capabilities = "\n".join(
        one_line(f"{capability} = {_patterns(patterns)}")
        for capability, patterns in mapping(manifest.get("capabilities")).items()
    )
    limits = dict(_limits(mapping(info.get("limits"))))
    if mapping(manifest.get("limits")).get("message_bytes") is None:
        limits["limits.message_bytes"] += " at most, or an eighth of the memory that it leaves free"
    return [
        ("name", text(info["name"])),
        ("description", one_line(component.get("description")) or "-"),
        ("authors", one_line(component.get("authors")) or "-"),
        ("version", text(info["version"])),
        ("state", text(info["state"])),
        ("signer", text(info.get("signer"), absent="unsigned")),
        ("may", capabilities or "nothing but log and answer"),
        *limits.items(),
        ("supervision", _supervision(mapping(manifest.get("supervision")))),
        ("stores", size(info.get("storage_bytes"))),
        ("versions", versions),
        *[("held to the policy", str(each)) for each in cast("list[str]", info.get("held") or [])],
    ]


def _limits(limits: Document, prefix: str = "limits.") -> Iterator[tuple[str, str]]:
    """Return each limit: its key in the manifest, and the value that holds."""
    from ._times import amount, size

    for key, value in limits.items():
        rates = mapping(value)
        if rates:
            for name, shown in _limits(rates, f"{prefix}{key}."):
                yield name, f"{shown} each second"
        elif key in _SIZES or key.endswith("_bytes"):
            yield f"{prefix}{key}", size(value)
        elif key == "timeout":
            yield f"{prefix}{key}", f"{number(value):g} s"
        elif isinstance(value, float):
            yield f"{prefix}{key}", f"{value:g}"
        elif isinstance(value, int):
            yield f"{prefix}{key}", amount(value)
        else:
            yield f"{prefix}{key}", text(value, absent="the host's default")


def _supervision(settings: Document) -> str:
    revive = settings.get("revive")
    after = "stays down" if revive is None else f"starts again after {number(revive):g} s"
    return (
        f"{text(settings.get('restart'))}, {text(settings.get('intensity'))} restarts within "
        f"{number(settings.get('period')):g} s; given up, it {after}"
    )


def _patterns(patterns: object) -> str:
    listed = cast("list[object]", patterns) if isinstance(patterns, list) else []
    return "[" + ", ".join(f'"{each}"' for each in listed) + "]"
