"""The help of the command itself, and its version."""

from __future__ import annotations

from ._verbs import all_verbs, groups

__all__ = ("program_version", "root_help")

_EPILOGUE = (
    "`airswasm VERB --help` shows a verb's options and an example.\n"
    "Every verb takes --json, --home, --quiet, --verbose and --no-color.\n"
    "Start here: airswasm keygen, then airswasm init hello --lang python"
)


def root_help() -> str:
    """Return the help of the command itself."""
    lines = [
        "airswasm hosts WebAssembly components as supervised actors.",
        "",
        "Usage: airswasm VERB [ARGUMENTS]",
        "",
    ]
    verbs = all_verbs()
    for group in groups(verbs):
        lines.append(f"{group}:")
        found = [verb for verb in verbs.values() if verb.group == group]
        lines += [f"  {verb.name:<12} {verb.summary}" for verb in found]
        lines.append("")
    lines += ["Options:", "  --version    Print the version.", "  --help       Print this help."]
    return "\n".join([*lines, "", _EPILOGUE, ""])


def program_version() -> str:
    """Return the version of this distribution."""
    from importlib.metadata import version

    return version("airswasm-cli")
