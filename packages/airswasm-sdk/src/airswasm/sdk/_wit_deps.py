"""Copy what a project is written against into it: WIT packages, and the library of its language.

A project carries the packages that it was built against, so that it builds the same on a machine
with other blocks installed. Existing files belong to the author and stay.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from airswasm.lifecycle import MANIFEST_NAME, Manifest
from airswasm.wit import Blocks, guest_folder, rust_crate_folder, wit_folder

__all__ = ("add_wit_packages", "copy_contract", "copy_library")

_CONTRACT = "airswasm-component"


def copy_contract(folder: Path) -> None:
    """Copy the contract's package into a project's `wit/deps`."""
    _copy(wit_folder(), folder / "wit" / "deps" / _CONTRACT)


def copy_library(folder: Path) -> None:
    """Copy what the sources of a project import, where its language has such a library.

    Raises:
        ManifestInvalid: Component.toml is wrong.
    """
    language = Manifest.load(folder / MANIFEST_NAME, is_strict=False).build.language
    if language == "rust":
        shutil.copytree(rust_crate_folder(), folder / "airswasm-component")
    elif language == "go" or language == "javascript":
        shutil.copytree(guest_folder(language), folder / "airswasm")


def add_wit_packages(folder: Path, blocks: Blocks) -> None:
    """Copy each package that the world of a project names and its `wit/deps` lacks.

    Args:
        folder: The project; one without a `wit` folder stays unchanged.
        blocks: Sources of packages beside the contract.

    Raises:
        OSError: The folder cannot be written.
    """
    texts = [path.read_bytes() for path in (folder / "wit").glob("*.wit")]
    for package, name, source in _packages(blocks):
        target = folder / "wit" / "deps" / name
        if not target.exists() and any(f"{package}/".encode() in text for text in texts):
            _copy(source, target)


def _packages(blocks: Blocks) -> Iterator[tuple[str, str, Path]]:
    yield "airswasm:component", _CONTRACT, wit_folder()
    folders = blocks.wit_folders
    for each in blocks:
        if each.distribution in folders:
            for package in {name.partition("/")[0] for name in each.block.interfaces}:
                yield package, each.distribution, folders[each.distribution]


def _copy(source: Path, target: Path) -> None:
    shutil.copytree(
        source, target, ignore=lambda _folder, names: [n for n in names if not n.endswith(".wit")]
    )
