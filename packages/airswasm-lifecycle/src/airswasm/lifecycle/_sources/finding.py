"""Find the source of a text, by its scheme.

A text without a scheme is a path, and needs no look at what is installed. A kind of another
distribution is an entry point of the group `airswasm.sources`, like our own; an operator allows it
by its name.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import cast

import anyio
from airswasm.wit import Section

from .._home.configuration import Configuration
from .._toml.explaining import did_you_mean
from ..errors import ExtraMissing, SourceRefused, SourceTooLarge, SourceUnknown
from .local import STDIN, PathSource
from .settings import SourceSettings
from .source import Arrived, Fetched, PackageSource
from .trees import FetchedTree, TreeSource, check_tree

__all__ = ("GROUP", "Sources", "kind_of")

GROUP = "airswasm.sources"
PATH = "path"
_LONGEST = 4096
_EXTRAS = {"https": "http"}
"""The extra of a distribution that brings the libraries of a kind, where it is named otherwise."""
_SCHEME = re.compile(r"([a-z][a-z0-9.-]+)(?:\+[a-z0-9.+-]+)?:", re.IGNORECASE)
_SCP = re.compile(r"(?:[\w.-]+@)[\w.-]+:(?!//)[\w./~-]+")


class Sources:
    """The sources of one host.

    Args:
        settings: What an operator allows.
        points: The kinds that exist; by default those of the installed distributions.
    """

    def __init__(
        self, settings: SourceSettings, points: Callable[[], tuple[EntryPoint, ...]] | None = None
    ) -> None:
        self._settings = settings
        self._points = points or (lambda: tuple(entry_points(group=GROUP)))

    def hold_to(self, settings: SourceSettings) -> None:
        """Allow what other settings allow, from the next package on."""
        self._settings = settings

    @classmethod
    def of_home(cls, config_file: Path, environment: Mapping[str, str] | None = None) -> Sources:
        """Return the sources that a home's settings allow.

        Args:
            config_file: config.toml of the home.
            environment: Variables that win over it; None for none.

        Raises:
            ConfigurationInvalid: The section, or a variable, is wrong.
        """
        section = Section("sources", "airswasm.lifecycle:SourceSettings", "")
        configuration = Configuration.load_only(config_file, [section], environment)
        return cls(configuration.get(SourceSettings))

    def canonical(self, text: str) -> str:
        """Return the one spelling of a source, without secrets.

        Raises:
            SourceUnknown: The text is no source.
            SourceRefused: Sources of its kind are not allowed.
        """
        return self._find(text).canonical(text)

    def pinned(self, text: str, pin: str) -> str:
        """Return the source that gives what was pinned, and nothing else.

        Raises:
            SourceUnknown, SourceRefused: As for `canonical`.
        """
        return self._find(text).pinned(text, pin) if pin else text

    async def fetch(
        self, source: str | os.PathLike[str], arrived: Arrived = lambda _bytes: None
    ) -> Fetched:
        """Return the bytes of a package, and what they are.

        Args:
            source: A text; a path-like object is always a path.
            arrived: Told how many bytes have arrived.

        Raises:
            LifecycleError: They cannot be had. No text of the error holds a secret.
        """
        if not isinstance(source, str):
            self._check(PATH, os.fspath(source))
            return await PathSource(self._settings).fetch(os.fspath(source), arrived)
        found = self._find(source)
        try:
            with anyio.fail_after(self._settings.timeout):
                return await found.fetch(source, arrived)
        except TimeoutError:
            shown = found.canonical(source)
            raise SourceTooLarge(
                shown, "sources.timeout", f"{self._settings.timeout:g} s"
            ) from None

    async def fetch_tree(self, source: str, arrived: Arrived = lambda _bytes: None) -> FetchedTree:
        """Return the files of a project, to build it.

        Args:
            source: A text.
            arrived: Told how many bytes have arrived.

        Raises:
            LifecycleError: They cannot be had. No text of the error holds a secret.
        """
        found = self._find(source)
        shown = found.canonical(source)
        if not isinstance(found, TreeSource):
            raise SourceRefused(
                shown, "it gives packages, and no sources to build",
                hint="build a folder, a git repository, or a zip file of an https server",
            )  # fmt: skip
        try:
            with anyio.fail_after(self._settings.timeout):
                tree = await found.fetch_tree(source, arrived)
        except TimeoutError:
            raise SourceTooLarge(
                shown, "sources.timeout", f"{self._settings.timeout:g} s"
            ) from None
        check_tree(tree.files, tree.source, self._settings.most_bytes)
        return tree

    def _find(self, text: str) -> PackageSource:
        if len(text) > _LONGEST or "\0" in text:
            raise SourceUnknown(text[:80] + "…", f"longer than {_LONGEST} characters, or has a NUL")
        kind = kind_of(text)
        self._check(kind, text)
        if kind == PATH:
            return PathSource(self._settings)
        known = {each.name: each for each in self._points()}
        if kind not in known:
            scheme, _, _ = text.partition(":")
            hint = _hint(scheme, text)
            reason = f"no kind of source is called {kind}{did_you_mean(kind, known)}"
            raise SourceUnknown(f"{scheme}:…", reason, hint=hint)
        return _load(known[kind])(self._settings)

    def _check(self, kind: str, text: str) -> None:
        allowed = self._settings.kinds
        if kind in allowed or (kind != PATH and kind not in {each.name for each in self._points()}):
            return
        shown = text if kind == PATH else f"{text.partition(':')[0]}:…"
        raise SourceRefused(
            shown, f"this host takes no packages of the kind {kind}",
            hint=f'add "{kind}" to `kinds` under [sources] in config.toml',
        )  # fmt: skip


def _load(point: EntryPoint) -> Callable[[SourceSettings], PackageSource]:
    """Return a kind's class.

    Raises:
        ExtraMissing: A library that it needs is not installed.
    """
    try:
        return cast("Callable[[SourceSettings], PackageSource]", point.load())
    except ModuleNotFoundError as error:
        distribution = point.dist.name if point.dist is not None else "airswasm-lifecycle"
        raise ExtraMissing(point.name, distribution, _EXTRAS.get(point.name, point.name)) from error


def kind_of(text: str) -> str:
    """Return the kind that the beginning of a text names; `path` for a plain path."""
    scheme = _SCHEME.match(text)
    if scheme is None or text == STDIN:
        if _SCP.fullmatch(text) and not Path(text).exists():
            where, _, path = text.partition(":")
            raise SourceUnknown(
                text, "not a source", hint=f"write git+ssh://{where}/{path} for a git repository"
            )
        return PATH
    return scheme[1].lower()


def _hint(scheme: str, text: str) -> str:
    if scheme.lower() == "http":
        return "use https://, which proves who sends the bytes"
    if scheme.lower() in ("ssh", "file") or text.endswith(".git"):
        return f"for a git repository write git+{scheme.lower()}://…"
    return "docs/sources.md shows each form; ./ before it makes a path of any text"
