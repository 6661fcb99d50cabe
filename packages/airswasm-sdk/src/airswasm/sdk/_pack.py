"""From a built project to what travels: a signature beside it, or one file.

Signing reads exactly the files that the manifest declares, ignores a signature
that is there already (it is about older bytes), and writes the new one whole.
The sequence defaults to the clock, in seconds since 1970, and never falls
behind the last signature's: two signatures in one second still rise, and so
does one made by a machine whose clock is behind.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from airswasm.lifecycle import MANIFEST_NAME, PACKAGE_SUFFIX, SIGNATURE_NAME, Manifest, Package
from airswasm.security import PrivateKey, SecurityError, verify_statement

from .errors import ArtifactMissing, NotAProject

__all__ = ("next_sequence", "pack_project", "sign_project")


def sign_project(
    folder: Path,
    key: PrivateKey,
    *,
    sequence: int | None = None,
    clock: Callable[[], float] = time.time,
) -> Package:
    """Signs a built project: writes `component.sig` beside its manifest.

    Args:
        folder: The project's folder.
        key: The owner's key.
        sequence: Rises with every release; see `next_sequence` for the default.
        clock: Seconds since 1970.

    Raises:
        NotAProject: No Component.toml.
        PackageInvalid: A file that it includes is missing.
        ManifestInvalid: Component.toml is wrong; it has every problem.
        ArtifactMissing: It was not built yet.
        InvalidStatement: The sequence is out of range.
        HomeUnusable: The signature cannot be written.
    """
    _check_built(folder)
    package = Package.read(folder, signature="ignored")
    number = sequence if sequence is not None else next_sequence(folder, clock=clock)
    signed = package.sign(key, sequence=number)
    signed.write_signature(folder)
    return signed


def next_sequence(folder: Path, *, clock: Callable[[], float] = time.time) -> int:
    """The sequence of the next signature: now, or one above the last one's."""
    try:
        last = verify_statement((folder / SIGNATURE_NAME).read_bytes()).statement.sequence
    except (OSError, SecurityError):
        last = 0
    return max(int(clock()), last + 1)


def pack_project(folder: Path, output: Path | None = None) -> Path:
    """Writes a signed project as one `.airswasm` file; equal projects give equal bytes.

    Args:
        folder: The project's folder.
        output: The file; else `NAME-VERSION.airswasm` in the folder's `build`.

    Raises:
        PackageUnsigned: It is not signed.
        SecurityError: The signature is not of these files: something changed since.
        PackageInvalid: A file is missing.
        HomeUnusable: The file cannot be written.
    """
    package = Package.read(folder)
    short_name = package.name.rpartition("/")[2]
    target = output or folder / "build" / f"{short_name}-{package.version}{PACKAGE_SUFFIX}"
    target.parent.mkdir(parents=True, exist_ok=True)
    package.write_archive(target)
    return target


def _check_built(folder: Path) -> None:
    """Says what to do next, where reading the package could only say what is missing."""
    if not (folder / MANIFEST_NAME).is_file():
        raise NotAProject(folder, MANIFEST_NAME)
    artifact = folder / Manifest.load(folder / MANIFEST_NAME).build.artifact
    if not artifact.is_file():
        raise ArtifactMissing(artifact, built=False)
