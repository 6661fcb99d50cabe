"""One call of a verb: its common options, its terminal, and its errors.

`@verb` turns `def list(session, …)` into a typer command with the options that every verb has. It
also handles errors: it knows the verb's options, so it renders an error as JSON or as text, and
derives the exit code from the error's code. Rejected: options on the root only, because people type
`airswasm list --json`; and a global that remembers them.
"""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Concatenate, ParamSpec, cast

import typer

from ._entry import EXIT_CLOSED_PIPE, drop_stdout
from ._settings import Settings, read_settings
from ._terminal import Terminal

__all__ = ("Session", "single", "verb")

P = ParamSpec("P")

_PASSED_ON = (KeyboardInterrupt, typer.Exit, typer.Abort, typer.TyperException)
"""Errors that `main` handles: they are no failures of the verb."""


@dataclass(frozen=True, slots=True)
class Session:
    """The context of a verb.

    Attributes:
        terminal: The verb's input and output.
        settings: The resolved settings.
    """

    terminal: Terminal
    settings: Settings

    @property
    def home(self) -> Path:
        """The home's folder."""
        return self.settings.home


_PANEL = "Common options"
_COMMON: tuple[tuple[str, object, object], ...] = (
    ("as_json", Annotated[bool, typer.Option("--json", help="Write JSON.")], False),
    (
        "home",
        Annotated[
            Path | None,
            typer.Option(
                "--home", metavar="FOLDER", help="The home's folder; by default AIRSWASM_HOME."
            ),
        ],
        None,
    ),
    (
        "quiet",
        Annotated[bool, typer.Option("--quiet", "-q", help="Print only data and errors.")],
        False,
    ),
    (
        "verbose",
        Annotated[
            int,
            typer.Option(
                "--verbose",
                "-v",
                count=True,
                show_default=False,
                help="Print more details (-vv: all).",
            ),
        ],
        0,
    ),
    (
        "no_color",
        Annotated[bool, typer.Option("--no-color", help="Print no colours, as with NO_COLOR.")],
        False,
    ),
    (
        "yes",
        Annotated[bool, typer.Option("--yes", "-y", help="Answer every question with yes.")],
        False,
    ),
    ("no_input", Annotated[bool, typer.Option("--no-input", help="Never ask.")], False),
    (
        "no_config",
        Annotated[bool, typer.Option("--no-config", help="Ignore [cli] of config.toml.")],
        False,
    ),
)


def verb(function: Callable[Concatenate[Session, P], None]) -> Callable[..., None]:
    """Make a typer command of a function whose first argument is the session."""

    @functools.wraps(function)
    def command(**arguments: object) -> None:
        common = {name: arguments.pop(name) for name, _, _ in _COMMON}
        terminal = _terminal(common)
        try:
            session = _session(terminal, common)
            function(session, **arguments)  # type: ignore[arg-type, call-arg]
        except BaseException as raised:
            error = single(raised)
            if isinstance(error, BrokenPipeError):
                drop_stdout()
                raise typer.Exit(EXIT_CLOSED_PIPE) from None
            if isinstance(error, _PASSED_ON):
                raise error from None
            from ._problem import report

            raise typer.Exit(report(error, terminal)) from error

    signature = inspect.signature(function, eval_str=True)
    own = [
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for parameter in list(signature.parameters.values())[1:]
    ]
    common = [
        inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
        )
        for name, annotation, default in _COMMON
    ]
    del command.__wrapped__
    command.__signature__ = signature.replace(parameters=[*own, *common])  # type: ignore[attr-defined]
    command.__annotations__ = {each.name: each.annotation for each in [*own, *common]}
    return command


def single(error: BaseException) -> BaseException:
    """Return the only error inside task groups' wrappers, if there is only one."""
    inner: BaseException = error
    while isinstance(inner, BaseExceptionGroup):
        within = cast("BaseExceptionGroup[BaseException]", inner).exceptions
        if len(within) != 1:
            return error
        inner = within[0]
    return inner


def _terminal(common: dict[str, object]) -> Terminal:
    return Terminal(
        as_json=bool(common["as_json"]),
        verbosity=-1 if common["quiet"] else int(str(common["verbose"])),
        color="never" if common["no_color"] else "auto",
        assume_yes=bool(common["yes"]),
        no_input=bool(common["no_input"]),
    )


def _session(terminal: Terminal, common: dict[str, object]) -> Session:
    home = common["home"]
    settings = read_settings(
        os.environ,
        home=home if isinstance(home, Path) else None,
        use_config=not common["no_config"],
    )
    if not common["no_color"]:
        terminal = replace(terminal, color=settings.color)
    return Session(terminal, settings)
