"""`airswasm storage`: the stored data of components."""

from __future__ import annotations

import typer

from .checkpoints import app as checkpoints
from .exports import export, load
from .keys import delete, get_value, list_keys, set_value
from .migrate import migrate
from .quota import quota
from .upkeep import usage, verify

__all__ = ("app",)

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Read, change, copy and move what components store.",
)
for _name, _command in (
    ("list", list_keys),
    ("get", get_value),
    ("set", set_value),
    ("delete", delete),
    ("export", export),
    ("import", load),
    ("usage", usage),
    ("quota", quota),
    ("verify", verify),
    ("migrate", migrate),
):
    app.command(_name)(_command)
app.add_typer(checkpoints, name="checkpoints")
