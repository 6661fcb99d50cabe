"""A package is verified before anything in it is parsed, and holds exactly what was signed."""

import contextlib
import os
import sys
from hashlib import sha256
from pathlib import Path

import pytest
from airswasm.lifecycle import (
    ArchiveLimits,
    ManifestInvalid,
    Package,
    PackageInvalid,
    PackageUnsigned,
    WrongPackage,
    archive_of,
)
from airswasm.lifecycle._packages.archive import read_archive, write_archive
from airswasm.security import (
    ContentMismatch,
    InvalidSignature,
    PrivateKey,
    SecurityError,
    Statement,
    generate_key,
    sign,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

MANIFEST = b"""
[component]
name = "local/hello"
version = "0.1.0"
[build]
artifact = "build/hello.wasm"
include = ["README.md"]
"""
FILES = {"Component.toml": MANIFEST, "build/hello.wasm": b"\0asm1234", "README.md": b"# Hello\n"}


@pytest.fixture(scope="module")
def key() -> PrivateKey:
    return generate_key()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, content in FILES.items():
        path = tmp_path / "hello" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (tmp_path / "hello" / "hello.c").write_text("not part of the package")
    return tmp_path / "hello"


@pytest.fixture
def signed(folder: Path, key: PrivateKey) -> Package:
    package = Package.read(folder, signature="ignored").sign(key, sequence=7)
    package.write_signature(folder)
    return package


def test_a_folder_holds_the_declared_files(folder: Path) -> None:
    """Sources and leftovers around them do not matter."""
    package = Package.read(folder, signature="optional")
    assert package.files == FILES
    assert package.wasm == FILES["build/hello.wasm"]
    assert not package.is_signed
    assert package.sequence == 0


def test_unsigned_is_refused_unless_asked_for(folder: Path) -> None:
    """With what to do about it."""
    with pytest.raises(PackageUnsigned) as caught:
        Package.read(folder)
    assert "airswasm sign" in caught.value.hint


def test_folder_and_archive_are_the_same_package(
    folder: Path, signed: Package, key: PrivateKey, tmp_path: Path
) -> None:
    """Signed in the one form, valid in the other."""
    signed.write_archive(tmp_path / "hello.airswasm")
    from_folder, from_file = Package.read(folder), Package.read(tmp_path / "hello.airswasm")
    assert from_folder.files == from_file.files == FILES
    assert from_file.sequence == 7
    assert from_file.signer == key.public
    assert from_folder.to_archive() == from_file.to_archive()


def test_the_bytes_of_an_archive_are_read_like_the_file(signed: Package) -> None:
    """Verified, with the same limits, and named as the caller calls it in messages."""
    content = signed.to_archive()
    assert Package.from_bytes(content).files == FILES
    with pytest.raises(PackageInvalid, match=r"^upload: "):
        Package.from_bytes(content[:-1], source="upload")
    with pytest.raises(PackageUnsigned):
        Package.from_bytes(Package.from_files(FILES).to_archive())
    with pytest.raises(PackageInvalid, match="more than 10 bytes"):
        Package.from_bytes(content, limits=ArchiveLimits(member_bytes=10))


def test_an_archive_for_a_host_holds_the_package_unjudged(
    folder: Path, signed: Package, tmp_path: Path
) -> None:
    """The sender hashes nothing; what it sends is refused where it is verified."""
    file = tmp_path / "hello.airswasm"
    signed.write_archive(file)
    assert archive_of(file) == file.read_bytes()
    assert Package.from_bytes(archive_of(folder)).files == FILES
    (folder / "README.md").write_text("changed")
    with pytest.raises(ContentMismatch, match=r"README\.md"):
        Package.from_bytes(archive_of(folder))
    (folder / "component.sig").unlink()
    unsigned = Package.from_bytes(archive_of(folder), signature="optional")
    assert sorted(unsigned.files) == sorted(FILES)


@pytest.mark.parametrize("name", ["none", "nu\0l", "."])
def test_what_is_no_package_cannot_be_sent(tmp_path: Path, name: str) -> None:
    """With the same error as reading it."""
    for read in (archive_of, Package.read):
        with pytest.raises(PackageInvalid):
            read(tmp_path / name)


def test_the_digest_of_a_package_is_over_paths_and_bytes(signed: Package) -> None:
    """Whatever way it came; each file's own digest is at hand without hashing again."""
    again = Package.from_bytes(signed.to_archive())
    assert again.digest == signed.digest
    assert again.digests == signed.digests
    assert signed.digests["README.md"] == sha256(FILES["README.md"]).hexdigest()
    assert signed.wasm_digest == sha256(signed.wasm).hexdigest()
    for files in ({**FILES, "README.md": b""}, {**FILES, "READYOU.md": FILES["README.md"]}):
        assert Package.from_files(files).digest != Package.from_files(FILES).digest


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_changed_byte_is_refused(folder: Path, signed: Package, name: str) -> None:
    """In any file, the manifest included."""
    path = folder / name
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(ContentMismatch, match=name):
        Package.read(folder)


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_missing_file_is_refused(folder: Path, signed: Package, name: str) -> None:
    """What was signed has to be there."""
    (folder / name).unlink()
    with pytest.raises((ContentMismatch, PackageInvalid)):
        Package.read(folder)


def test_an_added_member_is_refused(signed: Package, tmp_path: Path) -> None:
    """An archive holds nothing that was not signed."""
    members = read_archive(signed.to_archive(), "x")
    path = tmp_path / "more.airswasm"
    path.write_bytes(write_archive({**members, "more.txt": b"x"}))
    with pytest.raises(ContentMismatch, match=r"more\.txt"):
        Package.read(path)


def test_nothing_is_parsed_before_the_signature_holds(folder: Path, signed: Package) -> None:
    """A manifest that would not even parse is a mismatch, not a manifest error."""
    (folder / "Component.toml").write_bytes(b"[[[")
    with pytest.raises(ContentMismatch):
        Package.read(folder)


@pytest.mark.parametrize("envelope", [b"", b"\n", b"airswasm-signature-v1\n{}\n", b"\xff" * 100])
def test_a_broken_signature_is_refused_even_if_none_is_needed(
    folder: Path, envelope: bytes
) -> None:
    """`optional` is about packages without one."""
    (folder / "component.sig").write_bytes(envelope)
    with pytest.raises(InvalidSignature):
        Package.read(folder, signature="optional")


def test_a_signature_for_another_name_is_refused(key: PrivateKey) -> None:
    """The statement's name and version are the manifest's."""
    for name, version in (("local/other", "0.1.0"), ("local/hello", "0.1.1")):
        envelope = sign(Statement.of(name, version, 1, FILES), key)
        with pytest.raises(WrongPackage):
            Package.from_files(FILES, signature=envelope)


@given(data=st.data())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_flipped_byte_of_an_archive_goes_unnoticed(
    data: st.DataObject, key: PrivateKey, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Either the same package, or a typed refusal."""
    whole = Package.from_files(FILES).sign(key, sequence=1).to_archive()
    position = data.draw(st.integers(0, len(whole) - 1))
    damaged = bytearray(whole)
    damaged[position] ^= data.draw(st.integers(1, 255))
    path = tmp_path_factory.mktemp("flip") / "p.airswasm"
    path.write_bytes(damaged)
    with contextlib.suppress(PackageInvalid, SecurityError, PackageUnsigned):
        assert Package.read(path).files == FILES


def test_a_symlink_out_of_the_folder_is_refused(folder: Path, tmp_path: Path) -> None:
    """A package cannot carry off what lies elsewhere."""
    (tmp_path / "secret").write_text("secret")
    (folder / "README.md").unlink()
    (folder / "README.md").symlink_to(tmp_path / "secret")
    with pytest.raises(PackageInvalid, match="out of the folder"):
        Package.read(folder, signature="optional")


@pytest.mark.skipif(sys.platform == "win32", reason="no named pipes in folders")
def test_a_pipe_in_place_of_a_file_does_not_hang(folder: Path) -> None:
    """Only regular files are read."""
    (folder / "README.md").unlink()
    os.mkfifo(folder / "README.md")
    with pytest.raises(PackageInvalid, match="regular"):
        Package.read(folder, signature="optional")


def test_a_folder_in_place_of_a_file_is_named(folder: Path) -> None:
    """The error says which file, not which descriptor."""
    (folder / "README.md").unlink()
    (folder / "README.md").mkdir()
    with pytest.raises(PackageInvalid, match=r"README\.md.*regular"):
        Package.read(folder, signature="optional")


def test_an_unbuilt_component_is_told_to_build(folder: Path) -> None:
    """The missing artifact is named."""
    (folder / "build/hello.wasm").unlink()
    with pytest.raises(PackageInvalid, match=r"build/hello\.wasm.*build it"):
        Package.read(folder, signature="optional")


def test_what_is_no_package_is_one_clear_line(tmp_path: Path) -> None:
    """An empty folder, a missing path, any other file."""
    (tmp_path / "x.airswasm").write_bytes(b"hello")
    for source in (tmp_path, tmp_path / "none", tmp_path / "x.airswasm"):
        with pytest.raises(PackageInvalid, match=str(source)):
            Package.read(source)


def test_a_bad_manifest_in_a_folder_names_its_line(folder: Path) -> None:
    """Before signing, the manifest is checked like any other."""
    (folder / "Component.toml").write_bytes(MANIFEST + b"[limts]\n")
    with pytest.raises(ManifestInvalid, match=r"Component\.toml:8: limts"):
        Package.read(folder, signature="optional")


def test_signing_anew_ignores_the_old_signature(
    folder: Path, signed: Package, key: PrivateKey
) -> None:
    """After a rebuild the old one does not hold any more, and must not be in the way."""
    (folder / "build/hello.wasm").write_bytes(b"\0asm5678")
    again = Package.read(folder, signature="ignored").sign(key, sequence=8)
    again.write_signature(folder)
    assert Package.read(folder).sequence == 8
