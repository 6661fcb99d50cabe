"""Look into a component: what it offers, uses and needs, and what it is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
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
        size_bytes: The component's size; with its sources, where it is an index of them.
        manifest: Its manifest; None for a file of WebAssembly alone.
        report: Its imports and exports, the capabilities that they need, and in `problems` what
            this host lacks or refuses.
        anatomy: Its WIT, its sections by size, and its producers; None for sources, which an
            interpreter runs.
        unasked: The capabilities that its imports need and its manifest does not ask for.
        interpreter: The ABI of the interpreter that runs its sources; None for WebAssembly.
        sources: The bytes of each source in its package, the largest first; empty for WebAssembly,
            and where only the index was read.
    """

    source: Path
    size_bytes: int
    manifest: Manifest | None
    report: ContractReport
    anatomy: Anatomy | None
    unasked: tuple[str, ...]
    interpreter: str | None = None
    sources: Mapping[str, int] = field(default_factory=dict[str, int])

    @property
    def wit(self) -> str:
        """Its world in WIT, with the interfaces where it is WebAssembly."""
        if self.anatomy is not None:
            return self.anatomy.wit
        imports = "".join(f"  import {each};\n" for each in self.report.imports)
        exports = "".join(f"  export {each};\n" for each in self.report.exports)
        return f"package root:component;\n\nworld root {{\n{imports}\n{exports}}}\n"


def inspect_component(source: Path) -> Inspection:
    """Inspect a file of WebAssembly, a `.airswasm` package, or a project that is built.

    Raises:
        NotAProject: The folder has no Component.toml.
        ArtifactMissing: The project is not built.
        NotAComponent: The file holds something else.
        WitTooComplex: Its types exceed what is read.
        SourceIndexInvalid: It is the index of sources, and no valid one.
        PackageInvalid, ManifestInvalid: It is no valid package.
        OSError: The file cannot be read.
    """
    file, manifest, wasm, size_of = _read(source)
    blocks = Blocks.find()
    offered = {*blocks.interfaces, *blocks.contract.host_interfaces}
    index = SourceIndex.parse(wasm, str(file)) if SourceIndex.is_index(wasm) else None
    anatomy = read_anatomy(wasm) if index is None else None
    report = check_artifact(wasm, offered=offered, against=blocks.contract)
    unasked: tuple[str, ...] = ()
    if manifest is not None:
        unasked = unasked_capabilities(manifest, report, world_of(source))
    if index is None:
        return Inspection(file, len(wasm), manifest, report, anatomy, unasked)
    sizes = {each.path: size_of(each.path) for each in index.files.values()} if size_of else {}
    sources = dict(sorted(sizes.items(), key=lambda each: (-each[1], each[0])))
    size = len(wasm) + sum(sources.values())
    return Inspection(file, size, manifest, report, None, unasked, index.abi, sources)


def _read(
    source: Path,
) -> tuple[Path, Manifest | None, bytes, Callable[[str], int] | None]:
    """Return the file, its manifest, its bytes, and the sizes of the files beside it."""
    if source.is_dir():
        if not (source / MANIFEST_NAME).is_file():
            raise NotAProject(source, MANIFEST_NAME)
        manifest = Manifest.load(source / MANIFEST_NAME, is_strict=False)
        artifact = source / manifest.build.artifact
        if not artifact.is_file():
            raise ArtifactMissing(artifact, built=False)
        content = artifact.read_bytes()
        return artifact, manifest, content, lambda path: (source / path).stat().st_size
    if source.suffix == PACKAGE_SUFFIX:
        package = Package.read(source, signature="unfinished")
        return source, package.manifest, package.wasm, lambda path: len(package.files[path])
    return source, None, source.read_bytes(), None
