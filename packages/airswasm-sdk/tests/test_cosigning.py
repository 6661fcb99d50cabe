"""Packages that several people sign, and what builds leave behind."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from pathlib import Path

import pytest
from airswasm.lifecycle import Package, PackageUnsigned
from airswasm.sdk import BuildLimits, BuildTooLarge, cosign_package, next_sequence, sign_project
from airswasm.sdk._confinement import Confinement
from airswasm.sdk._source_build import _remove_leftovers
from airswasm.security import ContentMismatch, InvalidStatement, PrivateKey

REVIEWER, STRANGER = (PrivateKey.from_seed(bytes([each]) * 32) for each in (1, 2))


@pytest.fixture
def project(counter: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(counter, tmp_path / "hello"))


@pytest.mark.parametrize("is_archive", [False, True])
def test_a_package_is_whole_when_all_have_signed_that_it_names(
    project: Path, key: PrivateKey, *, is_archive: bool
) -> None:
    """In a folder or a file; only those, only once, and only what the owner has signed."""
    with pytest.raises(PackageUnsigned):
        cosign_package(project, REVIEWER)
    waiting = sign_project(project, key, sequence=7, cosigners=[REVIEWER.public])
    source = project
    if is_archive:
        source = project.parent / "hello.airswasm"
        waiting.write_archive(source)
    with pytest.raises(InvalidStatement):
        cosign_package(source, STRANGER)
    cosign_package(source, REVIEWER)
    package = Package.read(source)
    assert (package.signer, package.sequence) == (key.public, 7)
    assert next_sequence(project, clock=lambda: 0.0) == 8
    with pytest.raises(InvalidStatement):
        cosign_package(source, REVIEWER)


def test_a_cosigner_signs_what_the_owner_has_signed(project: Path, key: PrivateKey) -> None:
    """Files that changed since are refused, however little."""
    sign_project(project, key, cosigners=[REVIEWER.public])
    manifest = project / "Component.toml"
    manifest.write_text(manifest.read_text() + "\n")
    with pytest.raises(ContentMismatch):
        cosign_package(project, REVIEWER)


@pytest.mark.parametrize(
    "name", ["seconds", "processor_seconds", "memory_bytes", "output_bytes", "processes"]
)
@pytest.mark.parametrize("value", [0, -1, float("nan")])
def test_a_bound_of_a_build_is_above_0(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=name):
        BuildLimits(**{name: value})  # type: ignore[arg-type]


def test_a_build_may_write_so_many_bytes_in_all_files(tmp_path: Path) -> None:
    """Wherever they are in its folder; links that lead nowhere are no reason to give up."""
    confinement = Confinement(tmp_path, BuildLimits(output_bytes=1_000))
    (tmp_path / "deep" / "deeper").mkdir(parents=True)
    (tmp_path / "nowhere").symlink_to("absent")
    for number in range(3):
        (tmp_path / "deep" / f"{number}").write_bytes(bytes(300))
    confinement.check_size()
    (tmp_path / "deep" / "deeper" / "more").write_bytes(bytes(300))
    with pytest.raises(BuildTooLarge):
        confinement.check_size()


def test_builds_of_killed_commands_are_removed_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A day after, whatever modes a build has chosen; neither younger ones nor where links lead."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    outside = tmp_path / "outside"
    (outside / "kept").mkdir(parents=True)
    old, young, other = (
        tmp_path / name for name in ("airswasm-build-old", "airswasm-build-young", "other-old")
    )
    for folder in (old, young, other):
        (folder / "a" / "b").mkdir(parents=True)
        (folder / "a" / "b" / "file").write_text("x")
        (folder / "link").symlink_to(outside, target_is_directory=True)
        (folder / "a").chmod(0)
    (tmp_path / "airswasm-build-link").symlink_to(outside, target_is_directory=True)
    (tmp_path / "airswasm-build-file").write_text("x")
    yesterday = time.time() - 25 * 3600
    for each in (old, other, tmp_path / "airswasm-build-file"):
        os.utime(each, (yesterday, yesterday))
    outside.chmod(0o755)
    _remove_leftovers()
    assert sorted(each.name for each in tmp_path.iterdir()) == [
        "airswasm-build-file", "airswasm-build-link", "airswasm-build-young",
        "other-old", "outside",
    ]  # fmt: skip
    assert (outside / "kept").is_dir()
    for folder in (young, other):
        (folder / "a").chmod(0o700)
