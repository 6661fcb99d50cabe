"""`airswasm rollback`: return to an earlier version."""

from __future__ import annotations

from typing import Annotated

import typer

from .._control.document import Document, mapping, text
from .._session.session import Session, verb
from .._session.terminal import Terminal
from ._gates import OverrideGates, Why

__all__ = ("app",)

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
@verb
def rollback(
    session: Session,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The component.")],
    to: Annotated[
        str | None,
        typer.Option(
            "--to", metavar="VERSION", help="The version; by default the one that it replaced."
        ),
    ] = None,
    with_data: Annotated[
        bool, typer.Option("--with-data", help="Restore the data that it has left.")
    ] = False,
    keep_data: Annotated[bool, typer.Option("--keep-data", help="Keep the data of now.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what it would do, and change nothing.")
    ] = False,
    override: OverrideGates = None,
    reason: Why = None,
) -> None:
    """Go back to an earlier version, with its data or that of now.

    Switches like `update`, to a version that the host still retains; `info` lists
    them. A version that was rolled back needs a higher sequence to return as an
    update. It was approved before, and is not asked about. What was withdrawn since
    stays withdrawn, and is listed. The gates judge it, too; only those of
    `updates.rollback_block` stop it.

    Where there is a copy of its data, a terminal is asked which data it gets.
    Elsewhere the data of now stays, unless a later version has migrated it: then
    one of the two options is needed. With `--with-data`, the data of now is kept,
    and `rollback --to` the version of now `--with-data` undoes it. --dry-run exits
    with 4 where a gate would block it.

    \b
    Example:
      airswasm rollback local/hello
      airswasm rollback local/hello --to 0.1.0 --with-data
    """
    import anyio

    from .._hosts.opening import full_name, open_host
    from ._gates import check_verdicts, overridden, overrides_of, show_verdicts
    from ._install import show_installed, show_withheld
    from ._rollback_data import show_data

    overrides = overrides_of(override, reason)
    if to == "":
        raise typer.BadParameter("pass a version, or omit --to for the one that it replaced")
    if with_data and keep_data:
        raise typer.BadParameter("--with-data and --keep-data exclude each other")
    data = "restore" if with_data else "keep" if keep_data else ""
    terminal, full = session.terminal, full_name(name)

    async def preview() -> None:
        async with open_host(session, "rollback", "change") as host:
            plan = overridden(await host.plan_rollback(full, to, dry_run=True), overrides)
        if terminal.as_json:
            terminal.document("plan/1", plan)
        else:
            terminal.headline(f"{full} {text(plan['previous_version'])} → {text(plan['version'])}")
            show_data(terminal, plan)
            show_verdicts(terminal, plan)
            show_withheld(terminal, plan)
            terminal.say("nothing was changed (--dry-run)")
        check_verdicts(plan)

    async def work() -> None:
        async with open_host(session, "rollback", "change") as host:
            with terminal.progress(f"rolling back {name}") as progress:
                plan = await host.plan_rollback(full, to)
                with progress.paused():
                    show_withheld(terminal, plan)
                    chosen = data or _choose(terminal, full, plan)
                info = await host.rollback(
                    full, text(plan["version"]), ",".join(overrides), reason or "", chosen
                )
            restored = " with its data" if chosen == "restore" else ""
            show_installed(session, "rolled back to", info, restored)

    anyio.run(preview if dry_run else work)


def _choose(terminal: Terminal, name: str, plan: Document) -> str:
    """Ask which data the version gets, where there is a choice and a person to make it.

    Raises:
        ConfirmationRefused: The answer was neither.
    """
    from ..errors import ConfirmationRefused
    from ._rollback_data import ask_for_data, show_data

    data = mapping(plan.get("data"))
    has_choice = data.get("has_checkpoint") or data.get("must_choose")
    if not has_choice or terminal.assume_yes or not terminal.is_interactive:
        return ""
    terminal.headline(f"{name} {text(plan['previous_version'])} → {text(plan['version'])}")
    show_data(terminal, plan)
    answer = ask_for_data(terminal, has_checkpoint=bool(data.get("has_checkpoint")))
    if not answer:
        raise ConfirmationRefused(f"rolling back {name}")
    return answer
