"""Tests of stores that an earlier version wrote.

`format-1.json` has every row of such a store, as it was written by the version before expiry and
the charge for entries: two namespaces, checkpoints, a log with a consumer.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from .._backends.opening import MARKER, has_store
from .._engines import open_store
from .._layout.space import ENTRY_BYTES
from .._reader import read_store
from ..errors import QuotaExceeded, StoreFormatUnknown
from ._suite import OpenBackend, Suite

ROWS = Path(__file__).with_name("format-1.json")
HELLO_BYTES, HELLO_KEYS = 242, 21
"""As the earlier version counted them."""


class FormatTests(Suite):
    """The promises about stores of an earlier format."""

    pytestmark = pytest.mark.anyio

    @pytest.fixture
    def written_before(self, durable: str, open_backend: OpenBackend, tmp_path: Path) -> Path:
        """Return the folder of a store of format 1."""
        rows: list[tuple[str, str]] = json.loads(ROWS.read_text(encoding="utf-8"))
        backend = open_backend()
        backend.apply([(base64.b64decode(key), base64.b64decode(value)) for key, value in rows])
        backend.sync()
        backend.close()
        marker = {"format": 1, "engine": durable}
        (tmp_path / "backend" / MARKER).write_text(json.dumps(marker), encoding="utf-8")
        return tmp_path / "backend"

    async def test_an_earlier_store_is_read_as_it_is(
        self, durable: str, written_before: Path
    ) -> None:
        """Read-only, with the usage of today, and without a change to it."""
        for _ in range(2):
            with read_store(written_before, durable) as reader:
                assert dict(reader.entries("local/hello"))["new"] == b""
                used = reader.used_bytes("local/hello")
                assert used == HELLO_BYTES + HELLO_KEYS * ENTRY_BYTES
        marker = json.loads((written_before / MARKER).read_text(encoding="utf-8"))
        assert marker["format"] == 1

    async def test_an_earlier_store_is_counted_anew(
        self, durable: str, written_before: Path
    ) -> None:
        """Once: usage equals a recount before and after writes, restarts and restores."""
        for turn in range(3):
            async with open_store(written_before, durable) as store:
                assert store.namespaces() == ("local/hello", "local/other")
                for name in store.namespaces():
                    space = store.namespace(name)
                    assert await space.usage() == await space.recount()
                space = store.namespace("local/hello")
                usage = await space.usage()
                assert usage.keys == HELLO_KEYS + (turn > 0)
                assert usage.used_bytes == (
                    HELLO_BYTES + (turn > 0) + usage.keys * ENTRY_BYTES + (turn > 1)
                )
                await space.batch({"+": bytes(turn)})
        async with open_store(written_before, durable) as store:
            space = store.namespace("local/hello")
            (checkpoint,) = space.checkpoints.list()
            assert checkpoint.used_bytes == 250 + 20 * ENTRY_BYTES
            await space.checkpoints.restore("v1")
            usage = await space.usage()
            assert (usage.used_bytes, usage.keys) == (checkpoint.used_bytes, checkpoint.keys)
            assert usage == await space.recount()
            assert await space.get("k19") == bytes([19]) * 19
            await space.set("k19", b"", ttl=60)
            assert await space.usage() == await space.recount()

    async def test_an_earlier_store_over_its_quota_may_shrink(
        self, durable: str, written_before: Path
    ) -> None:
        """Content that fitted by the earlier count stays, and can be read, replaced and deleted."""
        async with open_store(written_before, durable) as store:
            space = store.namespace("local/hello", quota_bytes=300)
            assert await space.get("k01") == b"\1"
            with pytest.raises(QuotaExceeded):
                await space.set("another", b"")
            await space.set("k01", b"\2")
            assert await space.delete("k01")

    async def test_an_earlier_log_goes_on(self, durable: str, written_before: Path) -> None:
        """With its entries, its numbers and its consumers."""
        async with open_store(written_before, durable) as store:
            log = store.log("orders")
            consumer = await log.consumer("billing")
            assert [entry.payload for entry in await consumer.receive()] == [b"2", b"3"]
            assert await log.append(b"4") == 4
            status = await log.status()
            assert (status.entries, status.size_bytes) == await log.recount()

    async def test_an_earlier_version_refuses_what_this_one_wrote(
        self, durable: str, written_before: Path
    ) -> None:
        """The marker changes with the first opening that may write; a later format is refused."""
        async with open_store(written_before, durable):
            pass
        marker = json.loads((written_before / MARKER).read_text(encoding="utf-8"))
        assert marker == {"format": 2, "engine": durable}
        assert has_store(written_before)
        (written_before / MARKER).write_text(json.dumps({**marker, "format": 3}), encoding="utf-8")
        with pytest.raises(StoreFormatUnknown):
            async with open_store(written_before, durable):
                pass
