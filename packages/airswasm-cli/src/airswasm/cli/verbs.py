"""The table of verbs: what the command knows before it imports any of them.

Start-up is dominated by imports (the engine and the store alone take longer
than people notice), so the root help and the dispatch work from this table and
a verb's module is imported only when it runs. A test holds the summaries equal
to the verbs' own docstrings.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ("GROUPS", "VERBS", "Verb")


@dataclass(frozen=True, slots=True)
class Verb:
    """One verb.

    Attributes:
        name: What people type.
        module: Its module in `airswasm.cli.commands`, which has an `app`.
        group: The heading that it stands under in the help.
        summary: One line.
    """

    name: str
    module: str
    group: str
    summary: str


GROUPS = ("Write a component", "Host components", "Talk and watch", "Trust and settings", "Help")

VERBS = (
    Verb("init", "init", GROUPS[0], "Start a new component project."),
    Verb("build", "build", GROUPS[0], "Build the component of a project."),
    Verb("sign", "sign", GROUPS[0], "Sign a built component with your key."),
    Verb("verify", "verify", GROUPS[0], "Check a package's signature and contents."),
    Verb("pack", "pack", GROUPS[0], "Write a signed project as one .airswasm file."),
    Verb("install", "install", GROUPS[1], "Install a component from a folder or a .airswasm file."),
    Verb("update", "update", GROUPS[1], "Switch an installed component to a newer version."),
    Verb("rollback", "rollback", GROUPS[1], "Go back to a version that was installed before."),
    Verb("uninstall", "uninstall", GROUPS[1], "Remove a component."),
    Verb("start", "start", GROUPS[1], "Start a component that was stopped or given up."),
    Verb("stop", "stop", GROUPS[1], "Stop a component until it is started again."),
    Verb("restart", "restart", GROUPS[1], "Stop and start a component."),
    Verb("run", "run", GROUPS[1], "Host the installed components, in the foreground."),
    Verb("send", "send", GROUPS[2], "Send one message to a component and print the reply."),
    Verb("list", "list", GROUPS[2], "List the installed components."),
    Verb("info", "info", GROUPS[2], "Show everything about one component."),
    Verb("status", "status", GROUPS[2], "Show how the host and its components are doing."),
    Verb("logs", "logs", GROUPS[2], "Show what a component logged."),
    Verb("storage", "storage", GROUPS[2], "List, export and import what a component stored."),
    Verb("keygen", "keygen", GROUPS[3], "Make a signing key."),
    Verb("trust", "trust", GROUPS[3], "Say whose components may be installed."),
    Verb("config", "config", GROUPS[3], "Show the settings and where each comes from."),
    Verb("completions", "completions", GROUPS[3], "Print the completion script of a shell."),
    Verb("doctor", "doctor", GROUPS[4], "Check this machine and this home."),
    Verb("explain", "explain", GROUPS[4], "Explain an error code."),
)
