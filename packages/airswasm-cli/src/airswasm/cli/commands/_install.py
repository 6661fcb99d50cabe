"""What `install` and `update` share: reading the package, showing the plan, asking."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from airswasm.lifecycle import Package

from ..document import Document, mapping, text
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
    added, asked = _lines(plan.get("added_capabilities")), _lines(plan.get("capabilities"))
    terminal.say("  may        log and answer" + (", and:" if asked else ", nothing else"))
    for line in asked:
        is_new = before is not None and line in added
        terminal.say(f"    {line}" + ("   (new)" if is_new else ""))


def show_installed(session: Session, verb: str, info: Document) -> None:
    """Says what is installed now."""
    if session.terminal.as_json:
        session.terminal.document("component/1", info)
        return
    state = info.get("state")
    shown = "" if state in ("offline", None) else f", {state}"
    session.terminal.done(f"{verb} {info['name']} {info['version']}{shown}")


def _lines(value: object) -> list[str]:
    return [str(each) for each in cast("list[object]", value)] if isinstance(value, list) else []


def _limits(limits: Document) -> str:
    memory = int(str(limits.get("memory", 0))) / 2**20
    parts = [f"{memory:g} MiB of memory", f"{text(limits.get('timeout'))} s for each message"]
    return ", ".join(parts)
