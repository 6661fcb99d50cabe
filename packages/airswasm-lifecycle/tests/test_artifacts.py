"""A file is stored once under its digest, and what is read is what was stored."""

import hashlib
import os
import sys
from pathlib import Path

import pytest
from airswasm.lifecycle import ArtifactCorrupt, ArtifactStore, HomeUnusable
from hypothesis import given
from hypothesis import strategies as st


@given(st.binary(max_size=1000))
def test_what_is_added_is_read(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """Under its SHA-256."""
    store = ArtifactStore(tmp_path_factory.mktemp("artifacts"))
    digest = store.add(content)
    assert digest == hashlib.sha256(content).hexdigest()
    assert store.read(digest) == content


def test_twice_is_once(tmp_path: Path) -> None:
    """The same bytes are one file, and nothing else is left around."""
    store = ArtifactStore(tmp_path)
    assert store.add(b"x") == store.add(b"x")
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 1


def test_changed_bytes_are_refused(tmp_path: Path) -> None:
    """Reading hashes the very bytes it returns."""
    store = ArtifactStore(tmp_path)
    digest = store.add(b"good")
    store.path(digest).write_bytes(b"evil")
    with pytest.raises(ArtifactCorrupt, match="changed"):
        store.read(digest)


def test_adding_again_mends_a_damaged_file(tmp_path: Path) -> None:
    """Installing the package again is the advice, so it has to help."""
    store = ArtifactStore(tmp_path)
    digest = store.add(b"good")
    store.path(digest).write_bytes(b"evil")
    store.add(b"good")
    assert store.read(digest) == b"good"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """With its path."""
    store = ArtifactStore(tmp_path)
    with pytest.raises(ArtifactCorrupt) as caught:
        store.read("ab" * 32)
    assert caught.value.path == str(store.path("ab" * 32))


def test_sweeping_keeps_what_is_needed(tmp_path: Path) -> None:
    """Leftovers of interrupted writes go as well."""
    store = ArtifactStore(tmp_path)
    kept, gone = store.add(b"kept"), store.add(b"gone")
    (store.path(kept).parent / ".staged-1").write_bytes(b"half")
    assert store.sweep({kept}) == (2, 8)
    assert [path.name for path in tmp_path.iterdir()] == [kept[:2]]
    assert store.has(kept)
    assert not store.has(gone)


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root writes anywhere")
def test_a_folder_that_cannot_be_written_is_a_clear_error(tmp_path: Path) -> None:
    """And nothing half-written stays."""
    tmp_path.chmod(0o500)
    with pytest.raises(HomeUnusable):
        ArtifactStore(tmp_path).add(b"x")
