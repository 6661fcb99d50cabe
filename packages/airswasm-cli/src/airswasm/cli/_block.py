"""The declaration of this block: the verbs of the command.

Imports dominate the start-up time (the engine and the store alone take longer than people notice),
so the dispatch reads this table, and imports a verb's module only to run it. It searches other
blocks for verbs only when a name is not in the table.
"""

from __future__ import annotations

from airswasm.wit import Block, Check, Section, Verb

from ._plain_verbs import PLAIN_VERBS

__all__ = ("BLOCK", "GROUPS")

_WRITE = "Write a component"
_HOST = "Host components"
_TALK = "Talk and watch"
_DATA = "Data"
_TRUST = "Trust and settings"
_HELP = "Help"
GROUPS = (_WRITE, _HOST, _TALK, _DATA, _TRUST, _HELP)
"""The headings of the help, in order; headings of other blocks follow."""


def _verb(name: str, group: str, summary: str) -> Verb:
    part = PLAIN_VERBS.get(name, "app")
    return Verb(name, group, summary, f"airswasm.cli.commands.{name}:{part}")


_VERBS = (
    _verb("init", _WRITE, "Start a new component project."),
    _verb("build", _WRITE, "Build the component of a project."),
    _verb("inspect", _WRITE, "Show what a component offers, uses, needs and is made of."),
    _verb("dev", _WRITE, "Build, run and swap a project at each change, and talk to it."),
    _verb("sign", _WRITE, "Sign a built component with your key."),
    _verb("verify", _WRITE, "Check a package's signature and contents."),
    _verb("pack", _WRITE, "Write a signed project as one .airswasm file."),
    _verb("install", _HOST, "Install a component from a folder, a file or an address."),
    _verb("lock", _HOST, "Write the lock of a list of components."),
    _verb("update", _HOST, "Switch an installed component to a newer version."),
    _verb("swap", _HOST, "Swap a development build into a running host."),
    _verb("rollback", _HOST, "Go back to an earlier version, with its data or that of now."),
    _verb("uninstall", _HOST, "Remove a component."),
    _verb("start", _HOST, "Start a stopped component."),
    _verb("stop", _HOST, "Stop a component until you start it again."),
    _verb("restart", _HOST, "Stop and start a component."),
    _verb("run", _HOST, "Host the installed components, in the foreground."),
    _verb("reload", _HOST, "Have the running host take config.toml over."),
    _verb("send", _TALK, "Send one message to a component and print the reply."),
    _verb("list", _TALK, "List the installed components."),
    _verb("info", _TALK, "Show everything about one component."),
    _verb("status", _TALK, "Show the status of the host and its components."),
    _verb("top", _TALK, "Show what components do now, the busiest first."),
    _verb("page", _TALK, "Print a link that opens the running host's page once."),
    _verb("profile", _TALK, "Show where a component's time and fuel go."),
    _verb("routes", _TALK, "Show which version each name leads to, and since when."),
    _verb("history", _TALK, "Show what happened to a component, newest last."),
    _verb("logs", _TALK, "Show a component's log."),
    _verb("tap", _TALK, "Show live traffic."),
    _verb("dlq", _TALK, "Show, replay and drop the messages that were not handled."),
    _verb("traces", _TALK, "Show what became of messages, and of what followed from them."),
    _verb("timers", _TALK, "Show and cancel the messages that components send later."),
    _verb("alerts", _TALK, "Show what is wrong by the host's own rules, and silence alerts."),
    _verb("dashboards", _TALK, "Write dashboards for Grafana, and rules for Prometheus."),
    _verb("recordings", _TALK, "Show recorded messages, and try other versions on them."),
    _verb("storage", _DATA, "Read, change, copy and move what components store."),
    _verb("artifacts", _DATA, "List, verify, pin and clean up the files of installed versions."),
    _verb("backup", _DATA, "Back up the whole home, while its host goes on."),
    _verb("restore", _DATA, "Make a home from a backup; no host may run in it."),
    _verb("keygen", _TRUST, "Make a signing key."),
    _verb("grants", _TRUST, "Show and change what components may do."),
    _verb("capabilities", _TRUST, "Learn which capabilities a component uses."),
    _verb("why", _TRUST, "Show why a component may do something, or may not."),
    _verb("trust", _TRUST, "Manage the publishers whose components may be installed."),
    _verb("audit", _TRUST, "Show what was decided and changed, and verify the log of it."),
    _verb("tokens", _TRUST, "Make, list and revoke tokens for control over TCP."),
    _verb("config", _TRUST, "Show and change the settings, with the origin of each."),
    _verb("completions", _TRUST, "Print the completion script of a shell."),
    _verb("doctor", _HELP, "Check this machine and this home."),
    _verb("explain", _HELP, "Explain an error code."),
)

BLOCK = Block(
    name="cli",
    summary="The airswasm command.",
    sections=(
        Section(
            "cli",
            "airswasm.cli:CliSettings",
            "Defaults for the command's own options.",
            prefix="AIRSWASM_",
            reads="use",
        ),
    ),
    errors=("airswasm.cli.errors",),
    checks=(
        Check("host", "airswasm.cli._doctor.checks:check_host"),
        Check("key", "airswasm.cli._doctor.checks:check_key"),
        Check("around", "airswasm.cli._doctor.surroundings:check_surroundings"),
    ),
    verbs=_VERBS,
)
