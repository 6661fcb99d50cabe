"""A component as it travels: a folder, or one `.airswasm` file.

The order of reading is the protection. The signature comes first and is
verified over the bytes of every file; only then is the first of them, the
manifest, parsed. A signed package holds exactly the files that were signed:
more, fewer or other bytes are refused. Everything is read into memory once,
and what is installed later are these same bytes, so nobody can exchange a file
between the check and the use.

Of a folder only the declared files belong to the package; sources and build
leftovers around them do not matter.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from airswasm.security import PrivateKey, Statement, VerifiedStatement, sign, verify

from ._archive import ArchiveLimits, judge_name, read_archive, write_archive
from .errors import HomeUnusable, PackageInvalid, PackageUnsigned, WrongPackage
from .manifest import MANIFEST_NAME, Manifest

__all__ = ("PACKAGE_SUFFIX", "SIGNATURE_NAME", "Package")

PACKAGE_SUFFIX = ".airswasm"
SIGNATURE_NAME = "component.sig"


@dataclass(frozen=True, slots=True)
class Package:
    """The files of one version of a component, verified if they are signed."""

    source: str
    """Where it came from, for messages."""
    files: Mapping[str, bytes]
    """Path in the package to content; the signature is not among them."""
    manifest: Manifest
    signature: bytes | None
    statement: VerifiedStatement | None

    @property
    def name(self) -> str:
        """The component's full name."""
        return self.manifest.name

    @property
    def version(self) -> str:
        """The component's version."""
        return self.manifest.version

    @property
    def wasm(self) -> bytes:
        """The component itself."""
        return self.files[self.manifest.build.artifact]

    @property
    def is_signed(self) -> bool:
        """Whether a valid signature covers every file."""
        return self.statement is not None

    @property
    def sequence(self) -> int:
        """The signed sequence; 0 without a signature."""
        return self.statement.sequence if self.statement else 0

    @property
    def signer_key(self) -> str | None:
        """The public key that signed it, as text; None without a signature."""
        return str(self.statement.key) if self.statement else None

    @property
    def signer_fingerprint(self) -> str | None:
        """The fingerprint of that key, for people to compare."""
        return self.statement.key.fingerprint if self.statement else None

    @classmethod
    def read(
        cls,
        source: Path,
        *,
        require_signature: bool = True,
        capabilities: Iterable[str] = (),
        limits: ArchiveLimits = ArchiveLimits(),
    ) -> Package:
        """Reads and verifies a package.

        Args:
            source: a folder with a Component.toml, or a `.airswasm` file.
            require_signature: refuse a package without one. A package with a
                wrong signature is refused in any case.
            capabilities: those that exist, for the manifest's did-you-mean.
            limits: sizes beyond which nothing is read.

        Raises:
            PackageUnsigned: it has no signature and needs one.
            PackageInvalid: it is not a package, or not a safe one.
            SecurityError: the signature does not hold for these files.
            ManifestInvalid: the manifest is wrong; it names every problem.
            WrongPackage: name or version differ between manifest and signature.
        """
        reader = _Folder(source, limits) if source.is_dir() else _File(source, limits)
        signature = reader.signature()
        if signature is None and require_signature:
            reader.check_plausible()
            raise PackageUnsigned(str(source))
        statement = verify_signature(signature, reader) if signature is not None else None
        files = reader.files(tuple(statement.files) if statement else None)
        return cls._build(str(source), files, signature, statement, frozenset(capabilities))

    @classmethod
    def from_files(
        cls,
        files: Mapping[str, bytes],
        *,
        source: str = "package",
        signature: bytes | None = None,
        capabilities: Iterable[str] = (),
    ) -> Package:
        """Makes a package of bytes in memory; verified like any other. See `read`."""
        statement = verify(signature, files) if signature is not None else None
        return cls._build(source, files, signature, statement, frozenset(capabilities))

    @classmethod
    def _build(
        cls,
        source: str,
        files: Mapping[str, bytes],
        signature: bytes | None,
        statement: VerifiedStatement | None,
        capabilities: frozenset[str],
    ) -> Package:
        if MANIFEST_NAME not in files:
            raise PackageInvalid(source, f"it has no {MANIFEST_NAME}")
        file = f"{source}/{MANIFEST_NAME}"
        manifest = Manifest.parse(files[MANIFEST_NAME], file=file, capabilities=capabilities)
        package = cls(source, dict(files), manifest, signature, statement)
        package._check()
        return package

    def _check(self) -> None:
        artifact = self.manifest.build.artifact
        if artifact not in self.files:
            raise PackageInvalid(
                self.source, "the artifact that [build] names is missing; build it first",
                member=artifact,
            )  # fmt: skip
        if self.statement is not None:
            signed = f"{self.statement.name} {self.statement.version}"
            found = f"{self.name} {self.version}"
            if signed != found:
                raise WrongPackage(signed, found, where=f"{self.source}/{MANIFEST_NAME}")

    def sign(self, key: PrivateKey, *, sequence: int | None = None) -> Package:
        """Returns the package signed with `key`.

        Args:
            key: the owner's private key.
            sequence: must grow with each version; the seconds since 1970 by default.
        """
        number = int(time.time()) if sequence is None else sequence
        statement = Statement.over(self.name, self.version, number, self.files)
        signature = sign(statement, key)
        return Package.from_files(self.files, source=self.source, signature=signature)

    def to_archive(self) -> bytes:
        """Returns the package as one file; equal packages give equal bytes."""
        files = dict(self.files)
        if self.signature is not None:
            files[SIGNATURE_NAME] = self.signature
        return write_archive(files)

    def write_archive(self, path: Path) -> None:
        """Writes the `.airswasm` file, whole or not at all.

        Raises:
            HomeUnusable: it cannot be written.
        """
        _write_whole(path, self.to_archive())

    def write_signature(self, folder: Path) -> Path:
        """Writes `component.sig` into the package's folder, whole or not at all.

        Raises:
            PackageUnsigned: there is none to write.
            HomeUnusable: it cannot be written.
        """
        if self.signature is None:
            raise PackageUnsigned(self.source)
        path = folder / SIGNATURE_NAME
        _write_whole(path, self.signature)
        return path
