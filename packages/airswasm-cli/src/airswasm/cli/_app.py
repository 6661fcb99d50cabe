"""The root of the command: a typer group that imports a verb when it is called."""

from __future__ import annotations

import difflib
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from types import FunctionType
from typing import Any, Protocol, TypeAlias

import typer
from airswasm.wit import AirswasmError, Verb, load_part
from typer.core import TyperCommand, TyperGroup

from ._help import program_version, root_help
from ._session.problem import report
from ._session.process import EXIT_INTERRUPTED, EXIT_USAGE
from ._session.session import verb
from ._session.terminal import Terminal
from ._verbs import all_verbs, find_verb

__all__ = (
    "Command",
    "build_app",
    "command_of",
    "run_app",
    "subcommands_of",
    "walk_commands",
)


_LIBRARY_WORDS = tuple(
    (re.compile(pattern), words)
    for pattern, words in (
        ("Value error, ", ""),
        (r"(is not one of )'', ", r"\1"),
        (r"Input should be a valid integer\b.*", "write a whole number"),
        (r"Input should be a valid number\b.*", "write a number"),
        ("Input should be greater than or equal to", "write a number of at least"),
        ("Input should be less than or equal to", "write a number of at most"),
        ("Input should be greater than", "write a number above"),
        ("Input should be less than", "write a number below"),
        ("Input should be", "write"),
    )
)

Command: TypeAlias = TyperCommand | TyperGroup


class _Formatter(Protocol):
    def write(self, string: str) -> None: ...


class _LazyGroup(TyperGroup):
    """A group that imports a command on demand."""

    def list_commands(self, ctx: object) -> list[str]:  # noqa: ARG002
        return list(all_verbs())

    def get_command(self, ctx: object, cmd_name: str) -> Command | None:  # noqa: ARG002
        declared = find_verb(cmd_name)
        return None if declared is None else command_of(declared)

    # Any: the context is of a class that typer keeps to itself.
    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        if find_verb(args[0]) is None:
            names = self.list_commands(ctx)
            close = difflib.get_close_matches(args[0], names, n=1, cutoff=0.5)
            known = f"Did you mean {close[0]!r}?" if close else "`airswasm --help` lists the verbs."
            ctx.fail(f"No such verb {args[0]!r}. {known}")
        return super().resolve_command(ctx, args)

    def format_help(self, ctx: object, formatter: _Formatter) -> None:  # noqa: ARG002
        formatter.write(root_help())


def command_of(declared: Verb) -> Command:
    """Import a verb and return its command, be it a typer application or a function.

    Raises:
        BlockPartUnusable: It is neither.
    """
    part = load_part(declared.command)
    if not isinstance(part, typer.Typer):
        function = load_part(declared.command, FunctionType)
        part = typer.Typer(add_completion=False, rich_markup_mode=None)
        part.command()(verb(function))
    command = typer.main.get_command(part)
    assert isinstance(command, TyperCommand | TyperGroup)
    command.name = declared.name
    return command


def subcommands_of(command: Command) -> Mapping[str, Command]:
    """Return the commands of a group by name; a plain command has none."""
    if not isinstance(command, TyperGroup):
        return {}
    named = command.commands.items()
    return {name: each for name, each in named if isinstance(each, TyperCommand | TyperGroup)}


def build_app() -> typer.Typer:
    """Build a new typer application; two of them share nothing."""
    app = typer.Typer(
        name="airswasm",
        cls=_LazyGroup,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback(
        invoke_without_command=True,
        help="airswasm hosts WebAssembly components as supervised actors.",
    )(_root)
    return app


def _root(
    ctx: typer.Context,
    version: bool = typer.Option(False, "--version", "-V", help="Print the version."),
) -> None:
    if version:
        typer.echo(f"airswasm {program_version()}")
        raise typer.Exit
    if ctx.invoked_subcommand is None:
        typer.echo(root_help(), nl=False)


def run_app(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code.

    Raises:
        BrokenPipeError: The reader of stdout closed it.
    """
    try:
        outcome = build_app()(list(arguments), prog_name="airswasm", standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        sys.stderr.write("\n")
        return EXIT_INTERRUPTED
    except typer.Exit as ended:
        return ended.exit_code
    except typer.TyperException as error:
        _complain(error, verb=next(iter(arguments), "-"), as_json="--json" in arguments)
        return EXIT_USAGE
    except AirswasmError as error:  # a verb of another package that cannot be loaded
        return report(error, Terminal(as_json="--json" in arguments))
    return outcome if isinstance(outcome, int) else 0


def _complain(error: typer.TyperException, *, verb: str, as_json: bool) -> None:
    ctx = getattr(error, "ctx", None)  # None where an option lacks its value
    typed = "airswasm" if verb.startswith("-") else f"airswasm {verb}"
    path = ctx.command_path if ctx is not None else typed
    message = error.format_message() if hasattr(error, "format_message") else str(error)
    message = _plainly(message)
    if type(error).__name__ == "NoArgsIsHelpError":
        sys.stderr.write(message + "\n")
        return
    if as_json:
        body = {"code": "E0002", "message": message, "hint": f"{path} --help"}
        sys.stderr.write(json.dumps({"schema": "airswasm.error/1", "error": body}) + "\n")
        return
    terminal = Terminal()
    terminal.error("error[E0002]: ", message)
    terminal.error("  hint: ", f"`{path} --help` shows how to use it")


def _plainly(message: str) -> str:
    """Return a message of typer's without the words of the library that checks values for it."""
    for pattern, words in _LIBRARY_WORDS:
        message = pattern.sub(words, message)
    return message


def walk_commands(path: str, command: Command) -> Iterator[tuple[str, Command]]:
    """Yield a command and all below it, each with the words that lead to it."""
    yield path, command
    for name, inner in subcommands_of(command).items():
        yield from walk_commands(f"{path} {name}", inner)
