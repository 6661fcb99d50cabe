"""Payloads from strangers: what is read, what is refused, and how fast."""

import datetime
from decimal import Decimal

import cbor2
import pytest
from airswasm.messaging import (
    CBOR_MARK,
    InvalidCbor,
    Unencodable,
    codec_of,
    decode,
    decode_cbor,
    encode,
    encode_cbor,
)
from airswasm.messaging._codecs import walk_cbor
from hypothesis import given
from hypothesis import strategies as st

texts = st.text(max_size=10)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**64), 2**64 - 1)
    | st.floats(allow_nan=False)
    | texts
    | st.binary(max_size=10)
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(texts | st.binary(max_size=4), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(values)
def test_values_come_back(value: object) -> None:
    """The JSON model with bytes and 64-bit numbers goes there and back."""
    payload = encode_cbor(value)
    assert codec_of(payload) == "cbor"
    assert decode_cbor(payload) == value
    assert decode(payload) == value


@given(values)
def test_equal_values_are_equal_bytes(value: object) -> None:
    """Deterministic, so that payloads can be compared and cached."""
    assert encode_cbor(decode_cbor(encode_cbor(value))) == encode_cbor(value)


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    """Never another exception, and never a value that the check refuses."""
    try:
        value = decode_cbor(CBOR_MARK + content)
    except InvalidCbor:
        return
    assert encode_cbor(value)


@given(values, st.data())
def test_no_payload_can_be_cut_or_extended(value: object, data: st.DataObject) -> None:
    """A prefix is no payload, and neither is one with something behind it."""
    payload = encode_cbor(value)
    with pytest.raises(InvalidCbor):
        decode_cbor(payload[: data.draw(st.integers(3, len(payload) - 1))])
    with pytest.raises(InvalidCbor):
        decode_cbor(payload + b"\0")


BAD = {
    "81" * 100_000: "deep",
    "d82363282e2a29": "tags",
    "d81c81d81d00": "tags",
    "c249010000000000000000": "tags",
    "d9d9f700": "tags",
    "9bffffffffffffffff": "beyond",
    "bbffffffffffffffff": "beyond",
    "5bffffffffffffffff00": "beyond",
    "7affffffff61": "beyond",
    "a2616101616102": "uplicate",
    "a10102": "key",
    "a1f602": "key",
    "a1820102": "key",
    "9f01ff": "indefinite",
    "5f4101ff": "indefinite",
    "bf616101ff": "indefinite",
    "7f6161ff": "indefinite",
    "ff": "simple|indefinite",
    "f7": "undefined",
    "f0": "simple",
    "f8ff": "simple",
    "1c": "malformed",
    "1d00": "malformed",
    "18": "cut short",
    "1b00000000": "cut short",
    "fb0000": "cut short",
    "0000": "follow",
    "": "cut short",
    "61ff": "text",
    "62c328": "text",
    "8201": "beyond",
    "820161": "cut short|beyond",
}


@pytest.mark.parametrize(("content", "reason"), BAD.items(), ids=[key[:24] for key in BAD])
def test_tricks_are_refused(content: str, reason: str) -> None:
    """Tags, bombs, duplicates, odd keys, indefinite lengths, invalid text: typed, with a reason."""
    with pytest.raises(InvalidCbor, match=reason):
        decode_cbor(CBOR_MARK + bytes.fromhex(content))


def test_bombs_are_refused_at_once() -> None:
    """Before much of them is looked at; nothing is built."""
    bombs = [
        b"\x81" * 1_000_000,
        b"\x9a\x00\xff\xff\xff" * 100_000,
        b"\xbb" + b"\xff" * 8,
        b"\xa0" * 2,
    ]
    for bomb in bombs:
        steps = walk_cbor(CBOR_MARK + bomb)
        with pytest.raises(InvalidCbor):  # within the first step, of a thousand items
            next(steps)


@pytest.mark.parametrize(
    "value",
    [
        datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC),
        Decimal(1),
        2**64,
        -(2**64) - 1,
        {1: 2},
        {None: 1},
        {"a"},
        object(),
        cbor2.undefined,
        cbor2.CBORTag(1, 1),
        "\ud800",
        [[object()]],
    ],
)
def test_values_without_a_form_are_refused(value: object) -> None:
    """What a receiver would refuse is not sent."""
    with pytest.raises(Unencodable):
        encode_cbor(value)


def test_a_value_that_holds_itself_is_refused() -> None:
    """And so is one nested deeper than a receiver reads."""
    ring: list[object] = []
    ring.append(ring)
    deep: object = 1
    for _ in range(33):
        deep = [deep]
    for value in (ring, deep):
        with pytest.raises(Unencodable):
            encode_cbor(value)


def test_raw_is_bytes_or_text() -> None:
    """Everything else needs a codec that can say what it is."""
    assert encode("é", "raw") == "é".encode()
    assert encode(bytearray(b"1"), "raw") == b"1"
    assert decode(b"plain") == b"plain"
    assert codec_of(b"plain") == "raw"
    for value in (1, None, {}, "\ud800"):
        with pytest.raises(Unencodable):
            encode(value, "raw")
