"""The steps that `install` and `update` share: upload once, show the plan, ask, approve.

The command reads the bytes of a package and does not judge them: the receiving host verifies them,
once, and the command shows the host's plan. The approval names the plan's digest, so it can install
no other package and no other version of this one.
"""

from __future__ import annotations

import json
import os
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from .._control.document import Document, items, mapping, one_line, text, texts
from .._control.pending import Change
from .._hosts.host import Host
from .._hosts.opening import ask
from .._hosts.stored_host import HostReader
from .._session.session import Session
from .._session.terminal import Progress, Terminal
from ._deciding import Choice, GrantOptions, choose, show_wish
from ._gates import check_verdicts, overridden, show_verdicts
from ._terms import shown_limits, shown_supervision

if TYPE_CHECKING:
    from airswasm.lifecycle import ApprovalRefused, Fetched

__all__ = (
    "carry_out",
    "decide",
    "fetch",
    "preview",
    "refusal_of",
    "show_installed",
    "show_plan",
    "show_withheld",
)


async def carry_out(
    session: Session, host: Host, fetched: Fetched, change: Change, options: GrantOptions,
    overrides: Mapping[str, str] | None = None,
) -> Document:  # fmt: skip
    """Plan a change with a package, ask for approval, and carry it out.

    Args:
        session: The verb's.
        host: Carries it out.
        fetched: The package.
        change: The change.
        options: The answers that were given as options.
        overrides: Gates that must not stop it, with the reason.

    Returns:
        The installed component.

    Raises:
        ApprovalRefused: The answer was no.
        AnswerNeeded: The plan needs approval, and no person can answer.
        LifecycleError, SecurityError, RemoteFailure: The host refused.
    """
    with session.terminal.progress(f"verifying {fetched.source}") as progress:
        plan = await host.plan(
            fetched.content,
            source=_recorded(fetched),
            change=change,
            pin=fetched.pin,
            origin=fetched.place,
        )
        digest = str(plan["digest"])
        choice = decide(session, progress, plan, options)
        if choice is None:
            await host.refuse(digest)
            raise refusal_of(plan)
        progress.update(f"{change.removesuffix('e')}ing {plan['name']}")
        gates = overrides or {}
        done = await host.approve(
            digest, *choice.lines(), ",".join(gates), next(iter(gates.values()), "")
        )
        if choice.remembered:
            await host.trust_allow(choice.remembered)
        return done


async def preview(
    session: Session, host: Host, fetched: Fetched, change: Change,
    overrides: Mapping[str, str] | None = None,
) -> None:  # fmt: skip
    """Show the plan of a change with a package, and change nothing.

    Raises:
        WouldBeBlocked: A gate would stop it.
        LifecycleError, SecurityError, RemoteFailure: The host would refuse it.
    """
    with session.terminal.progress(f"verifying {fetched.source}"):
        plan = await host.plan(
            fetched.content, source=_recorded(fetched), change=change, pin=fetched.pin,
            origin=fetched.place, dry_run=True,
        )  # fmt: skip
    plan = overridden(plan, overrides or {})
    if session.terminal.as_json:
        session.terminal.document("plan/1", plan)
    else:
        show_plan(session.terminal, plan)
        asks = "this asks for approval" if plan["needs_approval"] else "this asks for no approval"
        session.terminal.say(f"nothing was changed; {asks}")
    check_verdicts(plan)


async def fetch(session: Session, source: str) -> Fetched:
    """Return the bytes of a package; on a screen, a line shows how many have arrived.

    This process fetches them and not the host, because the credentials are its user's.

    Raises:
        LifecycleError: They cannot be had.
    """
    from airswasm.lifecycle import Home, Sources

    sources = Sources.of_home(Home(session.home).config_file, os.environ)
    shown = sources.canonical(source)
    with session.terminal.progress(f"fetching {shown}") as progress:
        return await sources.fetch(
            source, lambda count: progress.update(f"fetching {shown}: {count:,} bytes")
        )


def source_of_update(session: Session, text: str) -> str:
    """Return the source of an update: the text, or where the named component came from.

    Raises:
        NoRecordedSource: The text is a component whose source is not known.
    """
    from airswasm.lifecycle import NoRecordedSource, is_component_name

    name = text if "/" in text else f"local/{text}"
    if os.path.lexists(text) or not is_component_name(name):
        return text

    async def question(host: HostReader) -> Document:
        return await host.info(name)

    found = next(
        each for each in items(ask(session, question).get("versions")) if each.get("is_active")
    )
    source = str(found.get("source") or "")
    if not source:
        raise NoRecordedSource(name, f"it is not known where {found['version']} came from")
    return source


def _recorded(fetched: Fetched) -> str:
    """Return the source to record: what came from standard input has none to go back to."""
    return "" if fetched.source == "-" else fetched.source


def decide(
    session: Session, progress: Progress, plan: Document, options: GrantOptions, verb: str = ""
) -> Choice | None:
    """Show a plan on stderr if it needs approval, and ask; None if the answer is no.

    Args:
        session: The verb's.
        progress: Its moving line.
        plan: The plan.
        options: The answers that were given as options.
        verb: The first word of the question; by default that of an install or update.

    Raises:
        AnswerNeeded: No person can answer.
    """
    terminal = session.terminal
    choice = options.choice(plan)
    if not plan["needs_approval"]:
        with progress.paused():
            show_lookalikes(terminal, plan)
            show_absent_needs(terminal, plan)
            _show_level(terminal, plan)
            show_withheld(terminal, plan)
        return choice
    with progress.paused():
        if terminal.is_interactive or not terminal.as_json:
            show_plan(terminal, plan)
            _show_choice(terminal, choice, plan)
        verb = verb or ("Update" if plan.get("previous_version") else "Install")
        has_answer = bool(options.grant or options.deny) or not items(plan.get("wishes"))
        if terminal.assume_yes or has_answer:
            return choice if terminal.confirm(f"{verb} it?") else None
        return _answer(terminal, plan, choice, f"{verb} it")


def _answer(terminal: Terminal, plan: Document, choice: Choice, act: str) -> Choice | None:
    """Ask until the answer is one of those that are offered; an empty line is no."""
    signer = text(plan.get("signer"), absent="")
    remember, key = ("[r]emember the key too; ", "r, ") if signer else ("", "")
    if remember:
        terminal.say("  r            also grants what later packages of its key ask for")
    question = f"{act}? [y]es, grant all; {remember}[c]hoose; [N]o"
    less = "--grant CAPABILITY or --deny CAPABILITY to grant less"
    is_first = True
    while True:
        answer = terminal.ask(question, options=less, is_fresh=is_first).lower()
        is_first = False
        if answer in ("y", "yes"):
            return choice
        if signer and answer in ("r", "remember"):
            return replace(choice, remembered=signer)
        if answer in ("c", "choose"):
            chosen = choose(terminal, plan)
            if chosen is not None:
                _show_choice(terminal, chosen, plan)
            return chosen if chosen and terminal.confirm(f"{act} on these terms?") else None
        if answer in ("", "n", "no"):
            return None
        terminal.say(f"  answer y, {key}c or n; c asks about each line, and can grant less")


def _show_level(terminal: Terminal, plan: Document) -> None:
    """Say why there is no question."""
    if plan["level"] == "development":
        terminal.warn(
            f"DEVELOPMENT MODE: {plan['name']} may use everything but the forbidden list, "
            "because it is unsigned or signed by a key of this home"
        )
    elif plan["level"] == "source":
        terminal.say(
            f"granted what it asks for: its source is trusted ({one_line(plan['origin'])})"
        )
    elif plan["level"] == "trusted":
        shown = text(plan.get("signer"))[:16]
        terminal.say(f"granted what it asks for: the key {shown} is trusted")


def refusal_of(plan: Document) -> ApprovalRefused:
    """Return the error of a plan that was refused."""
    from airswasm.lifecycle import ApprovalRefused

    return ApprovalRefused(str(plan["name"]), str(plan["version"]), ())


def show_plan(terminal: Terminal, plan: Document) -> None:
    """Show the requests of a component, or what an update adds to them.

    It escapes every text of the package's author and keeps it on one line.
    """
    before = plan.get("previous_version")
    version = f"{before} → {plan['version']}" if before else f"{plan['version']}"
    terminal.headline(f"{plan['name']} {version}")
    if plan.get("description"):
        terminal.say(f"  {one_line(plan['description'])}")
    signer = text(plan.get("signer"), absent="no key: the package is unsigned")
    is_new = plan.get("is_new_signer") and plan.get("signer")
    first = ", for the first time" if is_new else ""
    terminal.say(f"  signed by    {signer[:16] if plan.get('signer') else signer}{first}")
    if is_new:
        terminal.say("               compare that with the fingerprint that its publisher shows")
    show_lookalikes(terminal, plan)
    show_absent_needs(terminal, plan)
    if plan.get("older_than"):
        terminal.warn(
            f"{plan['version']} is older than {one_line(plan['older_than'])}, which was installed "
            "here: a mirror may hold back fixes; is it the one that you mean?"
        )
    for each in texts(plan.get("cosigners")):
        terminal.say(f"  and by       {each[:16]}{first}")
    if plan.get("source"):
        pin = text(plan.get("pin"), absent="")
        terminal.say(f"  from         {one_line(plan['source'])}")
        if pin:
            terminal.say(f"               {one_line(pin)}")
    wishes = items(plan.get("wishes"))
    if before:
        kept = "also, if you grant it:" if wishes else "use the same capabilities as before"
        terminal.say(f"  may          {kept}")
    else:
        terminal.say(f"  may          log and answer{', and, if you grant it:' * bool(wishes)}")
    for number, wish in enumerate(wishes, 1):
        show_wish(terminal, wish, f"{number}.")
    show_withheld(terminal, plan)
    show_verdicts(terminal, plan)
    if before:
        _show_differences(terminal, items(plan.get("differences")))
    else:
        _show_terms(terminal, plan)


def show_absent_needs(terminal: Terminal, plan: Document) -> None:
    """Say what a package needs and is not installed."""
    absent = texts(plan.get("absent_needs"))
    if absent:
        names = ", ".join(map(one_line, absent))
        terminal.warn(f"it needs {names}, not installed: it starts once all that it needs is ready")


def show_lookalikes(terminal: Terminal, plan: Document) -> None:
    """Warn of a name that is easily taken for that of a component of another owner."""
    for each in items(plan.get("lookalikes")):
        terminal.warn(
            f"{plan['name']} looks like {each['name']}, which the key "
            f"{text(each['owner'])[:16]} owns; is it the one that you mean?"
        )


def show_withheld(terminal: Terminal, plan: Document) -> None:
    """Show what a version asks for and does not get, and the command that would change that."""
    lines = texts(plan.get("withheld"))
    for line in lines:
        terminal.say(f"  stays denied {one_line(line)}")
    if lines:
        terminal.say(f"               to allow it: airswasm grants add {plan['name']} ...")


def _show_terms(terminal: Terminal, plan: Document) -> None:
    """Show every limit, rate and variable of a package."""
    limits = mapping(plan.get("limits"))
    rates = mapping(limits.get("rates"))
    plain = {key: value for key, value in limits.items() if key != "rates"}
    _show_list(terminal, "limits", [f"{key} {value}" for key, value in shown_limits(plain)])
    _show_list(terminal, "each second", [f"{key} {value}" for key, value in shown_limits(rates)])
    supervision = mapping(plan.get("supervision"))
    if supervision:
        _show_list(terminal, "supervision", [shown_supervision(supervision)])
    for key, value in mapping(plan.get("environment")).items():
        terminal.say(f"  environment  {one_line(key)} = {one_line(json.dumps(value))}")


def _show_list(terminal: Terminal, name: str, parts: Sequence[str]) -> None:
    """Show parts in lines of the screen's width, below each other."""
    indent = " " * 15
    width = max(40, min(terminal.columns, 100))
    wrapped = textwrap.wrap(
        "; ".join(part.replace(" ", "\0") for part in parts), width,
        initial_indent=f"  {name}".ljust(15), subsequent_indent=indent,
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip
    for line in wrapped:
        terminal.say(line.replace("\0", " "))


def _show_choice(terminal: Terminal, choice: Choice, plan: Document) -> None:
    """Show what becomes of each wish, if not all are granted."""
    if not choice.narrowed and not choice.denied:
        return
    for wish in items(plan.get("wishes")):
        name = text(wish["capability"])
        if name not in choice.narrowed and name not in choice.denied:
            _show_decided(terminal, "grant", name, texts(wish.get("patterns")))
    for verb, table in (("grant only", choice.narrowed), ("deny", choice.denied)):
        for name, patterns in table.items():
            _show_decided(terminal, verb, name, patterns)


def _show_decided(terminal: Terminal, verb: str, name: str, patterns: Sequence[str]) -> None:
    shown = ", ".join(f'"{one_line(each)}"' for each in patterns)
    terminal.say(f"  {verb.ljust(13)}{name} = [{shown}]")


def _show_differences(terminal: Terminal, differences: list[Document]) -> None:
    if differences:
        terminal.say("  changes")
    for each in differences:
        mark = "   (may be more than before)" if each.get("is_raise") else ""
        before, after = one_line(each.get("before")), one_line(each.get("after"))
        terminal.say(f"    {one_line(each.get('key'))}: {before} → {after}{mark}")


def show_installed(session: Session, verb: str, info: Document, how: str = "") -> None:
    """Report the installed component, behind a verb."""
    if session.terminal.as_json:
        session.terminal.document("component/1", info)
        return
    show_verdicts(session.terminal, info)
    state = info.get("state")
    shown = "" if state in ("offline", verb, None) else f", {state}"
    session.terminal.done(f"{verb} {info['name']} {info['version']}{how}{shown}")
