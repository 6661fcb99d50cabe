"""Print `docs/config.md` from the settings that the installed blocks declare.

    python -m airswasm.cli.config_page > docs/config.md

A test holds the file equal to this output, so the page cannot drift from the models.
"""

# ruff: noqa: E501 - a paragraph of the page is one line
from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

from airswasm.lifecycle import Setting, describe_settings
from airswasm.wit import Blocks, Section

__all__ = ("config_page",)

_HEAD = """\
# Settings
<!-- Written by `python -m airswasm.cli.config_page`; change the docstrings of the models, not this page. -->

The settings of a host are in `config.toml` in its home. Every key has a default, so a new home needs no file. A variable of the environment wins over the file, and the file over the default. Unknown tables and keys are errors; a variable with an unknown name has no effect, and `config show --origin` does not show it.

    airswasm config show --origin
    airswasm config set limits.memory "64 MiB"
    airswasm config unset limits.memory

`config show --origin` prints every setting with its origin. `config set` and `config unset` keep the file's comments, and write nothing unless the whole new file is valid. A running host takes the file over with `airswasm reload`, or SIGHUP: all of it, or nothing if there is a mistake in it. The column *reload* says what can change while a host runs, and why the rest waits for its next start (see [operating.md](operating.md)). A variable holds TOML, or plain text: `AIRSWASM_LIMITS_MEMORY="64 MiB"`.

This page lists the settings of airswasm's own blocks; another installed package can add tables, which `config show` lists too.
"""
_TABLE = """\
| key | default | form | meaning | reload | variable |
|---|---|---|---|---|---|
"""


def config_page() -> str:
    """Return the whole page."""
    parts = [_HEAD]
    for section, settings in describe_settings(Blocks.find()):
        parts += _section(section, settings)
    return "".join(parts)


def _section(section: Section, settings: Sequence[Setting]) -> Iterator[str]:
    yield f"\n## {section.name}\n{section.summary}\n\n{_TABLE}"
    for each in settings:
        held = _held_from(section, each.key)
        cells = (f"`{each.key}`", f"`{each.default}`", each.form, each.meaning, held)
        shown = " | ".join(cell.replace("|", "\\|") for cell in cells)
        yield f"| {shown} | `{section.variable(each.key)}` |\n"


def _held_from(section: Section, key: str) -> str:
    """Return when a changed key holds."""
    reason = section.reason_to_wait(key)
    if reason is not None:
        return f"at the next start: {reason}"
    return "yes" if section.reads == "reload" else "at the next use"


if __name__ == "__main__":
    sys.stdout.write(config_page())
