"""Sign a built project, or pack it into one file.

To sign reads exactly the files that the manifest declares, ignores an existing signature (which is
about older bytes), and writes the new one whole. The sequence defaults to the clock, in seconds
since 1970, and is always above the last signature's: so it rises also for two signatures in one
second, and on a machine whose clock is behind.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from airswasm.lifecycle import MANIFEST_NAME, PACKAGE_SUFFIX, SIGNATURE_NAME, Manifest, Package
from airswasm.security import PrivateKey, PublicKey, SecurityError, read_partly_signed

from .errors import ArtifactMissing, NotAProject

__all__ = ("cosign_package", "next_sequence", "pack_project", "sign_project")


def sign_project(
    folder: Path,
    key: PrivateKey,
    *,
    sequence: int | None = None,
    cosigners: Sequence[PublicKey] = (),
    clock: Callable[[], float] = time.time,
) -> Package:
    """Sign a built project: write `component.sig` beside its manifest.

    Args:
        folder: The project's folder.
        key: The owner's key.
        sequence: Rises with every release; see `next_sequence` for the default.
        cosigners: Keys whose holders sign as well, each with `cosign_package`.
        clock: Returns the seconds since 1970.

    Raises:
        NotAProject: The folder has no Component.toml.
        PackageInvalid: A file that the manifest includes is missing.
        ManifestInvalid: Component.toml is wrong; the error lists every problem.
        ArtifactMissing: The project is not built yet.
        InvalidStatement: The sequence is out of range.
        HomeUnusable: The signature cannot be written.
    """
    _check_built(folder)
    package = Package.read(folder, signature="ignored")
    number = sequence if sequence is not None else next_sequence(folder, clock=clock)
    signed = package.sign(key, sequence=number, cosigners=cosigners)
    signed.write_signature(folder)
    return signed


def cosign_package(source: Path, key: PrivateKey) -> Package:
    """Add a signature to a package that names its key: a project, or a `.airswasm` file.

    Raises:
        PackageUnsigned: The owner has not signed it yet.
        ContentMismatch: Its files are not those that the owner has signed.
        InvalidStatement: Its statement does not name the key, or it has signed already.
        PackageInvalid, ManifestInvalid, SecurityError: It is no valid package.
        HomeUnusable: It cannot be written.
    """
    signed = Package.read(source, signature="unfinished").cosign(key)
    if source.is_dir():
        signed.write_signature(source)
    else:
        signed.write_archive(source)
    return signed


def next_sequence(folder: Path, *, clock: Callable[[], float] = time.time) -> int:
    """Return the sequence of the next signature: now, or one above the last one's."""
    try:
        last = read_partly_signed((folder / SIGNATURE_NAME).read_bytes()).statement.sequence
    except (OSError, SecurityError):
        last = 0
    return max(int(clock()), last + 1)


def pack_project(folder: Path, output: Path | None = None) -> Path:
    """Write a signed project as one `.airswasm` file; equal projects give equal bytes.

    One that waits for signatures can be packed, so that the others can sign it elsewhere.

    Args:
        folder: The project's folder.
        output: The file; by default `NAME-VERSION.airswasm` in the folder's `build`.

    Raises:
        PackageUnsigned: The project is unsigned.
        SecurityError: The signature does not fit the files: they changed after it.
        PackageInvalid: A file is missing.
        HomeUnusable: The file cannot be written.
    """
    package = Package.read(folder, signature="unfinished")
    short_name = package.name.rpartition("/")[2]
    target = output or folder / "build" / f"{short_name}-{package.version}{PACKAGE_SUFFIX}"
    target.parent.mkdir(parents=True, exist_ok=True)
    package.write_archive(target)
    return target


def _check_built(folder: Path) -> None:
    """Name the next step; the reader of packages could only name the missing file."""
    if not (folder / MANIFEST_NAME).is_file():
        raise NotAProject(folder, MANIFEST_NAME)
    artifact = folder / Manifest.load(folder / MANIFEST_NAME).build.artifact
    if not artifact.is_file():
        raise ArtifactMissing(artifact, built=False)
