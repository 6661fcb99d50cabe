"""`airswasm alerts`: the alert rules of a host, what fires, and silences."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from .._control.document import Document, items, mapping, number, one_line, text
from .._session.session import Session, verb

__all__ = ("app",)

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Show what is wrong by the host's own rules, and silence alerts.",
)

_Rule = Annotated[str, typer.Argument(metavar="RULE", help="The rule; `alerts list --all`.")]
_Component = Annotated[
    str, typer.Option("--component", metavar="NAME", help="Only alerts about this component.")
]


@app.command("list")
@verb
def list_alerts(
    session: Session,
    everything: Annotated[
        bool, typer.Option("--all", help="Also the rules without an alert, and those that are off.")
    ] = False,
) -> None:
    """List the alerts that fire, and those that soon may.

    A running host evaluates its rules every few seconds. While none runs, these are the alerts
    of when it last did.

    \b
    Example:
      airswasm alerts list
      airswasm alerts list --all --json | jq -r '.rules[] | select(.state == "firing").name'
    """
    import anyio

    from .._hosts.opening import open_host
    from ._times import when

    async def work() -> tuple[Document, bool]:
        async with open_host(session, "alerts list", "read") as host:
            return await host.alerts(), host.is_online

    found, is_running = anyio.run(work)
    terminal = session.terminal
    if terminal.as_json:
        terminal.document("alerts/1", found)
        return
    if not found["is_on"]:
        terminal.warn("no rules are evaluated: airswasm config set alerts.evaluate on")
    elif not is_running:
        at = found["evaluated_at"]
        seen = f"rules were last evaluated at {when(at)}" if at else "no rules were evaluated yet"
        terminal.say(f"no host runs; {seen}")
    rules = items(found["rules"])
    rows = [row for rule in rules for row in _rows(rule, with_quiet=everything)]
    if rows:
        terminal.table(("rule", "severity", "state", "about", "since"), rows)
    else:
        terminal.say("no alert is pending or fires")


@app.command("show")
@verb
def show(session: Session, rule: _Rule) -> None:
    """Show one rule with its alerts and silences.

    \b
    Example:
      airswasm alerts show CrashLoop
    """
    import anyio

    from .._hosts.opening import open_host
    from ._times import lasted, when

    async def work() -> Document:
        async with open_host(session, "alerts show", "read") as host:
            return await host.alert(rule)

    found = anyio.run(work)
    terminal = session.terminal
    if terminal.as_json:
        terminal.document("alert/1", found)
        return
    fields = [
        ("rule", f"{text(found['name'])} ({text(found['severity'])})"),
        ("state", "off" if not found["is_on"] else text(found["state"])),
        ("when", one_line(found["when"])),
    ]
    if found["for_seconds"]:
        fields.append(("for", lasted(found["for_seconds"])))
    if found["clear"] is not None:
        fields.append(("clear", f"{number(found['clear']):g}"))
    fields.append(("from", "config.toml" if found["is_own"] else "the host's own rules"))
    for each in items(found["alerts"]):
        since = each["fired_at"] if each["fired_at"] is not None else each["since"]
        silent = ", silenced" if each["is_silenced"] else ""
        fields.append(
            (text(each["state"]), f"{one_line(each['summary'])} (since {when(since)}{silent})")
        )
    for each in items(found["silences"]):
        about = one_line(each["component"]) if each["component"] else "all alerts"
        reason = f": {one_line(each['reason'])}" if each["reason"] else ""
        fields.append(("silence", f"{about}, until {when(each['until'])}{reason}"))
    terminal.fields(fields)


@app.command("silence")
@verb
def silence(
    session: Session,
    rule: _Rule,
    duration: Annotated[
        str, typer.Option("--for", metavar="TIME", help="How long, such as `2 h`.")
    ] = "1 h",
    component: _Component = "",
    reason: Annotated[str, typer.Option("--reason", help="Why, for others.")] = "",
    lift: Annotated[bool, typer.Option("--lift", help="End the silence instead.")] = False,
) -> None:
    """Tell no receiver of a rule's alerts for some time.

    The rule is evaluated all the same, and its alerts are listed.

    \b
    Example:
      airswasm alerts silence StorageQuota --for "2 h" --component shop/web --reason "moving it"
      airswasm alerts silence StorageQuota --component shop/web --lift
    """
    import anyio

    from .._hosts.opening import full_name, open_host
    from ._times import seconds, when

    about = full_name(component) if component else ""
    what = f"{rule}{f' about {about}' if about else ''}"
    terminal = session.terminal

    async def work() -> Document | bool:
        async with open_host(session, "alerts silence", "change") as host:
            if lift:
                return await host.lift_silence(rule, about)
            return await host.silence_alert(rule, seconds(duration), about, reason)

    found = anyio.run(work)
    if isinstance(found, bool):
        if terminal.as_json:
            terminal.document("lifted-silence/1", {"was_silent": found})
        else:
            terminal.done(
                f"receivers are told of {what} again" if found else f"{what} was not silenced"
            )
        return
    if terminal.as_json:
        terminal.document("silence/1", found)
    else:
        terminal.done(f"no receiver is told of {what} until {when(found['until'])}")


def _rows(rule: Document, *, with_quiet: bool) -> list[tuple[str, str, str, str, str]]:
    """Return a row for each alert of a rule; for one without any, a row if it is wanted."""
    from ._times import lasted

    name, severity = text(rule["name"]), text(rule["severity"])
    rows = [
        (
            name,
            severity,
            f"{text(each['state'])}{' (silenced)' if each['is_silenced'] else ''}",
            _about(each),
            lasted(max(0.0, time.time() - number(each["fired_at"] or each["since"]))),
        )
        for each in items(rule["alerts"])
    ]
    if rows or not with_quiet:
        return rows
    return [(name, severity, "inactive" if rule["is_on"] else "off", "", "")]


def _about(alert: Document) -> str:
    labels = mapping(alert["labels"])
    values = [one_line(each) for key, each in labels.items() if key == "component"]
    values += [f"{key}={one_line(each)}" for key, each in labels.items() if key != "component"]
    return " ".join(values) or "the host"
