"""`airswasm config`: every setting of every installed block, with its origin."""

from __future__ import annotations

import functools
import os
from typing import Annotated

import typer
from airswasm.lifecycle import Configuration, ConfigurationInvalid, Setting

from .._control.document import Document
from .._session.session import Session, verb

__all__ = ("app", "change_setting")

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Show and change the settings, with the origin of each.",
)
mending = functools.partial(verb, reads_config=False)
"""The decorator of verbs that help to mend a config.toml that is wrong."""
NameArgument = Annotated[
    str, typer.Argument(metavar="SECTION.KEY", help="The full name, as in `config show`.")
]


@app.command()
@verb
def show(
    session: Session,
    section: Annotated[
        str | None, typer.Argument(metavar="SECTION", help="Only this section.")
    ] = None,
    origin: Annotated[bool, typer.Option("--origin", help="Also show the origin of each.")] = False,
) -> None:
    """Show every setting of every installed block.

    The environment (AIRSWASM_SECTION_KEY) wins over the home's config.toml,
    which wins over the default.

    \b
    Example:
      airswasm config show
      airswasm config show storage --origin
    """
    settings = _settings(session)
    home = next(each for each in session.settings.all if each.name == "home")
    found = [each for each in settings.settings() if section in (None, each.section)]
    if section is not None and not found:
        settings.setting(section)
    if session.terminal.as_json:
        content = {each.name: _document(each) for each in found}
        content["home"] = {"value": home.value, "origin": home.origin, "meaning": home.meaning}
        session.terminal.document("config/1", {"settings": content})
        return
    columns = ("setting", "value", "origin", "meaning") if origin else ("setting", "value")
    rows = [(each.name, each.value, each.origin, each.meaning) for each in found]
    if section is None:
        rows.insert(0, (home.name, home.value, home.origin, home.meaning))
    session.terminal.table(columns, [row[: len(columns)] for row in rows])
    if any(each.section in ("roles", "acl") and each.origin != "default" for each in found):
        _warn_of_roles(session)


@app.command()
@verb
def get(session: Session, name: NameArgument) -> None:
    """Print one setting, its meaning and the accepted values.

    \b
    Example:
      airswasm config get storage.engine
    """
    found = _settings(session).setting(name)
    if session.terminal.as_json:
        session.terminal.document("setting/1", {"name": found.name, **_document(found)})
        return
    session.terminal.data(found.value)
    session.terminal.say(f"  {found.meaning}")
    origin = f"from {found.origin}; the default is {found.default}"
    is_default = found.origin == "default"
    session.terminal.say(f"  {'the default' if is_default else origin}; {found.form}")


ReloadOption = Annotated[
    bool, typer.Option("--reload", help="Have a running host take the whole file over at once.")
]


@app.command("set")
@mending
def set_value(
    session: Session,
    name: NameArgument,
    value: Annotated[
        str, typer.Argument(metavar="VALUE", help="The value as TOML, or plain text.")
    ],
    reload: ReloadOption = False,
) -> None:
    """Set one setting in the home's config.toml.

    Keeps the file's comments, and writes nothing when the value is wrong. It says
    what else in the file is.

    \b
    Example:
      airswasm config set storage.durability os
      airswasm config set limits.memory "64 MiB" --reload
    """
    found = _edit(session, name, value)
    text = f"{name} = {found.value}" if found else name
    _tell_changed(session, name, found, text, reload=reload)


@app.command()
@mending
def unset(session: Session, name: NameArgument, reload: ReloadOption = False) -> None:
    """Remove one setting from the home's config.toml.

    Its default then holds. A key that no block knows can be removed, too.

    \b
    Example:
      airswasm config unset storage.durability
    """
    found = _edit(session, name, None)
    text = f"{name} = {found.value}, the default" if found else f"removed {name}"
    _tell_changed(session, name, found, text, reload=reload)


@app.command()
@mending
def path(session: Session) -> None:
    """Print the path of config.toml.

    \b
    Example:
      $EDITOR "$(airswasm config path)"
    """
    file = session.home / "config.toml"
    if session.terminal.as_json:
        session.terminal.document("config-path/1", {"path": str(file)})
        return
    session.terminal.data(str(file))


def change_setting(session: Session, name: str, value: str | None) -> None:
    """Set or remove a setting, have a running host take it over, and show what holds."""
    found = _edit(session, name, value)
    text = f"{name} = {found.value}" if found else name
    _tell_changed(session, name, found, text, reload=True)


def _edit(session: Session, name: str, value: str | None) -> Setting | None:
    """Change config.toml; a running host does so itself, because it has the audit log."""
    from airswasm.lifecycle import edit_configuration

    from .._control.endpoint import endpoint_of, probe

    if probe(endpoint_of(session.home)) != "alive":
        from .._hosts.first_run import MODE, choose_mode

        if name != MODE:
            choose_mode(session)
        return edit_configuration(session.home, name, value)

    import anyio
    from airswasm.wit import Blocks

    from .._hosts.opening import connect

    host = connect(session.home)
    if value is None:
        anyio.run(host.unset_setting, name)
    else:
        anyio.run(host.set_setting, name, value)
    try:
        found = Configuration.load(session.home / "config.toml", Blocks.find())
    except ConfigurationInvalid:  # for other mistakes in the file
        return None
    return found.find(name)


def _warn_of_roles(session: Session) -> None:
    """Say which role or entry no host could read; the settings alone do not show it."""
    from airswasm.lifecycle import check_roles

    for found in check_roles(session.home, quick=True):
        if found.state == "problem":
            session.terminal.warn(found.text)


def _settings(session: Session) -> Configuration:
    from airswasm.wit import Blocks

    return Configuration.load(session.home / "config.toml", Blocks.find(), os.environ)


def _tell_changed(
    session: Session, name: str, found: Setting | None, text: str, *, reload: bool
) -> None:
    problems = _problems(session)
    holds, report = _holding(session, name, reload=reload and not problems)
    if session.terminal.as_json:
        content = {"name": name, **(_document(found) if found else {}), "holds": holds}
        session.terminal.document("setting/1", {**content, "problems": problems, "reload": report})
        return
    session.terminal.done(text)
    if problems:
        session.terminal.warn("config.toml has other mistakes; no host starts with them")
        for problem in problems:
            session.terminal.say(f"  {problem}")
    elif report is not None:
        from .reload import show_report

        show_report(session, report)
    else:
        session.terminal.say(f"  {holds}")


def _holding(session: Session, name: str, *, reload: bool) -> tuple[str, Document | None]:
    """Return when a changed setting holds, and the report of a reload if one was made."""
    from airswasm.wit import Blocks

    from .._control.endpoint import endpoint_of, probe

    section_name, _, key = name.partition(".")
    section = Blocks.find().sections.get(section_name)
    if section is not None and section.reads == "use":
        return "it holds at once", None
    if probe(endpoint_of(session.home)) != "alive":
        return "it holds from now on: no host runs", None
    if reload:
        return "reloaded", _reload(session)
    reason = section.reason_to_wait(key) if section is not None else None
    if reason is not None:
        return f"it holds from the host's next start on: {reason}", None
    return "the running host takes it over with: airswasm reload", None


def _reload(session: Session) -> Document:
    import anyio

    from .._hosts.opening import connect

    return anyio.run(connect(session.home).reload)


def _problems(session: Session) -> list[str]:
    try:
        _settings(session)
    except ConfigurationInvalid as error:
        return [str(each) for each in error.problems]
    return []


def _document(setting: Setting) -> dict[str, object]:
    return {
        "value": setting.value,
        "default": setting.default,
        "origin": setting.origin,
        "meaning": setting.meaning,
        "form": setting.form,
    }
