"""Look into a component: what it offers, uses and needs, and what it is made of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from airswasm.lifecycle import (
    MANIFEST_NAME,
    PACKAGE_SUFFIX,
    Manifest,
    Package,
    SourceIndex,
    check_artifact,
)
from airswasm.wit import Anatomy, Blocks, ContractReport, read_anatomy

from ._asking import unasked_capabilities, world_of
from .errors import ArtifactMissing, NotAProject

__all__ = ("Inspection", "inspect_component")


@dataclass(frozen=True, slots=True)
class Inspection:
    """The facts about a component before it runs.

    Attributes:
        source: The file that was read.
        size_bytes: The component's size.
        manifest: Its manifest; None for a file of WebAssembly alone.
        report: Its imports and exports, the capabilities that they need, and in `problems` what
            this host lacks or refuses.
        anatomy: Its WIT, its sections by size, and its producers; None for sources, which an
            interpreter runs.
        unasked: The capabilities that its imports need and its manifest does not ask for.
    """

    source: Path
    size_bytes: int
    manifest: Manifest | None
    report: ContractReport
    anatomy: Anatomy | None
    unasked: tuple[str, ...]


def inspect_component(source: Path) -> Inspection:
    """Inspect a file of WebAssembly, a `.airswasm` package, or a project that is built.

    A component that is sources is inspected as far as its index tells.

    Raises:
        NotAProject: The folder has no Component.toml.
        ArtifactMissing: The project is not built.
        NotAComponent: The file holds something else.
        WitTooComplex: Its types exceed what is read.
        PackageInvalid, ManifestInvalid: It is no valid package.
        OSError: The file cannot be read.
    """
    file, manifest, wasm = _read(source)
    blocks = Blocks.find()
    offered = {*blocks.interfaces, *blocks.contract.host_interfaces}
    anatomy = None if SourceIndex.is_index(wasm) else read_anatomy(wasm)
    report = check_artifact(wasm, offered=offered, against=blocks.contract)
    unasked: tuple[str, ...] = ()
    if manifest is not None:
        unasked = unasked_capabilities(manifest, report, world_of(source))
    return Inspection(file, len(wasm), manifest, report, anatomy, unasked)


def _read(source: Path) -> tuple[Path, Manifest | None, bytes]:
    if source.is_dir():
        if not (source / MANIFEST_NAME).is_file():
            raise NotAProject(source, MANIFEST_NAME)
        manifest = Manifest.load(source / MANIFEST_NAME, is_strict=False)
        artifact = source / manifest.build.artifact
        if not artifact.is_file():
            raise ArtifactMissing(artifact, built=False)
        return artifact, manifest, artifact.read_bytes()
    if source.suffix == PACKAGE_SUFFIX:
        package = Package.read(source, signature="unfinished")
        return source, package.manifest, package.wasm
    return source, None, source.read_bytes()
