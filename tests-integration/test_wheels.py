"""The distributions as a user gets them: contents and metadata of every wheel."""

from __future__ import annotations

import email
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DIST = ROOT / "dist"


def _layer(project: Path) -> object:
    """Return the layer that a pyproject.toml states: a number, or `extra`."""
    return tomllib.loads(project.read_text(encoding="utf-8"))["tool"]["airswasm"]["layer"]


LAYER_OF = {
    path.parent.name.replace("-", "_"): _layer(path)
    for path in sorted((ROOT / "packages").glob("*/pyproject.toml"))
}
#: The wheels of the blocks; an extra distribution may be laid out in another way.
WHEELS = sorted(
    wheel
    for wheel in DIST.glob("*.whl")
    if LAYER_OF.get(wheel.name.split("-")[0], "extra") != "extra"
)


#: Packages of the namespace that a block's wheel ships beside its own (docs/adr/0089).
BESIDE = {"sdk": ("component",)}


def block_of(wheel: Path) -> str:
    return wheel.name.split("-")[0].removeprefix("airswasm_")


def test_one_wheel_for_each_distribution() -> None:
    """The build leaves one wheel for each block, and otherwise extra distributions at most."""
    built = [path.name.split("-")[0] for path in DIST.glob("*.whl")]
    assert len(built) == len(set(built))
    assert {name for name, layer in LAYER_OF.items() if layer != "extra"} <= set(built)
    assert set(built) <= set(LAYER_OF)


@pytest.mark.parametrize("wheel", WHEELS, ids=block_of)
def test_contents(wheel: Path) -> None:
    """A wheel holds its own block, typed, with a licence, and what it is declared to ship."""
    names = zipfile.ZipFile(wheel).namelist()
    block = block_of(wheel)
    packages = (block, *BESIDE.get(block, ()))
    own = (f"airswasm_{block}-", *(f"airswasm/{each}/" for each in packages))
    assert [n for n in names if not n.startswith(own)] == []
    assert {f"airswasm/{each}/py.typed" for each in packages} <= set(names)
    assert any(name.endswith("/licenses/LICENSE") for name in names)
    assert not any("__pycache__" in name for name in names)
    assert not any(name.startswith(f"airswasm/{block}/tests/") for name in names)


@pytest.mark.parametrize("wheel", WHEELS, ids=block_of)
def test_metadata(wheel: Path) -> None:
    """The metadata says what it is, for whom, and within which bounds it needs its siblings."""
    archive = zipfile.ZipFile(wheel)
    (path,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
    metadata = email.message_from_bytes(archive.read(path))
    assert metadata["Requires-Python"] == "!=3.14.0,>=3.11"
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Summary"]
    assert len(str(metadata.get_payload())) > 500, "the README is what PyPI shows"
    for requirement in metadata.get_all("Requires-Dist", []):
        assert ">=" in requirement, f"{requirement} has no floor"
        if requirement.startswith("airswasm-"):
            assert "<" in requirement, f"{requirement} has no upper bound"


def test_the_contract_is_in_the_wit_wheel() -> None:
    """The WIT files of the repository are shipped as they are."""
    (wheel,) = [wheel for wheel in WHEELS if block_of(wheel) == "wit"]
    archive = zipfile.ZipFile(wheel)
    sources = sorted((ROOT / "wit").glob("*.wit"))
    assert sources
    for source in sources:
        assert archive.read(f"airswasm/wit/contract/{source.name}") == source.read_bytes()
