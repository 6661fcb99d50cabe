"""Building from source for `install` and `update`: fetch, show what will run, ask, build, sign."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .._control.document import one_line
from .._session.session import Session
from ..errors import KeyMissing
from .build import follow

if TYPE_CHECKING:
    from airswasm.lifecycle import Fetched, FetchedTree, Package
    from airswasm.sdk import BuildLimits, SourceBuild

__all__ = ("BuildOption", "BuildRequest", "SignOption", "build_package", "build_request")

BuildOption = Annotated[
    bool, typer.Option("--build", help="Build it here, from the sources that SOURCE has.")
]
SignOption = Annotated[
    Path | None,
    typer.Option("--sign", metavar="KEY", help="With --build: sign the result with this key."),
]


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """The wishes of `--build` and `--sign`."""

    key: Path | None = None


def build_request(is_asked: bool, key: Path | None) -> BuildRequest | None:
    """Return what the options ask for; None without `--build`.

    Raises:
        BadParameter: There is a key, and nothing to sign.
        KeyMissing: There is no such key.
    """
    if not is_asked:
        if key is not None:
            raise typer.BadParameter("--sign goes with --build")
        return None
    if key is not None and not key.exists():
        raise KeyMissing(str(key))
    return BuildRequest(key)


def build_package(session: Session, source: str, request: BuildRequest) -> Fetched:
    """Build the package that a source has the files of, after a person has agreed.

    Raises:
        ApprovalRefused: The answer was no.
        AnswerNeeded: No person can answer.
        SdkError, LifecycleError, ContractViolation: It cannot be fetched, or not built.
    """
    import anyio
    from airswasm.lifecycle import Fetched
    from airswasm.sdk import building_from
    from airswasm.security import load_private_key

    key = load_private_key(request.key) if request.key is not None else None
    tree = anyio.run(_fetch_tree, session, source)
    with building_from(tree, _limits(session)) as build:
        with session.terminal.progress("build") as line:
            with line.paused():
                _ask(session, build)
            package: Package = build.run(follow(session, line))
    if key is not None:
        package = package.sign(key)
    return Fetched(package.to_archive(), tree.source, tree.pin)


async def _fetch_tree(session: Session, source: str) -> FetchedTree:
    from airswasm.lifecycle import Home, Sources

    sources = Sources.of_home(Home(session.home).config_file, os.environ)
    shown = sources.canonical(source)
    with session.terminal.progress(f"fetching {shown}") as progress:
        return await sources.fetch_tree(
            source, lambda count: progress.update(f"fetching {shown}: {count:,} bytes")
        )


def _limits(session: Session) -> BuildLimits:
    from airswasm.lifecycle import Configuration, Home
    from airswasm.sdk import BuildLimits
    from airswasm.wit import Section

    file = Home(session.home).config_file
    section = Section("builds", "airswasm.sdk:BuildLimits", "")
    return Configuration.load_only(file, [section], os.environ).get(BuildLimits)


def _ask(session: Session, build: SourceBuild) -> None:
    """Show what is going to run on this machine, and ask."""
    from airswasm.lifecycle import ApprovalRefused

    terminal, component = session.terminal, build.manifest.component
    terminal.headline(f"build {component.name} {component.version}")
    terminal.say(f"  from         {one_line(build.tree.source)}")
    if build.tree.pin:
        terminal.say(f"               {one_line(build.tree.pin)}")
    for command in build.commands:
        terminal.say(f"  runs         {one_line(command)}")
    if build.is_own_program:
        terminal.warn("this is a program of the package's own choice, and it runs on this machine")
    if build.unconfined:
        terminal.warn(f"this machine cannot confine it: {build.unconfined}")
    else:
        terminal.say("  confined     to its own folder, without a network, within [builds]")
    if not terminal.confirm("Build it?"):
        raise ApprovalRefused(component.name, component.version, ())
