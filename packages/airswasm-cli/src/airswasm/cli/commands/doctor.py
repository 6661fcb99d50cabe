"""`airswasm doctor`: check the installation."""

from __future__ import annotations

from typing import Annotated

import typer

from .._session.session import Session, verb

__all__ = ("app",)

app = typer.Typer(add_completion=False, rich_markup_mode=None)

_MARKS = {"ok": ("✓", "green"), "note": ("·", "dim"), "warning": ("!", "yellow"),
          "problem": ("✗", "red")}  # fmt: skip


@app.command()
@verb
def doctor(
    session: Session,
    quick: Annotated[bool, typer.Option("--quick", help="Skip slow checks.")] = False,
) -> None:
    """Check this machine and this home.

    Every installed block checks its own part: the engine and its limits (by
    attacking it with hostile guests), the home's permissions, settings, store,
    keys and audit chain, the host, the build tools, space and clock. Exits with
    code 1 if it finds a problem.

    \b
    Example:
      airswasm doctor
      airswasm doctor --json
    """
    from functools import partial

    import anyio

    from .._doctor.checkup import run_checks

    terminal = session.terminal
    with terminal.progress("looking"):
        findings = anyio.run(partial(run_checks, session.home, quick=quick))
    if terminal.as_json:
        content = [
            {"check": each.check, "state": each.state, "text": each.text, "hint": each.hint}
            for each in findings
        ]
        terminal.document("doctor/1", {"findings": content})
    else:
        for each in findings:
            mark, style = _MARKS[each.state]
            terminal.finding(terminal.paint(mark, style, stream="stdout"), each.check, each.text)
            if each.hint and each.state in ("warning", "problem"):
                terminal.finding(" ", "", f"→ {each.hint}")
    if any(each.state == "problem" for each in findings):
        raise typer.Exit(1)
