"""`airswasm inspect`: what a component offers, uses, needs and is made of."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .._session.session import Session, verb

if TYPE_CHECKING:
    from airswasm.sdk import Inspection

    from .._session.terminal import Terminal

__all__ = ("app",)

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
@verb
def inspect(
    session: Session,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A .wasm, a .airswasm, or a project's folder.")
    ] = Path(),
    wit: Annotated[bool, typer.Option("--wit", help="Print the component's WIT alone.")] = False,
) -> None:
    """Show what a component offers, uses, needs and is made of.

    Its exports and imports, with the capabilities that the imports need; its size
    by section or source; the tools that made it, or the interpreter that it runs
    in; and what this host lacks to run it. Nothing of it runs, and no signature is
    checked: see `airswasm verify`.

    \b
    Example:
      airswasm inspect
      airswasm inspect build/hello.wasm --wit
      airswasm inspect hello-0.1.0.airswasm --json
    """
    from airswasm.sdk import inspect_component

    found = inspect_component(file)
    terminal = session.terminal
    if terminal.as_json:
        terminal.document("inspect/1", _document(found))
    elif wit:
        terminal.data(found.wit.rstrip())
    else:
        _show(found, terminal)


def _document(found: Inspection) -> dict[str, object]:
    report, manifest, anatomy = found.report, found.manifest, found.anatomy
    return {
        "file": str(found.source),
        "name": manifest.name if manifest else None,
        "version": manifest.version if manifest else None,
        "size_bytes": found.size_bytes,
        "exports": [*report.exports, *report.other_exports],
        "imports": [
            {"interface": name, "capabilities": list(report.capability_interfaces.get(name, ()))}
            for name in (*report.imports, *report.wasi_imports)
        ],
        "unasked": list(found.unasked),
        "problems": [
            {"rule": each.rule, "about": each.subject, "message": each.message, "hint": each.advice}
            for each in report.problems
        ],
        "sections": dict(anatomy.sections) if anatomy else {},
        "producers": [
            {"role": each.role, "name": each.name, "version": each.version}
            for each in (anatomy.producers if anatomy else ())
        ],
        "interpreter": found.interpreter,
        "sources": dict(found.sources),
        "wit": found.wit,
    }


def _show(found: Inspection, terminal: Terminal) -> None:
    report, manifest = found.report, found.manifest
    title = f"{manifest.name} {manifest.version}" if manifest else str(found.source)
    terminal.data(f"{title}: {found.size_bytes:,} bytes")
    terminal.table(("exports",), [(each,) for each in (*report.exports, *report.other_exports)])
    imports = (*report.imports, *report.wasi_imports)
    terminal.table(
        ("imports", "capabilities that they need"),
        [
            (each, ", ".join(map(_dotted, report.capability_interfaces.get(each, ()))))
            for each in imports
        ],
    )
    if found.interpreter is not None:
        terminal.table(("runs in the interpreter",), [(found.interpreter,)])
    if found.sources:
        sizes = [(path, f"{size:,}") for path, size in found.sources.items()]
        terminal.table(("source", "bytes"), sizes)
    if found.anatomy is not None:
        sizes = [(name, f"{size:,}") for name, size in found.anatomy.sections.items()]
        terminal.table(("section", "bytes"), sizes)
        producers = found.anatomy.producers
        made = [(each.role, f"{each.name} {each.version}".strip()) for each in producers]
        terminal.table(("made by", ""), made)
    for problem in report.problems:
        terminal.warn(f"this host cannot run it: {problem}")
    for each in found.unasked:
        terminal.warn(
            f"its imports may need {_dotted(each)}, for which Component.toml does not ask"
        )


def _dotted(capability: str) -> str:
    """Return a capability as Component.toml spells it."""
    return capability.replace(":", ".", 1)
