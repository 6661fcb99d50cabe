"""Words for retained versions, and for what a component imports and exports."""

from __future__ import annotations

from typing import cast

from .._control.document import Document, items, mapping, one_line, text

__all__ = ("shown_interfaces", "shown_keeping", "shown_version")

_KEPT_BY = {
    "active": "active",
    "pinned": "pinned",
    "migration": "kept until its data are taken over",
    "newest": "kept as one of the newest",
    "": "removed at the next clean-up",
}


def shown_keeping(version: Document) -> str:
    """Return which rule keeps a version."""
    from ._times import when

    by, until = text(version["kept_by"], absent=""), version.get("kept_until")
    if by != "recent":
        return _KEPT_BY[by]
    return "kept for ever" if until is None else f"kept until {when(until)}"


def shown_version(version: Document) -> str:
    """Return all that is known of a retained version, in lines."""
    from ._rollback_data import shown_checkpoint
    from ._times import when

    replaced, source = version.get("replaced_at"), one_line(version.get("source"))
    signer, pin = text(version.get("signer"), absent=""), one_line(version.get("pin"))
    lines = [
        f"{version['version']}, {shown_keeping(version)}",
        f"sequence {version['sequence']}, sha256 {str(version['wasm_digest'])[:16]}",
        f"signed by {signer[:16]}" if signer else "unsigned",
        f"installed {when(version.get('installed_at'))}"
        f"{f', replaced {when(replaced)}' if replaced is not None else ''}",
    ]
    if source:
        lines.append(f"from {source}{f' ({pin})' if pin else ''}")
    data = shown_checkpoint(version.get("checkpoint"))
    if data:
        lines.append(data)
    lines += [
        f"gate {one_line(gate)} overridden: {one_line(why)}"
        for gate, why in mapping(version.get("overridden")).items()
    ]
    return "\n  ".join(lines)


def shown_interfaces(interfaces: object) -> str:
    """Return interfaces with their functions, and what a call of each needs, in lines."""
    lines: list[str] = []
    for each in items(interfaces):
        lines.append(one_line(each["name"]) or "(functions of no interface)")
        for function in items(each["functions"]):
            needs = ", ".join(map(one_line, cast("list[object]", function["needs"])))
            lines.append(f"  {one_line(function['name'])}{f', needs {needs}' if needs else ''}")
    return "\n".join(lines)
