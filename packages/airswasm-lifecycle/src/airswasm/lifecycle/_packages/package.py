"""Read and write a package: a folder, one `.airswasm` file, or the bytes of one.

The order of reading is the protection. The signature comes first and is verified over the bytes of
every file; only then is the first of them, the manifest, parsed. A signed package holds exactly the
files that its signature names: more, fewer or other bytes are refused. Everything is read into
memory once, and the host installs these same bytes, so no file can change between check and use.

Of a folder, only the declared files belong to the package; sources and build leftovers around them
do not matter.

`archive_of` is for the sender: it packs the bytes without judging them, because the receiving host
verifies them anyway, and once is enough.
"""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, Protocol

from airswasm.runtime.files import replace_file
from airswasm.security import (
    SIGNATURE_FILE,
    Kinds,
    PrivateKey,
    PublicKey,
    Statement,
    VerifiedStatement,
    cosign,
    file_source,
    judge_path,
    read_partly_signed,
    sign,
    verify,
    verify_statement,
)

from ..errors import HomeUnusable, PackageInvalid, PackageUnsigned, WrongPackage
from .archive import ArchiveLimits, read_archive, write_archive
from .manifest import MANIFEST_NAME, Manifest
from .sources import SourceIndex

__all__ = (
    "PACKAGE_SUFFIX",
    "SIGNATURE_NAME",
    "Package",
    "SignatureUse",
    "archive_of",
    "digest_over",
    "member_names",
    "source_names",
)

PACKAGE_SUFFIX = ".airswasm"
SIGNATURE_NAME = SIGNATURE_FILE
SignatureUse = Literal["required", "optional", "ignored", "unfinished"]
_DEFAULT_LIMITS = ArchiveLimits()


@dataclass(frozen=True, slots=True)
class Package:
    """The files of one version of a component, verified if it is signed."""

    source: str
    """The origin, for messages."""
    files: Mapping[str, bytes]
    """Path in the package to content, without the signature."""
    manifest: Manifest
    signature: bytes | None
    verified: VerifiedStatement | None
    """The signed statement and its signers."""
    digests: Mapping[str, str] = field(default_factory=dict[str, str])
    """Path to SHA-256 of every file, `component.sig` included if it is signed."""
    recorded_source: str = ""
    """The source that it can be had from again, in canonical form; empty if there is none."""
    pin: str = ""
    """That source's name for exactly this content: a commit, a digest."""
    origin: str = ""
    """The canonical text of its place, for trust by source; empty where it is not known."""

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
        """The component itself: wasm, or the index of its sources."""
        return self.files[self.manifest.build.artifact]

    @property
    def wasm_digest(self) -> str:
        """The SHA-256 of the component itself."""
        return self.digests[self.manifest.build.artifact]

    @property
    def digest(self) -> str:
        """The SHA-256 over every path and every byte; equal digests mean equal packages."""
        return digest_over(self.digests)

    @property
    def is_signed(self) -> bool:
        """Whether a valid signature covers every file."""
        return self.verified is not None

    @property
    def sequence(self) -> int:
        """The signed sequence; 0 without a signature."""
        return self.verified.statement.sequence if self.verified else 0

    @property
    def signer(self) -> PublicKey | None:
        """The key of its owner, who signed it; None if it is unsigned."""
        return self.verified.owner if self.verified else None

    @property
    def cosigners(self) -> tuple[PublicKey, ...]:
        """The keys that signed it beside the owner's."""
        return self.verified.signers[1:] if self.verified else ()

    @classmethod
    def read(
        cls,
        source: Path,
        *,
        signature: SignatureUse = "required",
        kinds: Kinds | None = None,
        limits: ArchiveLimits = _DEFAULT_LIMITS,
    ) -> Package:
        """Read and verify a package from the disk.

        Args:
            source: A folder with a Component.toml, or a `.airswasm` file.
            signature: `required` refuses a package without one; `optional` accepts it, but still
                refuses a wrong one; `ignored` does not read it, which only re-signing needs;
                `unfinished` accepts one that waits for some of its signers, to sign or pack it, and
                no host installs it.
            kinds: The capabilities that exist; a manifest that names others is refused.
            limits: Sizes beyond which nothing is read.

        Raises:
            PackageUnsigned: The package has no signature and needs one.
            PackageInvalid: The source is not a package, or not a safe one.
            SecurityError: The signature does not hold for these files.
            ManifestInvalid: The manifest is wrong; the error lists every problem.
            WrongPackage: Name or version differ between manifest and signature.
        """
        reader: _Reader
        if source.is_dir():
            reader = _Folder(source, limits)
        else:
            reader = _Archive(_read_archive_file(source, limits), str(source), limits)
        read = cls._read(reader, str(source), signature, kinds)
        members = read.digests if source.is_dir() else ()
        return replace(read, origin=file_source(source, members))

    @classmethod
    def from_bytes(
        cls,
        content: bytes,
        *,
        source: str = "package",
        signature: SignatureUse = "required",
        kinds: Kinds | None = None,
        limits: ArchiveLimits = _DEFAULT_LIMITS,
        recorded_source: str = "",
        pin: str = "",
        origin: str = "",
    ) -> Package:
        """Read and verify a package from the bytes of a `.airswasm` file.

        Args:
            content: The bytes.
            source: The package's name in error messages.
            recorded_source: The source that gave them, in canonical form, for the record.
            pin: That source's name for exactly these bytes.
            origin: The canonical text of its place (`Fetched.place`), if its sender is trusted to
                say so.
            signature: As for `read`.
            kinds: As for `read`.
            limits: As for `read`.

        Raises:
            LifecycleError, SecurityError: As for `read`.
        """
        read = cls._read(_Archive(content, source, limits), source, signature, kinds)
        return replace(read, origin=origin, recorded_source=recorded_source, pin=pin)

    @classmethod
    def _read(
        cls, reader: _Reader, source: str, signature: SignatureUse, kinds: Kinds | None
    ) -> Package:
        envelope = reader.signature() if signature != "ignored" else None
        if envelope is None:
            if signature in ("required", "unfinished"):
                raise PackageUnsigned(source)
            return cls._build(source, reader.files(None), None, None, kinds)
        verified: VerifiedStatement | None = None
        if signature == "unfinished" and (partly := read_partly_signed(envelope)).missing:
            statement = partly.statement
        else:
            verified = verify_statement(envelope)
            statement = verified.statement
        files = reader.files(tuple(statement.files))
        statement.check(files)
        return cls._build(source, files, envelope, verified, kinds)

    @classmethod
    def from_files(
        cls,
        files: Mapping[str, bytes],
        *,
        source: str = "package",
        signature: bytes | None = None,
        kinds: Kinds | None = None,
    ) -> Package:
        """Make a package of files in memory, verified like any other. See `read`."""
        verified = verify(signature, files) if signature is not None else None
        return cls._build(source, files, signature, verified, kinds)

    @classmethod
    def _build(
        cls,
        source: str,
        files: Mapping[str, bytes],
        signature: bytes | None,
        verified: VerifiedStatement | None,
        kinds: Kinds | None,
    ) -> Package:
        if MANIFEST_NAME not in files:
            raise PackageInvalid(source, f"it has no {MANIFEST_NAME}")
        file = f"{source}/{MANIFEST_NAME}"
        manifest = Manifest.parse(files[MANIFEST_NAME], file=file, kinds=kinds)
        digests = _digests(files, signature, verified)
        package = cls(source, dict(files), manifest, signature, verified, digests)
        package._check()
        return package

    def check_capabilities(self, kinds: Kinds) -> None:
        """Check what the manifest asks for against the capabilities of a host.

        Raises:
            ManifestInvalid: One of them does not exist there, or has a pattern that is not usable.
        """
        file = f"{self.source}/{MANIFEST_NAME}"
        Manifest.parse(self.files[MANIFEST_NAME], file=file, kinds=kinds)

    def _check(self) -> None:
        artifact = self.manifest.build.artifact
        if artifact not in self.files:
            raise PackageInvalid(
                self.source, "the artifact that [build] names is missing; build it first",
                member=artifact,
            )  # fmt: skip
        if SourceIndex.is_index(self.wasm):
            where = f"{self.source}/{artifact}"
            SourceIndex.parse(self.wasm, where).check(self.digests, where)
        if self.verified is not None:
            statement = self.verified.statement
            signed = f"{statement.name} {statement.version}"
            found = f"{self.name} {self.version}"
            if signed != found:
                raise WrongPackage(signed, found, where=f"{self.source}/{MANIFEST_NAME}")

    def sign(
        self,
        key: PrivateKey,
        *more: PrivateKey,
        sequence: int | None = None,
        cosigners: Sequence[PublicKey] = (),
    ) -> Package:
        """Return the package signed with `key`.

        Args:
            key: The owner's private key.
            more: Keys of others who stand for it too, a reviewer's say.
            sequence: Must grow with each version; the seconds since 1970 by default, so that two
                versions signed within one second need it.
            cosigners: Keys whose holders sign later, with `cosign`; until then it is unfinished.
        """
        number = int(time.time()) if sequence is None else sequence
        statement = Statement.of(self.name, self.version, number, self.files)
        signature = sign(statement, key, *more, cosigners=cosigners)
        if cosigners:
            return replace(self, signature=signature, verified=None)
        return Package.from_files(self.files, source=self.source, signature=signature)

    def cosign(self, key: PrivateKey) -> Package:
        """Return the package with one more signature, of a key that its statement names.

        Raises:
            PackageUnsigned: It has no signature to which one could be added.
            InvalidStatement: The statement does not name the key, or it has signed already.
        """
        if self.signature is None:
            raise PackageUnsigned(self.source)
        signature = cosign(self.signature, key)
        if read_partly_signed(signature).missing:
            return replace(self, signature=signature)
        return Package.from_files(self.files, source=self.source, signature=signature)

    def to_archive(self) -> bytes:
        """Return the package as one file; equal packages give equal bytes."""
        return write_archive(_with_signature(self.files, self.signature))

    def write_archive(self, path: Path) -> None:
        """Write the `.airswasm` file, whole or not at all.

        Raises:
            HomeUnusable: The file is not writable.
        """
        write_whole(path, self.to_archive())

    def write_signature(self, folder: Path) -> Path:
        """Write `component.sig` into the package's folder, whole or not at all.

        Raises:
            PackageUnsigned: The package has no signature.
            HomeUnusable: The file is not writable.
        """
        if self.signature is None:
            raise PackageUnsigned(self.source)
        path = folder / SIGNATURE_NAME
        write_whole(path, self.signature)
        return path


def digest_over(digests: Mapping[str, str]) -> str:
    """Return the SHA-256 over every path and digest of a package's files."""
    listed = "".join(f"{digests[path]} {path}\n" for path in sorted(digests))
    return hashlib.sha256(listed.encode()).hexdigest()


def archive_of(source: Path, *, limits: ArchiveLimits = _DEFAULT_LIMITS) -> bytes:
    """Return a package as the bytes of a `.airswasm` file, for a host that will verify them.

    This judges neither the signature nor any file's content. It packs a signed folder with the
    files that the signature names, an unsigned one with those that the manifest declares.

    Args:
        source: A folder with a Component.toml, or a `.airswasm` file.
        limits: Sizes beyond which nothing is read.

    Raises:
        PackageInvalid: The source is neither, or is unreadable.
        ManifestInvalid, SecurityError: The source does not say which files belong to it.
    """
    if not source.is_dir():
        return _read_archive_file(source, limits)
    folder = _Folder(source, limits)
    envelope = folder.signature()
    signed = None if envelope is None else tuple(read_partly_signed(envelope).statement.files)
    return write_archive(_with_signature(folder.files(signed), envelope), is_compressed=False)


def member_names(signature: bytes | None, manifest: bytes, source: str) -> tuple[str, ...]:
    """Return the files that make a package: those that its signature names, or its manifest.

    Without a signature, the files of an index of sources come on top: `source_names`.

    Raises:
        ManifestInvalid, SecurityError: Neither says which.
    """
    if signature is not None:
        return tuple(verify_statement(signature).statement.files)
    parsed = Manifest.parse(manifest, file=f"{source}/{MANIFEST_NAME}")
    return (MANIFEST_NAME, parsed.build.artifact, *parsed.build.include)


def source_names(member: bytes | None, source: str) -> tuple[str, ...]:
    """Return the files that a member of a package names; none if it is no index of sources.

    Raises:
        SourceIndexInvalid: It is an index that no build writes.
    """
    if member is None or not SourceIndex.is_index(member):
        return ()
    return tuple(each.path for each in SourceIndex.parse(member, source).files.values())


class _Reader(Protocol):
    def signature(self) -> bytes | None:
        """Return the bytes of `component.sig`, or None without one."""
        ...

    def files(self, names: tuple[str, ...] | None) -> Mapping[str, bytes]:
        """Return the files of these names, or, if unsigned, those that make the package."""
        ...


class _Archive:
    def __init__(self, content: bytes, source: str, limits: ArchiveLimits) -> None:
        self._members = read_archive(content, source, limits)

    def signature(self) -> bytes | None:
        return self._members.get(SIGNATURE_NAME)

    def files(self, names: tuple[str, ...] | None) -> Mapping[str, bytes]:
        del names  # all members: the caller must see and refuse unsigned ones
        return {name: self._members[name] for name in self._members if name != SIGNATURE_NAME}


class _Folder:
    def __init__(self, folder: Path, limits: ArchiveLimits) -> None:
        self._folder, self._limits = folder, limits
        if not (folder / MANIFEST_NAME).exists():
            reason = f"is not a package: it has no {MANIFEST_NAME}"
            raise PackageInvalid(str(folder), reason, is_there=False)

    def signature(self) -> bytes | None:
        return self._read(SIGNATURE_NAME)

    def files(self, names: tuple[str, ...] | None) -> Mapping[str, bytes]:
        if names is None:
            names = self._declared()
        found = {name: self._read(name) for name in names}
        return {name: content for name, content in found.items() if content is not None}

    def _declared(self) -> tuple[str, ...]:
        names = member_names(None, self._read(MANIFEST_NAME) or b"", str(self._folder))
        sources = source_names(self._read(names[1]), f"{self._folder}/{names[1]}")
        return tuple(dict.fromkeys((*names, *sources)))

    def _read(self, name: str) -> bytes | None:
        reason = judge_path(name)
        if reason:
            raise PackageInvalid(str(self._folder), reason, member=name)
        path = self._folder / name
        if not path.resolve().is_relative_to(self._folder.resolve()):
            raise PackageInvalid(str(self._folder), "leads out of the folder", member=name)
        return _read_regular(path, str(self._folder), self._limits.member_bytes, name)


def _digests(
    files: Mapping[str, bytes], signature: bytes | None, verified: VerifiedStatement | None
) -> Mapping[str, str]:
    """Return the digests; files hashed for the verification are not hashed again."""
    if verified is None:
        found = {path: hashlib.sha256(content).hexdigest() for path, content in files.items()}
    else:
        found = {path: each.sha256 for path, each in verified.statement.files.items()}
    if signature is not None:
        found[SIGNATURE_NAME] = hashlib.sha256(signature).hexdigest()
    return found


def _with_signature(files: Mapping[str, bytes], signature: bytes | None) -> Mapping[str, bytes]:
    return {**files, SIGNATURE_NAME: signature} if signature is not None else files


def _read_archive_file(path: Path, limits: ArchiveLimits) -> bytes:
    content = _read_regular(path, str(path), limits.total_bytes)
    if content is None:
        raise PackageInvalid(str(path), "does not exist", is_there=False)
    return content


def _read_regular(path: Path, source: str, most: int, member: str | None = None) -> bytes | None:
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(path, flags)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise PackageInvalid(source, f"cannot be read: {error.strerror}", member=member) from error
    except ValueError as error:  # a NUL in the path
        raise PackageInvalid(source, f"cannot be read: {error}", is_there=False) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        reason = "is not a regular file"
        raise PackageInvalid(source, reason, member=member, is_there=member is not None)
    with os.fdopen(descriptor, "rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise PackageInvalid(source, f"is larger than {most} bytes", member=member)
    return content


def write_whole(path: Path, content: bytes) -> None:
    try:
        replace_file(path, content, mode=0o666)
    except OSError as error:
        failure = HomeUnusable(str(path), f"cannot be written: {error.strerror}")
        failure.hint = "Check the folder's permissions, and that its disk accepts writes."
        raise failure from error
