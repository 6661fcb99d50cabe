"""`airswasm config`: what is set, and where."""

from __future__ import annotations

from typing import Annotated

import typer

from ..session import Session, verb

__all__ = ("app",)

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Show the settings and where each comes from.",
)


@app.command()
@verb
def show(
    session: Session,
    origin: Annotated[bool, typer.Option("--origin", help="Also say where from.")] = False,
) -> None:
    """Show every setting.

    A flag wins over AIRSWASM_NAME in the environment, which wins over `[cli]`
    in the home's config.toml, which wins over the default.

    \b
    Example:
      airswasm config show --origin
    """
    settings = session.settings.all
    if session.terminal.as_json:
        content = {each.name: {"value": each.value, "origin": each.origin} for each in settings}
        session.terminal.document("config/1", {"settings": content})
        return
    columns = ("setting", "value", "origin", "meaning") if origin else ("setting", "value")
    rows = [(each.name, each.value, each.origin, each.meaning)[: len(columns)] for each in settings]
    session.terminal.table(columns, rows)


@app.command()
@verb
def path(session: Session) -> None:
    """Print the path of config.toml.

    \b
    Example:
      $EDITOR "$(airswasm config path)"
    """
    file = session.home / "config.toml"
    if session.terminal.as_json:
        session.terminal.document("config-path/1", {"path": str(file)})
        return
    session.terminal.data(str(file))
