"""Checks of `airswasm doctor` for this block: the languages that this machine can build."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from airswasm.wit import Finding

from ._languages.go import find_adapter, find_go
from ._languages.javascript import find_javascript_tools
from ._languages.rust import find_way
from .errors import ToolMissing, ToolTooOld

__all__ = ("check_builds", "check_tools")

_TOOLS = (("python", "componentize-py"), ("c", "ziglang"))


def check_builds(home: Path, *, quick: bool) -> Iterator[Finding]:
    """Try whether a build from source can be confined."""
    del home
    if quick:
        return
    from ._confinement import explain_missing, missing_protections

    missing = missing_protections()
    if missing:
        text = f"builds from source are refused, because {explain_missing(missing)}"
        yield Finding("builds", "note", f"{text}; to allow them: builds.unconfined")
    else:
        yield Finding("builds", "ok", "builds from source are confined: files, network, processes")


def check_tools(home: Path, *, quick: bool) -> Iterator[Finding]:
    """Look for the build tool of each language; compilers are asked, so not in a quick look."""
    del home
    for language, package in _TOOLS:
        try:
            found = version(package)
        except PackageNotFoundError:
            hint = f"pip install 'airswasm-sdk[{language}]'"
            yield Finding("tools", "note", f"cannot build {language}: {hint}")
            continue
        yield Finding("tools", "ok", f"builds {language} with {package} {found}")
    for language, find in () if quick else _FINDERS.items():
        try:
            yield Finding("tools", "ok", f"builds {language} with {find()}")
        except (ToolMissing, ToolTooOld) as error:
            yield Finding("tools", "note", f"cannot build {language}: {error.hint}")


def _find_rust() -> str:
    way = find_way()
    return f"{way.cargo} for {way.target}"


def _find_go() -> str:
    find_adapter(Path())
    return find_go()


def _find_javascript() -> str:
    return find_javascript_tools(Path(), "a component in JavaScript")[1]


_FINDERS = {"rust": _find_rust, "go": _find_go, "javascript": _find_javascript}
