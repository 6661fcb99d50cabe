"""Print `docs/cli.md` from the commands themselves.

    python -m airswasm.cli.reference > docs/cli.md

A test holds the file equal to this output, so the page cannot drift from the program.
"""

# ruff: noqa: E501 - a paragraph of the page is one line
from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator

from airswasm.wit import Blocks, Verb
from typer.core import TyperArgument, TyperOption

from ._app import Command, command_of, subcommands_of, walk_commands
from ._block import BLOCK, GROUPS

__all__ = ("reference_page",)

_HEAD = """\
# The airswasm command
<!-- Written by `python -m airswasm.cli.reference`; change the commands, not this page. -->

    pip install airswasm-cli

**Where things go.** Data goes to standard output, messages to standard error. With `--json` every read prints one JSON document with a versioned `schema` (`airswasm.list/1`), streams one document on each line, and errors `{"schema": "airswasm.error/1", "error": {"code", "message", "hint", "exit_code", "details"}}` on standard error. Only a screen shows tables; a pipe gets tab-separated lines without a header. Colours follow `--no-color`, `NO_COLOR`, `FORCE_COLOR` and `TERM=dumb`. Questions and progress appear on a terminal only: `--yes` answers, `--no-input` never asks.

**Exit codes.** 0 done · 1 failed · 2 wrong command line or setting · 3 not authentic (signature, contract, owner, sequence) · 4 refused (approval, policy, capability) · 5 not found · 6 no running host · 130 Ctrl-C · 141 closed pipe.

**Settings.** A flag wins over `AIRSWASM_HOME`, `AIRSWASM_KEY`, `AIRSWASM_TIMEOUT`, `AIRSWASM_COLOR`, which win over `[cli]` in the home's config.toml. `airswasm config show --origin` shows the origin of each; [config.md](config.md) lists all settings.

**Which host.** The verbs talk to the running host of the home, over the Unix socket `control.sock` in it (in a short folder of your own if the home's path is too long for a socket). Without a running host, they work on the home itself; `send` and `logs --follow` need one.
"""

_API = """\
## The control API
HTTP on the host's Unix socket: [docs/control-api.md](control-api.md).
"""


def reference_page() -> str:
    """Return the whole page."""
    parts = [_HEAD]
    for group in GROUPS:
        parts.append(f"## {group}\n")
        for verb in BLOCK.verbs:
            if verb.group == group:
                parts += _verb(verb)
    parts += [_API, "## Error codes\n", "| code | meaning | exit |\n|---|---|---|"]
    codes = Blocks.find().error_codes().values()
    parts += [f"| `{each.code}` | {each.title} | {int(each.exit_status)} |" for each in codes]
    return "\n".join(parts) + "\n"


def _verb(declared: Verb) -> Iterator[str]:
    for path, each in walk_commands(f"airswasm {declared.name}", command_of(declared)):
        level = min(len(path.split()) + 1, 4)
        if subcommands_of(each):
            yield f"{'#' * level} {path}\n{each.help}\n"
        else:
            yield from _command(path, each, level=level)


def _command(path: str, command: Command, *, level: int) -> Iterator[str]:
    arguments = [each for each in command.params if isinstance(each, TyperArgument)]
    usage = " ".join(
        f"{each.metavar}" if each.required else f"[{each.metavar}]" for each in arguments
    )
    yield f"{'#' * level} {path} {usage}".rstrip()
    text, _, example = inspect.cleandoc(command.help or "").partition("\b\n")
    yield text.strip() + "\n"
    if example:
        lines = example.strip().splitlines()[1:]
        yield "\n".join(f"    {line.strip()}" for line in lines) + "\n"
    options = [each for each in command.params if isinstance(each, TyperOption)]
    own = [each for each in options if each.name not in _COMMON and "--help" not in each.opts]
    if own:
        yield (
            "\n".join(
                f"- `{', '.join(sorted(each.opts, key=len, reverse=True))}`: {each.help}"
                for each in own
            )
            + "\n"
        )


_COMMON = frozenset(
    {"as_json", "home", "quiet", "verbose", "no_color", "yes", "no_input", "no_config"}
)


if __name__ == "__main__":
    sys.stdout.write(reference_page())
