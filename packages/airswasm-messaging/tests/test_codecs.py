"""Payloads from strangers: what is read, what is refused, and how fast."""

import datetime
import json
from collections.abc import Callable
from decimal import Decimal
from importlib.metadata import EntryPoint
from pathlib import Path
from types import SimpleNamespace

import cbor2
import msgpack
import pytest
from airswasm.messaging import (
    CODEC_GROUP,
    NONE,
    Acceptance,
    Codec,
    Codecs,
    InvalidCodec,
    InvalidPayload,
    Unencodable,
    UnknownCodec,
    codec_of,
    decode,
    encode,
    read_payload,
    read_varint,
    varint,
)
from airswasm.messaging._checks import check_codecs
from airswasm.messaging._codecs import installed
from hypothesis import given
from hypothesis import strategies as st

BINARY, ALL = ("cbor", "msgpack"), ("cbor", "msgpack", "json")
PREFIX = {codec.name: codec.prefix for codec in Codecs()}

texts = st.text(max_size=10)
plain = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
)


def nested(
    scalars: st.SearchStrategy[object], keys: st.SearchStrategy[object]
) -> st.SearchStrategy[object]:
    return st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
        max_leaves=20,
    )


with_bytes = nested(plain | st.binary(max_size=10), texts | st.binary(max_size=4))
values = {"cbor": with_bytes, "msgpack": with_bytes, "json": nested(plain, texts)}
coded = st.sampled_from(ALL).flatmap(lambda name: st.tuples(st.just(name), values[name]))


def read_all(payload: bytes) -> object:
    steps = read_payload(payload)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


@given(coded)
def test_values_come_back(case: tuple[str, object]) -> None:
    """The JSON model, with bytes where the codec has them, goes there and back."""
    name, value = case
    payload = encode(value, name)
    assert codec_of(payload) == name
    assert decode(payload) == value
    assert read_all(payload) == value


@given(with_bytes)
def test_equal_values_are_equal_cbor(value: object) -> None:
    """Deterministic, so that payloads can be compared and cached."""
    assert encode(decode(encode(value))) == encode(value)


@given(st.sampled_from(ALL), st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(name: str, content: bytes) -> None:
    """Never another exception, the same in steps, and never a value that the encoder refuses."""
    payload = PREFIX[name] + content
    try:
        value = decode(payload)
    except InvalidPayload:
        with pytest.raises(InvalidPayload):
            read_all(payload)
        return
    assert repr(read_all(payload)) == repr(value)  # a NaN is not equal to itself
    assert encode(value, name)


@given(coded, st.data())
def test_no_payload_can_be_cut_or_extended(case: tuple[str, object], data: st.DataObject) -> None:
    """A prefix of a list is no payload, and neither is one with something behind it."""
    name, value = case
    payload = encode([value], name)
    with pytest.raises(InvalidPayload):
        decode(payload[: data.draw(st.integers(len(PREFIX[name]), len(payload) - 1))])
    with pytest.raises(InvalidPayload):
        decode(payload + b"\0")


@given(st.integers(0, 2**63 - 1), st.binary(max_size=4))
def test_numbers_have_one_varint(number: int, rest: bytes) -> None:
    """Written and read alike, whatever follows; a longer form of the same number is none."""
    written = varint(number)
    assert read_varint(written + rest) == (number, len(written))
    if len(written) < 9:
        assert read_varint(written[:-1] + bytes((written[-1] | 0x80, 0))) is None
    assert read_varint(written[:-1]) is None


def test_the_numbers_are_those_of_the_public_table() -> None:
    """As in multiformats' table.csv; borsh and bincode are not in it, and have private ones."""
    assert {each.name: each.code for each in Codecs()} == {
        "cbor": 0x51, "json": 0x0200, "msgpack": 0x0201, "raw": 0x55, "protobuf": 0x50,
        "dag-cbor": 0x71, "borsh": 0x300000, "bincode": 0x300001,
    }  # fmt: skip
    assert PREFIX["json"] == b"\x80\x04"
    assert PREFIX["borsh"] == b"\x80\x80\xc0\x01"


BAD = {
    "cbor": {
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
    },
    "msgpack": {
        "91" * 100_000: "deep",
        "81a161" * 100_000: "deep",
        "d40500": "extension",
        "d6ff00000000": "extension",
        "d7ffffffffffffffffff": "extension",
        "c70c" + "ff" * 13: "extension",
        "c9ffffffff01": "extension",
        "ddffffffff": "beyond",
        "dfffffffff": "beyond",
        "dbffffffff": "beyond",
        "c6ffffffff61": "beyond",
        "ddffffffff" * 20_000: "beyond",
        "82a16101a16102": "twice",
        "810102": "key",
        "81c002": "key",
        "819002": "key",
        "81cb000000000000000001": "key",
        "c1": "malformed",
        "dc": "cut short",
        "da00": "cut short",
        "cb0000": "beyond",
        "cc": "beyond",
        "0000": "follow",
        "": "cut short",
        "a1ff": "utf-8",
        "92" + "01": "beyond",
    },
}
BAD_JSON = {
    "[" * 100_000: "deep",
    '{"a":' * 100_000: "deep",
    "[" * 33 + "]" * 33: "deep",
    "[" * 33 + '{"]":1}' + "]" * 33: "deep",
    '{"a":1,"a":2}': "twice",
    '[{"a":{"b":1,"\\u0062":2}}]': "twice",
    "NaN": "no JSON",
    "[-Infinity]": "no JSON",
    "1e999": "double",
    "1" + "0" * 400 + ".0": "double",
    "-1e+0999": "double",
    str(2**64): "64 bits",
    str(-(2**64) - 1): "64 bits",
    "9" * 5_000: "digit",
    '"\\ud800"': "surrogate",
    '["\\uDC00\\ud800"]': "surrogate",
    "": "Expecting",
    " ": "Expecting",
    "1 2": "Extra",
    "[1,]": "Expecting|Illegal",
    "{a:1}": "Expecting",
    "'a'": "Expecting",
    '"\x00"': "control",
    '"a': "Unterminated",
    '"' + '\\"' * 100_000: "Unterminated",
    '["' * 100_000: "deep",
    "\ufeff1": "BOM|Expecting",
    "1.": "Extra",
    "01": "Extra",
    "[" + "{}," * 50_001 + "{}]": "lists and maps",
}
ROWS = [
    *((name, bytes.fromhex(content), why) for name in BAD for content, why in BAD[name].items()),
    *(("json", content.encode(), why) for content, why in BAD_JSON.items()),
    ("json", b'"\xff"', "utf-8"),
    ("json", json.dumps(1).encode("utf-16"), "utf-8"),
    ("json", b'"\xed\xa0\x80"', "utf-8"),
    ("json", b'"\\', "Unterminated|escape"),
    ("cbor", b"\x9a\x00\x0f\xff\xf0" + b"\x80" * 0xFFFF0, "lists and maps"),
    ("cbor", b"\x9a\x00\xff\xff\xff" * 100_000, "beyond"),
    ("msgpack", b"\xdd\x00\x0f\xff\xf0" + b"\x90" * 0xFFFF0, "lists and maps"),
    ("msgpack", b"\xdd\x00\x0f\xff\xf0" * 200_000, "deep|beyond"),
]


@pytest.mark.parametrize(
    ("name", "content", "reason"), ROWS, ids=[f"{name} {body[:12]!a}" for name, body, _ in ROWS]
)
def test_tricks_are_refused(name: str, content: bytes, reason: str) -> None:
    """Tags, bombs, duplicates, odd keys, extensions, invalid text: typed, with a reason."""
    for read in (decode, read_all):
        with pytest.raises(InvalidPayload, match=reason) as info:
            read(PREFIX[name] + content)
        assert info.value.codec == name


BOMBS = [
    ("cbor", b"\x81" * 1_000_000),
    ("cbor", b"\x9a\x00\xff\xff\xff" * 100_000),
    ("cbor", b"\xbb" + b"\xff" * 8),
    ("cbor", b"\xa0" * 2),
    ("msgpack", b"\x91" * 1_000_000),
    ("msgpack", b"\xdd\x00\x0f\xff\xff" * 200_000),
    ("msgpack", b"\xdf" + b"\xff" * 4),
]


@pytest.mark.parametrize(("name", "bomb"), BOMBS)
def test_bombs_are_refused_at_once(name: str, bomb: bytes) -> None:
    """Before much of them is looked at; nothing is built."""
    with pytest.raises(InvalidPayload):  # within the first step, of a thousand items
        next(read_payload(PREFIX[name] + bomb))


@pytest.mark.parametrize("name", BINARY)
def test_long_payloads_are_read_in_steps(name: str) -> None:
    """A megabyte of items gives way at every thousand or so of them, where they are no run."""
    rows = [[number, "x"] for number in range(20_000)]
    steps = list(read_payload(encode(rows, name)))
    assert len(steps) >= 20


class Thing:
    """An object without a form; its text is the same in each process of a test run."""

    def __repr__(self) -> str:
        return "thing"


NOTHING = Thing()

NO_FORM = [
    datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC),
    Decimal(1),
    2**64,
    -(2**64) - 1,
    {1: 2},
    {None: 1},
    {True: 1},
    {("a", "b"): 1},
    {"a"},
    NOTHING,
    cbor2.undefined,
    cbor2.CBORTag(1, 1),
    msgpack.Timestamp(1),
    "\ud800",
    ["\ud800"],
    {"\ud800": 1},
    [[NOTHING]],
]


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("value", NO_FORM, ids=repr)
def test_values_without_a_form_are_refused(name: str, value: object) -> None:
    """What a receiver would refuse is not sent."""
    with pytest.raises(Unencodable):
        encode(value, name)


@pytest.mark.parametrize("value", [b"1", [b"1"], {b"1": 1}, float("nan"), float("inf")], ids=repr)
def test_json_has_no_bytes_and_no_nan(value: object) -> None:
    """The binary codecs have."""
    with pytest.raises(Unencodable):
        encode(value, "json")
    for name in BINARY:
        assert repr(decode(encode(value, name))) == repr(value)


@pytest.mark.parametrize("name", ALL)
def test_a_value_that_holds_itself_is_refused(name: str) -> None:
    """And so is one nested deeper than a receiver reads."""
    ring: list[object] = []
    ring.append(ring)
    deep: object = 1
    for _ in range(32):
        deep = [deep]
    assert decode(encode(deep, name)) == deep
    for value in (ring, [deep], {"a": deep}):
        with pytest.raises(Unencodable):
            encode(value, name)


def test_brackets_in_texts_are_no_depth() -> None:
    """And neither are those behind an escaped quotation mark, nor many of them a bound."""
    value = ['[[{"\\' * 40_000, {"[" * 100: "}\\"}]
    assert decode(encode(value, "json")) == value


def test_raw_is_bytes_or_text() -> None:
    """Everything else needs a codec that can say what it is."""
    for name, prefix in (("raw", b"\x55"), (NONE, b"")):
        assert encode("é", name) == prefix + "é".encode()
        assert encode(bytearray(b"1"), name) == prefix + b"1"
        for value in (1, None, {}, "\ud800"):
            with pytest.raises(Unencodable):
                encode(value, name)
    assert decode(b"\x55plain") == b"plain"


@pytest.mark.parametrize(
    "payload", [b"", b"hello", b"\x80", b"\xd1\x00", b"\xff" * 20, b"\x50\x08"]
)
def test_payloads_of_no_codec_are_no_values(payload: bytes) -> None:
    """Unknown prefixes, varints that are cut, padded or endless, and codecs without a decoder."""
    with pytest.raises(InvalidPayload):
        decode(payload)
    with pytest.raises(InvalidPayload):
        read_all(payload)


@given(st.binary(max_size=12))
def test_a_payload_has_at_most_one_codec(payload: bytes) -> None:
    """The one whose prefix it begins with."""
    claimed = [name for name, prefix in PREFIX.items() if payload.startswith(prefix)]
    assert claimed == [name for name in [codec_of(payload)] if name is not None]


def test_a_codec_without_an_encoder_takes_what_is_encoded() -> None:
    """And puts its prefix before it; a value that is not encoded is refused."""
    for name in ("protobuf", "dag-cbor", "borsh", "bincode"):
        assert encode(b"\x08\x01", name) == PREFIX[name] + b"\x08\x01"
        assert codec_of(encode(b"", name)) == name
        with pytest.raises(Unencodable, match=name):
            encode({}, name)


def test_an_unknown_name_is_an_error_with_the_nearest() -> None:
    """Also for the table's own name of MessagePack."""
    with pytest.raises(UnknownCodec, match="did you mean msgpack"):
        encode({}, "messagepack")
    with pytest.raises(UnknownCodec, match="did you mean json"):
        encode({}, "jsn")
    with pytest.raises(UnknownCodec, match="there are cbor, json"):
        encode({}, "yaml")


def test_another_package_adds_a_codec() -> None:
    """Its encoder and decoder are used; their failures are this block's errors."""
    reverse = Codec(
        "reverse",
        0x300010,
        lambda value: str(value).encode()[::-1],
        lambda content: content[::-1].decode(),
    )
    codecs = Codecs((reverse,))
    payload = codecs.encode("abc", "reverse")
    assert payload == varint(0x300010) + b"cba"
    assert codecs.of(payload) is reverse
    assert codecs.decode(payload) == "abc"
    with pytest.raises(InvalidPayload, match="utf-8"):
        codecs.decode(varint(0x300010) + b"\xff")


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("cbor", 0x300010),
        ("mine", 0x51),
        ("any", 9),
        ("none", 9),
        ("A", 9),
        ("", 9),
        ("x" * 33, 9),
        ("x", -1),
        ("x", 2**63),
    ],
)
def test_no_two_codecs_look_alike(name: str, code: int) -> None:
    """Names and numbers are well-formed, and belong to one codec."""
    with pytest.raises(InvalidCodec):
        Codecs((Codec(name, code),))


@pytest.mark.parametrize(
    ("registered", "problem"),
    [
        ("airswasm.messaging:Messenger", "is no Codec"),
        ("no.such.module:x", "No module"),
        ("airswasm.messaging._codecs.cbor:CBOR", "is cbor's already"),
        ("acme_script:CODEC", "usage: acme"),
    ],
)
def test_a_registration_that_is_wrong_is_left_out(
    registered: str, problem: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The host runs on with the others; `airswasm doctor` names it."""
    (tmp_path / "acme_script.py").write_text("raise SystemExit('usage: acme')")
    monkeypatch.syspath_prepend(tmp_path)
    good = SimpleNamespace(name="good", value="acme:GOOD", load=lambda: Codec("good", 0x300011))
    entries = {CODEC_GROUP: [EntryPoint("broken", registered, CODEC_GROUP), good]}
    monkeypatch.setattr(installed, "entry_points", lambda group: entries[group])
    installed.Codecs.find.cache_clear()  # type: ignore[attr-defined]
    try:
        codecs = Codecs.find()
        assert "good" in codecs.by_name
        assert len(codecs.problems) == 1
        findings = list(check_codecs(Path(), quick=True))
    finally:
        installed.Codecs.find.cache_clear()  # type: ignore[attr-defined]
    assert [each.state for each in findings] == ["ok", "warning"]
    assert "good (0x300011)" in findings[0].text
    assert problem in findings[1].text


@pytest.mark.parametrize("make", [bytes, bytearray, memoryview])
def test_a_receiver_compares_every_form_of_bytes(make: Callable[[bytes], object]) -> None:
    """By their prefix; an object of Python's own has none, and is the receiver's to judge."""
    accepted = Acceptance("test/a", ("json",))
    payload = encode([1], "json")
    assert accepted.refuse(make(payload)) is None
    assert accepted.refuse(make(encode([1]))) is not None
    assert Acceptance("test/a").refuse(make(b"anything")) is None
    assert accepted.refuse({"an": "object"}) is None
    assert accepted.codec_of(payload) == "json"
    assert Acceptance("test/a").codec_of(payload) is None
    assert accepted.codec_of({"an": "object"}) is None


def test_a_view_of_bytes_is_raw() -> None:
    assert encode(memoryview(b"view"), "raw") == encode(b"view", "raw")
