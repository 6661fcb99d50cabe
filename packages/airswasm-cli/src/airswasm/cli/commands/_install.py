"""What `install` and `update` share: reading the package, showing the plan, asking."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from airswasm.lifecycle import Package

from ..document import Document, mapping, number, text
from ..host import Ask
from ..session import Session
from ..terminal import Progress, Terminal

__all__ = ("ask_with", "read_package", "show_installed")


def read_package(source: Path) -> Package:
    """Reads and verifies a package; whether it must be signed is the host's policy."""
    return Package.read(source, signature="optional")


def ask_with(session: Session, progress: Progress) -> Ask:
    """Shows a plan on stderr, and asks."""

    async def ask(plan: Document) -> bool:
        with progress.paused():
            if session.terminal.is_interactive or not session.terminal.as_json:
                show_plan(session.terminal, plan)
            verb = "Update" if plan.get("previous_version") else "Install"
            return session.terminal.confirm(f"{verb} it?")

    return ask


def show_plan(terminal: Terminal, plan: Document) -> None:
    """Shows what a component asks for."""
    before = plan.get("previous_version")
    version = f"{before} → {plan['version']}" if before else f"{plan['version']}"
    terminal.headline(f"{plan['name']} {version}")
    if plan.get("description"):
        terminal.say(f"  {plan['description']}")
    signer = text(plan.get("signer"), absent="nobody: it is not signed")
    first = ", for the first time" if plan.get("is_new_signer") and plan.get("signer") else ""
    terminal.say(f"  signed by  {signer[:16] if plan.get('signer') else signer}{first}")
    limits = mapping(plan.get("limits"))
    terminal.say(f"  limits     {_limits(limits)}")
    asked = _lines(plan.get("capabilities"))
    added = _lines(plan.get("added_capabilities")) if before is not None else []
    terminal.say("  may        log and answer" + (", and:" if asked else ", nothing else"))
    for line in asked:
        terminal.say(f"    {line}{_what_is_new(line, added)}")


def show_installed(session: Session, verb: str, info: Document) -> None:
    """Says what is installed now."""
    if session.terminal.as_json:
        session.terminal.document("component/1", info)
        return
    state = info.get("state")
    shown = "" if state in ("offline", verb, None) else f", {state}"
    session.terminal.done(f"{verb} {info['name']} {info['version']}{shown}")


def _what_is_new(line: str, added: list[str]) -> str:
    """How a capability of an update differs from what the version before it had."""
    if line in added:
        return "   (new)"
    capability = line.partition(" = ")[0]
    wider = [new.partition(" = ")[2] for new in added if new.partition(" = ")[0] == capability]
    return f"   (new: {wider[0].strip('[]')})" if wider else ""


def _lines(value: object) -> list[str]:
    return [str(each) for each in cast("list[object]", value)] if isinstance(value, list) else []


def _limits(limits: Document) -> str:
    memory = int(str(limits.get("memory", 0))) / 2**20
    parts = [f"{memory:g} MiB of memory", f"{number(limits.get('timeout')):g} s for each message"]
    return ", ".join(parts)
