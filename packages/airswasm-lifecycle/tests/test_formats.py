"""A home of an earlier version is read, changed and rolled back; one of a later version is not.

`homes` has the homes, and the script that makes one.
"""

import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airswasm.lifecycle import (
    HomeReader,
    HomeUnusable,
    InstallPlan,
    RegistryTooNew,
    System,
    put_back_registry,
)
from airswasm.lifecycle._home.earlier import keep_earlier_file, read_rows
from airswasm.security import PrivateKey, TrustFileInvalid, verify_audit
from airswasm.storage import open_store

Approve = Callable[[InstallPlan], bool]
Workshop = Any  # tests/conftest.py, which nothing can import
NAME = "local/hello"
HOMES = Path(__file__).parent / "homes"
OWNER = PrivateKey.from_seed(bytes(range(32)))


@pytest.fixture(params=sorted(path.name for path in HOMES.glob("*.tar.xz")))
def old_home(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A home as that version left it."""
    with tarfile.open(HOMES / request.param) as archive:
        archive.extractall(tmp_path / "home", filter="data")
    return tmp_path / "home"


async def rows_of(home: Path) -> dict[str, bytes]:
    async with open_store(home / "store") as store:
        space = store.namespace("airswasm-registry")
        return {each.key: each.value async for each in space.entries()}


@pytest.mark.anyio
async def test_a_home_of_an_earlier_version_is_read_as_it_is(old_home: Path) -> None:
    """By what only looks, and nothing in it is written anew."""
    before = await rows_of(old_home)
    with HomeReader(old_home) as reader:
        assert [each.version for each in reader.info(NAME).versions] == ["0.1.0", "0.2.0"]
    async with System(old_home, mode="readonly") as system:
        assert system.info(NAME).version == "0.2.0"
        assert await system.history.read() == ()
    assert await rows_of(old_home) == before
    assert not (old_home / "earlier").exists()


@pytest.mark.anyio
async def test_a_home_of_an_earlier_version_is_changed_and_rolled_back(
    old_home: Path, workshop: Workshop, yes: Approve
) -> None:
    """Its data, grants, trust, settings and log are there, and its records were kept."""
    before = await rows_of(old_home)
    async with System(old_home) as system:
        assert system.policy.install.retain == 4
        assert await system.send(NAME, b"v") == b"0.2.0"
        assert await system.send(NAME, b"c") == b"\x03"
        (denied,) = (e for e in system.grant_report(NAME).entries if e.verdict == "denied")
        assert denied.reason == "an incident"
        (pin,) = system.trust.components()
        assert pin.key == OWNER.public
        (allowed,) = system.trust.trusted_keys()
        assert allowed.label == "a vendor"
        assert system.logs.recent(NAME)
        await system.update(workshop.package("0.3.0", key=OWNER), approve=yes)
        assert await system.send(NAME, b"v") == b"0.3.0"
        await system.rollback(NAME, "0.1.0")
        assert await system.send(NAME, b"v") == b"0.1.0"
        acts = [each.act for each in await system.history.read(NAME)]
        assert [each for each in acts if each != "checkpoint"] == ["update", "rollback"]
    (kept,) = (old_home / "earlier").glob("registry-*")
    assert read_rows(kept.read_bytes()) == before
    assert (
        json.loads((await rows_of(old_home))[NAME])["format"] > json.loads(before[NAME])["format"]
    )
    verify_audit(old_home / "audit" / "audit.jsonl")


@pytest.mark.anyio
async def test_the_records_of_an_earlier_version_can_be_put_back(
    old_home: Path, workshop: Workshop, yes: Approve
) -> None:
    """For that version; what was installed since is named, and left out."""
    before = await rows_of(old_home)
    async with System(old_home, mode="offline") as system:
        await system.install(workshop.package("0.3.0", key=OWNER), name="local/later", approve=yes)
    (kept,) = (old_home / "earlier").glob("registry-*")
    with pytest.raises(HomeUnusable, match="cannot be read"):
        await put_back_registry(old_home, old_home / "config.toml")
    assert await put_back_registry(old_home, kept) == ("local/later",)
    assert await rows_of(old_home) == before
    async with System(old_home) as system:
        assert await system.send(NAME, b"v") == b"0.2.0"
    assert len(list((old_home / "earlier").glob("registry-*"))) == 1


@pytest.mark.anyio
async def test_a_copy_that_cannot_be_kept_leaves_the_records_as_they_are(old_home: Path) -> None:
    """A host that cannot go back does not go on."""
    before = await rows_of(old_home)
    (old_home / "earlier").write_text("in the way")
    with pytest.raises(HomeUnusable, match="earlier"):
        async with System(old_home, mode="offline"):
            raise AssertionError
    assert await rows_of(old_home) == before


@pytest.mark.anyio
async def test_records_of_a_later_version_are_refused(
    tmp_path: Path, workshop: Workshop, yes: Approve
) -> None:
    """With what to do; by what looks and by what changes."""
    async with System(tmp_path, mode="offline") as system:
        await system.install(workshop.package(), approve=yes)
    rows = await rows_of(tmp_path)
    later = json.loads(rows[NAME]) | {"format": 99}
    async with open_store(tmp_path / "store") as store:
        await store.namespace("airswasm-registry").set(NAME, json.dumps(later).encode())
    with pytest.raises(RegistryTooNew, match="format 99") as caught, HomeReader(tmp_path):
        raise AssertionError
    assert "later" in caught.value.hint
    with pytest.raises(RegistryTooNew):
        async with System(tmp_path, mode="offline"):
            raise AssertionError


@pytest.mark.anyio
async def test_a_trust_file_of_an_earlier_format_is_kept_and_of_a_later_one_refused(
    old_home: Path,
) -> None:
    """Before the next change writes it anew."""
    file = old_home / "trust" / "trust.json"
    earlier = json.dumps(json.loads(file.read_text()) | {"format": 2}).encode()
    file.write_bytes(earlier)
    async with System(old_home, mode="offline") as system:
        await system.trust.allow("cd" * 32)
    (kept,) = (old_home / "earlier").glob("trust-format-2-*.json")
    assert kept.read_bytes() == earlier
    assert json.loads(file.read_text())["format"] == 3
    file.write_text(json.dumps(json.loads(file.read_text()) | {"format": 99}))
    with pytest.raises(TrustFileInvalid, match="later version"):
        async with System(old_home, mode="offline") as system:
            await system.trust.allow("ef" * 32)


def test_what_is_no_file_of_a_format_is_left_to_its_reader(tmp_path: Path) -> None:
    """Absent, damaged, deeply nested, or of today's format."""
    file, folder = tmp_path / "trust.json", tmp_path / "earlier"
    keep_earlier_file(folder, file, 3)
    for content in ("", "{", "[]", '{"format": "2"}', '{"format": 3}', "[" * 100_000):
        file.write_text(content)
        keep_earlier_file(folder, file, 3)
    assert not folder.exists()
    file.write_text('{"format": 1}')
    keep_earlier_file(folder, file, 3)
    keep_earlier_file(folder, file, 3)
    assert len(list(folder.iterdir())) == 1
