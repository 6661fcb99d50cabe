"""The steps that `install` and `update` share: upload once, show the plan, ask, approve.

The command reads the bytes of a package and does not judge them: the receiving host verifies them,
once, and the command shows the host's plan. The approval names the plan's digest, so it can install
no other package and no other version of this one.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

from .._control.document import Document, items, mapping, number, one_line, text
from .._control.pending import Change
from .._hosts.host import Host
from .._session.session import Session
from .._session.terminal import Progress, Terminal

__all__ = ("carry_out", "show_installed", "show_plan")


async def carry_out(session: Session, host: Host, source: Path, change: Change) -> Document:
    """Plan a change, ask for approval, and carry it out.

    Returns:
        The installed component.

    Raises:
        ApprovalRefused: The answer was no.
        AnswerNeeded: The plan needs approval, and no person can answer.
        LifecycleError, SecurityError, RemoteFailure: The host refused.
    """
    from airswasm.lifecycle import archive_of

    content = archive_of(source)
    with session.terminal.progress(f"verifying {source}") as progress:
        plan = await host.plan(content, source=str(source), change=change)
        del content  # now on the host
        digest = str(plan["digest"])
        if plan["needs_approval"] and not _is_approved(session, progress, plan):
            await _refuse(host, plan)
        progress.update(f"{change.removesuffix('e')}ing {plan['name']}")
        return await host.approve(digest)


def _is_approved(session: Session, progress: Progress, plan: Document) -> bool:
    """Show a plan on stderr, and ask for approval."""
    terminal = session.terminal
    with progress.paused():
        if terminal.is_interactive or not terminal.as_json:
            show_plan(terminal, plan)
        return terminal.confirm("Update it?" if plan.get("previous_version") else "Install it?")


async def _refuse(host: Host, plan: Document) -> None:
    from airswasm.lifecycle import ApprovalRefused

    await host.refuse(str(plan["digest"]))
    raise ApprovalRefused(str(plan["name"]), str(plan["version"]), ())


def show_plan(terminal: Terminal, plan: Document) -> None:
    """Show the requests of a component, and the changes of an update.

    It escapes every text of the package's author and keeps it on one line.
    """
    before = plan.get("previous_version")
    version = f"{before} → {plan['version']}" if before else f"{plan['version']}"
    terminal.headline(f"{plan['name']} {version}")
    if plan.get("description"):
        terminal.say(f"  {one_line(plan['description'])}")
    signer = text(plan.get("signer"), absent="no key: the package is unsigned")
    first = ", for the first time" if plan.get("is_new_signer") and plan.get("signer") else ""
    terminal.say(f"  signed by  {signer[:16] if plan.get('signer') else signer}{first}")
    terminal.say(f"  limits     {_limits(mapping(plan.get('limits')))}")
    asked = _lines(plan.get("capabilities"))
    added = _lines(plan.get("added_capabilities")) if before is not None else []
    terminal.say("  may        log and answer" + (", and:" if asked else ", nothing else"))
    for line in asked:
        terminal.say(f"    {one_line(line)}{_what_is_new(line, added)}")
    _show_differences(terminal, items(plan.get("differences")))


def _show_differences(terminal: Terminal, differences: list[Document]) -> None:
    if differences:
        terminal.say("  changes")
    for each in differences:
        mark = "   (more than before)" if each.get("is_raise") else ""
        before, after = one_line(each.get("before")), one_line(each.get("after"))
        terminal.say(f"    {one_line(each.get('key'))}: {before} → {after}{mark}")


def show_installed(session: Session, verb: str, info: Document) -> None:
    """Report the installed component."""
    if session.terminal.as_json:
        session.terminal.document("component/1", info)
        return
    state = info.get("state")
    shown = "" if state in ("offline", verb, None) else f", {state}"
    session.terminal.done(f"{verb} {info['name']} {info['version']}{shown}")


def _what_is_new(line: str, added: list[str]) -> str:
    """Describe how a capability of an update differs from that of the version before."""
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
