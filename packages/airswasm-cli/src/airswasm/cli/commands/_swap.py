"""The bytes of a development build, and the name that they are for."""

from __future__ import annotations

from pathlib import Path

import typer

__all__ = ("read_build",)


def read_build(build: Path, name: str | None) -> tuple[bytes, str]:
    """Return a build as its host reads it, and the component's name.

    Raises:
        BadParameter: It is a component alone, and no name was given.
        LifecycleError: It is no build.
    """
    from airswasm.lifecycle import Package, PackageInvalid

    if build.suffix != ".wasm":
        package = Package.read(build, signature="ignored")
        return package.to_archive(), name or package.name
    if name is None:
        raise typer.BadParameter("a component alone has no manifest; say which it is with --name")
    try:
        return build.read_bytes(), name
    except OSError as error:
        raise PackageInvalid(str(build), f"cannot be read: {error.strerror}") from error
