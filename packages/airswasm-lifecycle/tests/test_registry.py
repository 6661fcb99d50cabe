"""The registry changes in whole records, durably, and remembers what may come back."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
from airswasm.lifecycle import (
    ComponentRecord,
    DataCheckpoint,
    NotInstalled,
    Registry,
    RegistryCorrupt,
    VersionRecord,
)


class DictTable:
    """A table in memory; `fail` makes its next write fail."""

    def __init__(self) -> None:
        self.rows: dict[str, bytes] = {}
        self.fail = False

    async def read_all(self) -> Mapping[str, bytes]:
        return dict(self.rows)

    async def write(
        self, changes: Mapping[str, bytes | None], beside: Mapping[str, Mapping[str, bytes | None]]
    ) -> None:
        del beside
        if self.fail:
            raise OSError("disk full")
        for key, value in changes.items():
            if value is None:
                self.rows.pop(key, None)
            else:
                self.rows[key] = value


def version(number: int) -> VersionRecord:
    return VersionRecord(
        version=f"0.{number}.0",
        sequence=number,
        wasm_digest=f"{number:064x}",
        files={"Component.toml": "aa", "hello.wasm": f"{number:064x}"},
        asked={"storage.read": ("**",)},
        signer="key",
        installed_at=float(number),
    )


def record(name: str = "local/hello", first: int = 1) -> ComponentRecord:
    return ComponentRecord(name, name, "key", first, f"0.{first}.0", (version(first),))


@pytest.mark.anyio
async def test_what_is_put_is_there_after_opening_again() -> None:
    """Every field survives."""
    table = DictTable()
    await (await Registry.open(table)).put(record())
    assert (await Registry.open(table)).get("local/hello") == record()


@pytest.mark.anyio
async def test_what_an_operator_and_an_update_add_to_a_version_is_there_after_opening_again() -> (
    None
):
    """A pin, the time of its replacement, and its checkpoint; a record without them has none."""
    table = DictTable()
    taken = DataCheckpoint("c1", 7.0, 12, {"key": 3})
    kept = replace(
        version(1), is_pinned=True, replaced_at=7.5, checkpoint=taken, data_format="0.1.0"
    )
    put = replace(record(), versions=(kept,), data_format="0.1.0", set_aside="c2")
    await (await Registry.open(table)).put(put)
    assert (await Registry.open(table)).get("local/hello") == put
    assert put.labels == {"c1", "c2"}
    assert (
        not {"pinned", "replaced_at", "checkpoint", "data_format"} & version(1).to_document().keys()
    )


def test_a_version_that_is_replaced_knows_when() -> None:
    """By an update and by the way back; the active one was not."""
    updated = record().with_version(version(2))
    assert [each.replaced_at for each in updated.versions] == [2.0, None]
    returned = updated.with_active("0.1.0", 9.0)
    assert [each.replaced_at for each in returned.versions] == [None, 9.0]
    assert returned.active == "0.1.0"


@pytest.mark.anyio
async def test_a_failed_write_changes_nothing() -> None:
    """Neither on disk nor in memory."""
    table = DictTable()
    registry = await Registry.open(table)
    table.fail = True
    with pytest.raises(OSError, match="disk full"):
        await registry.put(record())
    assert "local/hello" not in registry


@pytest.mark.anyio
async def test_an_unknown_name_is_told_what_looks_like_it() -> None:
    """A did-you-mean."""
    registry = await Registry.open(DictTable())
    await registry.put(record())
    with pytest.raises(NotInstalled, match="did you mean local/hello"):
        registry.get("local/helo")


@pytest.mark.anyio
async def test_ten_thousand_names_are_one_write() -> None:
    """Bulk installation is a single batch."""
    steps: list[str] = []
    table = DictTable()
    registry = await Registry.open(table, checkpoint=steps.append)
    await registry.put(*(record(f"local/n{number}") for number in range(10_000)))
    assert steps == ["registry.before-write", "registry.after-write"]
    assert len(await Registry.open(table)) == 10_000


@pytest.mark.anyio
@pytest.mark.parametrize("content", [b"{}", b"", b'{"format":2}', b"[]", b'{"format":1}'])
async def test_a_damaged_record_is_named(content: bytes) -> None:
    """And never taken for 'not installed'."""
    table = DictTable()
    table.rows["local/hello"] = content
    with pytest.raises(RegistryCorrupt, match="local/hello"):
        await Registry.open(table)


@pytest.mark.anyio
async def test_digests_are_those_of_every_retained_file() -> None:
    """What sweeping must not remove."""
    registry = await Registry.open(DictTable())
    await registry.put(record().with_version(version(2)))
    assert registry.digests() == {"aa", f"{1:064x}", f"{2:064x}"}


@pytest.mark.anyio
async def test_a_file_is_released_once_and_only_by_the_last_record_that_needs_it() -> None:
    """Ten thousand names of one package share its files."""
    registry = await Registry.open(DictTable())
    await registry.put(record("local/a"), record("local/b").with_version(version(2)))
    await registry.remove("local/b")
    assert registry.take_released() == {f"{2:064x}"}
    assert registry.digests() == {"aa", f"{1:064x}"}
    await registry.remove("local/a")
    await registry.put(record("local/c"))
    assert registry.take_released() == frozenset()
