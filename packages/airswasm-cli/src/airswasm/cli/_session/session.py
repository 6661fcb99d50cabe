"""One call of a verb: its common options, its terminal, and its errors.

`invoke` calls `def list(session, …)`, and `verb` makes a typer command of it;
either way it also takes the options every verb has. Here errors end: the
verb's options are known, so an error is rendered as JSON or as text, and the
exit code follows from its code. Rejected: options on the root only, because people
type `airswasm list --json`; and a global that remembers them.
"""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Concatenate, ParamSpec, get_args

from .options import COMMON, Option, Word, parameters_of
from .process import EXIT_CLOSED_PIPE, drop_stdout, single
from .settings import Settings, read_settings
from .terminal import Terminal

__all__ = ("Session", "invoke", "verb")

P = ParamSpec("P")


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


def verb(
    function: Callable[Concatenate[Session, P], None], *, reads_config: bool = True
) -> Callable[..., None]:
    """Make a typer command of a function whose first argument is the session.

    Args:
        function: The verb.
        reads_config: False for a verb that has to work while config.toml is wrong.
    """
    import typer

    passed_on = (KeyboardInterrupt, typer.Exit, typer.Abort, typer.TyperException)

    @functools.wraps(function)
    def command(**arguments: object) -> None:
        if not reads_config:
            arguments["no_config"] = True
        code = invoke(function, arguments, passed_on=passed_on)
        if code:
            raise typer.Exit(code)

    parameters = [
        each.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=_for_typer(each.annotation))
        for each in parameters_of(function)
    ]
    del command.__wrapped__
    signature = inspect.signature(function, eval_str=True)
    command.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {each.name: each.annotation for each in parameters}
    return command


def invoke(
    function: Callable[Concatenate[Session, P], None],
    arguments: Mapping[str, object],
    *,
    passed_on: tuple[type[BaseException], ...] = (KeyboardInterrupt,),
) -> int:
    """Call a verb, and show its error if it fails.

    Args:
        function: The verb.
        arguments: Its own arguments and the common ones, by name.
        passed_on: What is no failure of the verb and goes to the caller.

    Returns:
        The exit code.
    """
    common = {each.name: arguments[each.name] for each in COMMON}
    own = {name: value for name, value in arguments.items() if name not in common}
    terminal = _terminal(common)
    try:
        session = _session(terminal, common)
        function(session, **own)  # type: ignore[arg-type, call-arg]
    except BaseException as raised:
        error = single(raised)
        if isinstance(error, BrokenPipeError):
            drop_stdout()
            return EXIT_CLOSED_PIPE
        if isinstance(error, passed_on):
            raise error from None
        from .problem import report

        return report(error, terminal)
    return 0


def _for_typer(annotation: object) -> object:
    """Return an annotation with what typer calls our words and options; another as it is."""
    import typer

    kind, *declared = get_args(annotation) or (annotation,)
    match declared:
        case [Word(metavar, help_text)]:
            argument = typer.Argument(metavar=metavar, help=help_text)
            return Annotated[kind, argument]
        case [Option() as option]:
            return Annotated[
                kind,
                typer.Option(
                    *option.names, metavar=option.metavar or None, help=option.help,
                    min=option.least, max=option.most, count=option.is_counted,
                    show_default=not option.is_counted,
                ),
            ]  # fmt: skip
        case _:
            return annotation


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
