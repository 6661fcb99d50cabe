"""`airswasm completions`: Tab completion in a shell."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from .._session.session import Session, verb

__all__ = ("app",)

app = typer.Typer(add_completion=False, rich_markup_mode=None)


class Shell(StrEnum):
    """The supported shells."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


@app.command()
@verb
def completions(
    session: Session,
    shell: Annotated[Shell, typer.Argument(metavar="bash|zsh|fish", help="The shell.")],
) -> None:
    """Print the completion script of a shell.

    The script is complete in itself: it does not start airswasm at each Tab.

    \b
    Example:
      airswasm completions bash >> ~/.bashrc
      airswasm completions zsh > "${fpath[1]}/_airswasm"
      airswasm completions fish > ~/.config/fish/completions/airswasm.fish
    """
    from .._completion import completion_script

    script = completion_script(shell.value)
    if session.terminal.as_json:
        session.terminal.document("completions/1", {"shell": shell.value, "script": script})
        return
    session.terminal.data_styled(script)
