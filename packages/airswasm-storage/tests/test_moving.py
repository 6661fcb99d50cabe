"""A copy of a store is the store, whatever was in the target, on every engine that keeps files."""

from __future__ import annotations

import tempfile
from pathlib import Path

import anyio
import pytest
from airswasm.storage import (
    Copied,
    EngineUnknown,
    ExportCheck,
    ExportInvalid,
    StorageCorrupted,
    StorageLocked,
    StorageUnavailable,
    copy_store,
    engine_of,
    open_store,
)
from airswasm.storage import _moving as moving
from airswasm.storage._backends.opening import Opening
from airswasm.storage._engines import find_engine
from airswasm.storage._layout.keys import EVERYTHING
from hypothesis import given, settings
from hypothesis import strategies as st

ENGINES = ("rocksdb", "sqlite")
PAIRS = [(source, target) for source in ENGINES for target in ENGINES]

content = st.dictionaries(
    st.binary(min_size=1, max_size=6).map(lambda key: b"d" + key), st.binary(max_size=9)
)


def put(folder: Path, engine: str, wanted: dict[bytes, bytes]) -> None:
    backend = Opening(folder, engine, find_engine(engine), read_only=False)()
    try:
        backend.apply(list(wanted.items()))
        backend.sync()
    finally:
        backend.close()


def read(folder: Path, engine: str) -> dict[bytes, bytes]:
    backend = Opening(folder, engine, find_engine(engine), read_only=True)()
    try:
        return dict(backend.scan(*EVERYTHING))
    finally:
        backend.close()


@pytest.mark.parametrize(("source", "target"), PAIRS)
@given(wanted=content, there=content, kept=st.integers(0, 50), step=st.integers(1, 7))
@settings(max_examples=12, deadline=None)
def test_a_copy_replaces_whatever_was_there(
    source: str,
    target: str,
    wanted: dict[bytes, bytes],
    there: dict[bytes, bytes],
    kept: int,
    step: int,
) -> None:
    """A part of an earlier copy, other keys, other values: in steps of any size."""
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setattr(moving, "_STEP_ENTRIES", step)
        folder = Path(name)
        put(folder / "a", source, wanted)
        part = dict(sorted(wanted.items())[:kept])
        put(folder / "b", target, {**there, **part})
        copied = anyio.run(copy_store, folder / "a", folder / "b", target)
        assert read(folder / "b", target) == wanted == read(folder / "a", source)
        assert copied.records == len(wanted)
        assert copied.written <= len(wanted) + len(there)
        assert engine_of(folder / "b") == target
        again = anyio.run(copy_store, folder / "a", folder / "b", target)
        assert again.written == 0


@pytest.mark.anyio
async def test_namespaces_logs_and_checkpoints_are_copied(tmp_path: Path) -> None:
    """All that the first store has is in the second one."""
    async with open_store(tmp_path / "a", "sqlite") as store:
        space = store.namespace("local/a")
        await space.set("k", b"1", ttl=3_600)
        await space.checkpoints.create("one")
        await store.log("orders").append(b"17")
    await copy_store(tmp_path / "a", tmp_path / "b", "rocksdb")
    async with open_store(tmp_path / "b", "rocksdb") as store:
        space = store.namespace("local/a")
        assert await space.get("k") == b"1"
        assert await space.ttl("k") is not None
        assert [each.label for each in space.checkpoints.list()] == ["one"]
        assert store.logs() == ("orders",)
        assert await space.recount() == await space.usage()


@pytest.mark.anyio
async def test_a_copy_that_does_not_hold_what_was_written_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second pass compares; here the disk forgets in between."""
    put(tmp_path / "a", "sqlite", {b"dk": b"1", b"dl": b"2"})
    steps = moving._Copying.steps

    def forgetful(self: moving._Copying, *, is_verifying: bool) -> object:
        if is_verifying:
            self.target.apply([(b"dl", b"3")])
        return steps(self, is_verifying=is_verifying)

    monkeypatch.setattr(moving._Copying, "steps", forgetful)
    with pytest.raises(StorageCorrupted):
        await copy_store(tmp_path / "a", tmp_path / "b", "sqlite")


@pytest.mark.anyio
async def test_a_cancelled_copy_lets_both_go(tmp_path: Path) -> None:
    """Both can be opened at once afterwards, and the copy goes on."""
    put(tmp_path / "a", "rocksdb", {b"d%05d" % number: bytes(100) for number in range(3_000)})
    with anyio.CancelScope() as scope:
        await copy_store(
            tmp_path / "a", tmp_path / "b", "sqlite", progress=lambda _: scope.cancel()
        )
    assert scope.cancelled_caught
    seen: list[Copied] = []
    copied = await copy_store(tmp_path / "a", tmp_path / "b", "sqlite", progress=seen.append)
    assert copied.written == 3_000 - 512
    assert [each.is_verifying for each in seen] == sorted(each.is_verifying for each in seen)


@pytest.mark.anyio
async def test_what_cannot_be_copied_is_refused(tmp_path: Path) -> None:
    """No store, no such engine, one that keeps nothing, and one that is in use."""
    with pytest.raises(StorageUnavailable):
        await copy_store(tmp_path / "a", tmp_path / "b", "sqlite")
    put(tmp_path / "a", "sqlite", {b"dk": b"1"})
    with pytest.raises(EngineUnknown):
        await copy_store(tmp_path / "a", tmp_path / "b", "sqlit")
    with pytest.raises(StorageUnavailable):
        await copy_store(tmp_path / "a", tmp_path / "b", "memory")
    async with open_store(tmp_path / "c", "rocksdb"):
        with pytest.raises(StorageLocked):
            await copy_store(tmp_path / "a", tmp_path / "c", "rocksdb")


@pytest.mark.anyio
async def test_an_export_is_checked_without_being_taken_in(tmp_path: Path) -> None:
    """Whose it is and how much; a cut one is refused."""
    async with open_store(tmp_path / "a", "sqlite") as store:
        await store.namespace("local/a").set("k", b"1")
        written = b"".join([chunk async for chunk in store.namespace("local/a").export()])
    check = ExportCheck()
    for at in range(0, len(written), 7):
        check.feed(written[at : at + 7])
    summary = check.finish()
    assert (summary.namespace, summary.entries, summary.size_bytes) == (
        "local/a", 1, len(written),
    )  # fmt: skip
    cut = ExportCheck()
    cut.feed(written[:-20])
    with pytest.raises(ExportInvalid):
        cut.finish()
