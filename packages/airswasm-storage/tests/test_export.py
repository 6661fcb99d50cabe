"""The export format, as another tool would read it."""

import hashlib
import json
from collections.abc import Iterable

import pytest
from airswasm.storage import ExportCheck, ExportInvalid
from airswasm.storage._spaces.export import ExportedEntry, ExportReader, write_export
from hypothesis import given
from hypothesis import strategies as st

entries = st.dictionaries(
    st.text(min_size=1, max_size=20).filter(lambda text: text.isprintable()),
    st.tuples(st.binary(max_size=40), st.none() | st.floats(0, 1e10)),
)
Content = dict[str, tuple[bytes, float | None]]


def exported(content: Content) -> bytes:
    return b"".join(
        write_export("a/b", 7.25, (ExportedEntry(k, *rest) for k, rest in content.items()))
    )


def as_content(found: Iterable[ExportedEntry]) -> Content:
    return {entry.key: (entry.value, entry.expires_at) for entry in found}


@given(entries, st.integers(1, 50))
def test_it_comes_back_however_it_is_cut(content: Content, size: int) -> None:
    """Any content, in pieces of any size."""
    written = exported(content)
    reader = ExportReader()
    found = [
        pair
        for start in range(0, len(written), size)
        for pair in reader.feed(written[start : start + size])
    ]
    reader.finish()
    assert as_content(found) == content


def read(written: bytes) -> Content:
    reader = ExportReader()
    found = as_content(reader.feed(written))
    reader.finish()
    return found


@given(entries, st.data())
def test_no_byte_can_be_changed_unnoticed(content: Content, data: st.DataObject) -> None:
    """What is taken in is what was exported, or nothing is."""
    written = bytearray(exported(content))
    index = data.draw(st.integers(0, len(written) - 1))
    written[index] ^= data.draw(st.integers(1, 255))
    with pytest.raises(ExportInvalid):
        read(bytes(written))


def test_the_format_is_the_documented_one() -> None:
    """JSON lines: header, entries, and an end that vouches for them."""
    content: Content = {"k": (b"1", None), "l": (b"", 7.5)}
    header, entry, timed, end = exported(content).splitlines(keepends=True)
    assert json.loads(header) == {
        "format": "airswasm-storage-export-v1",
        "namespace": "a/b",
        "created": 7.25,
    }
    assert json.loads(entry) == {"key": "k", "value": "MQ=="}
    assert json.loads(timed) == {"key": "l", "value": "", "expires": 7.5}
    digest = hashlib.sha256(header + entry + timed).hexdigest()
    assert json.loads(end) == {"entries": 2, "sha256": digest}


@pytest.mark.parametrize("expires", ["true", '"7"', "[]", "1e999", "NaN", "1e300", "1" + 400 * "0"])
def test_a_time_is_a_number(expires: str) -> None:
    """Anything else is refused, with its line, also where the end vouches for it."""
    lines = b'{"format":"airswasm-storage-export-v1","namespace":"a/b","created":7}\n'
    lines += b'{"key":"k","value":"","expires":%s}\n' % expires.encode()
    end = {"entries": 1, "sha256": hashlib.sha256(lines).hexdigest()}
    with pytest.raises(ExportInvalid, match="line 2"):
        read(lines + json.dumps(end).encode() + b"\n")


@pytest.mark.parametrize("created", ["true", '"7"', "null", "1e999", "NaN", "1" + 400 * "0"])
def test_an_export_says_when_it_was_made(created: str) -> None:
    """A check tells it; without a date it is no export."""
    check = ExportCheck()
    check.feed(exported({}))
    assert check.finish().created_at == 7.25
    with pytest.raises(ExportInvalid, match="line 1"):
        read(b'{"format":"airswasm-storage-export-v1","namespace":"a/b","created":%s}\n'
             % created.encode())  # fmt: skip


def test_a_format_of_the_future_is_named() -> None:
    """So that its reader knows what to update."""
    with pytest.raises(ExportInvalid, match="its format is 'airswasm-storage-export-v2'"):
        read(b'{"format":"airswasm-storage-export-v2","namespace":"a/b"}\n')
