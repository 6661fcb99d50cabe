from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from airswasm.lifecycle import Package, PackageUnsigned
from airswasm.sdk import (
    ArtifactMissing,
    NotAProject,
    next_sequence,
    pack_project,
    sign_project,
)
from airswasm.security import ContentMismatch, PrivateKey


@pytest.fixture
def project(counter: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(counter, tmp_path / "hello"))


def test_a_signed_project_reads_back_as_its_signer_s(project: Path, key: PrivateKey) -> None:
    """What is signed verifies, and says who and which sequence."""
    sign_project(project, key, sequence=7)
    package = Package.read(project)
    assert package.signer == key.public
    assert (package.name, package.sequence) == ("local/hello", 7)


def test_the_sequence_rises_even_within_a_second(project: Path, key: PrivateKey) -> None:
    """It follows the clock, and never falls behind the last signature."""
    first = sign_project(project, key, clock=lambda: 1000.0)
    second = sign_project(project, key, clock=lambda: 1000.0)
    assert (first.sequence, second.sequence) == (1000, 1001)
    assert next_sequence(project, clock=lambda: 500.0) == 1002


def test_signing_again_after_a_build_ignores_the_stale_signature(
    project: Path, key: PrivateKey
) -> None:
    """The old signature is about other bytes; that is no error."""
    sign_project(project, key)
    manifest = project / "Component.toml"
    manifest.write_text(manifest.read_text().replace("0.1.0", "0.2.0"))
    with pytest.raises(ContentMismatch):
        Package.read(project)
    assert sign_project(project, key).version == "0.2.0"
    assert Package.read(project).version == "0.2.0"


def test_what_was_not_built_cannot_be_signed(project: Path, key: PrivateKey) -> None:
    """The message says what to do first."""
    (project / "build" / "hello.wasm").unlink()
    with pytest.raises(ArtifactMissing) as caught:
        sign_project(project, key)
    assert "airswasm build" in caught.value.hint


def test_a_pack_is_the_same_for_the_same_project(project: Path, key: PrivateKey) -> None:
    """One file, the same bytes whenever it is written."""
    sign_project(project, key)
    first = pack_project(project).read_bytes()
    second = pack_project(project, project / "other.airswasm").read_bytes()
    assert first == second
    assert Package.read(project / "other.airswasm").name == "local/hello"


def test_an_unsigned_project_cannot_be_packed(project: Path) -> None:
    """What travels is signed."""
    with pytest.raises(PackageUnsigned):
        pack_project(project)


def test_a_folder_without_a_manifest_is_no_project(tmp_path: Path, key: PrivateKey) -> None:
    """The error says which file is missing, and nothing is written."""
    with pytest.raises(NotAProject, match=r"Component\.toml"):
        sign_project(tmp_path, key)
    assert list(tmp_path.iterdir()) == []
