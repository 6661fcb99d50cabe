"""The export format, as another tool would read it."""

import hashlib
import json

import pytest
from airswasm.storage import ExportInvalid
from airswasm.storage._export import ExportReader, write_export
from hypothesis import given
from hypothesis import strategies as st

entries = st.dictionaries(
    st.text(min_size=1, max_size=20).filter(lambda text: text.isprintable()), st.binary(max_size=40)
)


@given(entries, st.integers(1, 50))
def test_it_comes_back_however_it_is_cut(content: dict[str, bytes], size: int) -> None:
    """Any content, in pieces of any size."""
    written = b"".join(write_export("a/b", iter(content.items())))
    reader = ExportReader()
    found = [
        pair
        for start in range(0, len(written), size)
        for pair in reader.feed(written[start : start + size])
    ]
    reader.finish()
    assert dict(found) == content


def read(written: bytes) -> dict[str, bytes]:
    reader = ExportReader()
    found = dict(reader.feed(written))
    reader.finish()
    return found


@given(entries, st.data())
def test_no_byte_can_be_changed_unnoticed(content: dict[str, bytes], data: st.DataObject) -> None:
    """What is taken in is what was exported, or nothing is."""
    written = bytearray(b"".join(write_export("a/b", iter(content.items()))))
    index = data.draw(st.integers(0, len(written) - 1))
    written[index] ^= data.draw(st.integers(1, 255))
    with pytest.raises(ExportInvalid):
        read(bytes(written))


def test_the_format_is_the_documented_one() -> None:
    """JSON lines: header, entries, and an end that vouches for them."""
    header, entry, end = b"".join(write_export("a/b", [("k", b"1")])).splitlines(keepends=True)
    assert json.loads(header) == {"format": "airswasm-storage-export-v1", "namespace": "a/b"}
    assert json.loads(entry) == {"key": "k", "value": "MQ=="}
    assert json.loads(end) == {"entries": 1, "sha256": hashlib.sha256(header + entry).hexdigest()}
