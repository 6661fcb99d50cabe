"""`airswasm trust`: the publishers whose components may be installed."""

from __future__ import annotations

import typer

from .keys import allow, disallow, list_keys, revoke
from .names import add, remove, threshold, transfer
from .rotation import rotate, statement

__all__ = ("app",)

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Manage the publishers whose components may be installed.",
)
for _name, _command in (
    ("list", list_keys),
    ("add", add),
    ("remove", remove),
    ("threshold", threshold),
    ("allow", allow),
    ("disallow", disallow),
    ("transfer", transfer),
    ("statement", statement),
    ("rotate", rotate),
    ("revoke", revoke),
):
    app.command(_name)(_command)
