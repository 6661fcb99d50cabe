"""Signed statements: nothing changes without notice, nothing has two readings."""

import base64
import json
from dataclasses import replace

import pytest
from airswasm.security import (
    ContentMismatch,
    FileDigest,
    InvalidSignature,
    InvalidStatement,
    PrivateKey,
    SecurityError,
    Statement,
    sign,
    sign_rotation,
    verify,
    verify_rotation,
    verify_statement,
)
from hypothesis import given, settings
from hypothesis import strategies as st

KEY = PrivateKey.from_seed(bytes(range(32)))
OTHER = PrivateKey.from_seed(bytes(32))
KEYS = (KEY, OTHER, PrivateKey.from_seed(bytes([7]) * 32))
FILES = {"Component.toml": b"[component]\n", "component.wasm": b"\0asm", "data/é.txt": b""}
STATEMENT = Statement.of("local/hello", "1.2.0-rc.1+x", 7, FILES)
SIGNATURE = sign(STATEMENT, KEY)
FORMAT = b"airswasm-signature-v1"


def signed(body: bytes, *keys: PrivateKey) -> bytes:
    """A validly signed file around any bytes at all, as only an owner's own tool could write."""
    message = b"DSSEv1 %d %s %d %s" % (len(FORMAT), FORMAT, len(body), body)
    lines = [FORMAT, body]
    for key in keys or (KEY,):
        lines.append(
            b"ed25519 %s %s" % (str(key.public).encode(), base64.b64encode(key.sign(message)))
        )
    return b"\n".join(lines) + b"\n"


def changed(**fields: object) -> bytes:
    """The statement with some fields replaced, validly signed."""
    content = json.loads(replace(STATEMENT, signers=(KEY.public,)).encode())
    content.update(fields)
    content = {name: value for name, value in content.items() if value is not None}
    return signed(json.dumps(content, sort_keys=True, separators=(",", ":")).encode())


def test_a_signed_package_verifies() -> None:
    """The statement comes back with its signer; the signature file itself is left out."""
    verified = verify(SIGNATURE, {**FILES, "component.sig": SIGNATURE})
    assert replace(verified.statement, signers=()) == STATEMENT
    assert verified.signers == (KEY.public,)


def test_signing_is_deterministic() -> None:
    """The same package and key give the same file, in whatever order the files come."""
    again = Statement.of("local/hello", "1.2.0-rc.1+x", 7, dict(reversed(FILES.items())))
    assert sign(again, KEY) == SIGNATURE


def test_the_format_is_the_documented_one() -> None:
    """Another tool can write it from the description."""
    statement = replace(STATEMENT, signers=(KEY.public,))
    assert signed(statement.encode()) == SIGNATURE


@given(st.integers(0, len(SIGNATURE) * 8 - 1))
@settings(max_examples=300, deadline=None)
def test_no_bit_of_the_file_can_be_flipped(bit: int) -> None:
    """Whatever bit flips, the file is refused."""
    flipped = bytearray(SIGNATURE)
    flipped[bit // 8] ^= 1 << bit % 8
    with pytest.raises(SecurityError):
        verify(bytes(flipped), FILES)


@given(st.integers(0, len(SIGNATURE) - 1))
@settings(max_examples=100, deadline=None)
def test_no_part_of_the_file_can_be_missing(length: int) -> None:
    """A file cut anywhere is refused."""
    with pytest.raises(InvalidSignature):
        verify(SIGNATURE[:length], FILES)


@pytest.mark.parametrize("path", sorted(FILES))
def test_a_changed_file_is_named(path: str) -> None:
    """Every file counts, the manifest included."""
    with pytest.raises(ContentMismatch) as caught:
        verify(SIGNATURE, {**FILES, path: FILES[path] + b"x"})
    assert caught.value.changed == (path,)


def test_missing_and_additional_files_are_named() -> None:
    """The file set is signed, not only each file."""
    files = {name: content for name, content in FILES.items() if name != "component.wasm"}
    with pytest.raises(ContentMismatch) as caught:
        verify(SIGNATURE, {**files, "extra": b""})
    assert (caught.value.missing, caught.value.extra) == (("component.wasm",), ("extra",))


def test_signatures_do_not_move_between_packages() -> None:
    """The signature line of one version under the statement of another is refused."""
    second = sign(Statement.of("local/hello", "1.3.0", 8, FILES), KEY)
    mixed = second.split(b"\n")[:2] + SIGNATURE.split(b"\n")[2:]
    with pytest.raises(InvalidSignature):
        verify_statement(b"\n".join(mixed))


def test_every_signature_must_verify() -> None:
    """One valid signature does not carry an invalid one."""
    both = sign(STATEMENT, KEY, OTHER)
    assert verify_statement(both).signers == (KEY.public, OTHER.public)
    lines = both.split(b"\n")
    forged = lines[3].rsplit(b" ", 1)[0] + b" " + lines[2].rsplit(b" ", 1)[1]
    with pytest.raises(InvalidSignature):
        verify_statement(b"\n".join([*lines[:3], forged, b""]))
    with pytest.raises(InvalidSignature, match="twice"):
        verify_statement(b"\n".join([*lines[:3], lines[2], b""]))


@given(st.data())
def test_the_lines_of_signatures_cannot_be_rearranged(data: st.DataObject) -> None:
    """A mirror that adds, drops or moves a line, its own or another, breaks the signature."""
    signers = data.draw(st.lists(st.sampled_from(KEYS), min_size=1, max_size=3, unique=True))
    statement = replace(STATEMENT, signers=tuple(key.public for key in signers))
    arranged = data.draw(st.lists(st.sampled_from(KEYS), min_size=1, max_size=4, unique=True))
    content = signed(statement.encode(), *arranged)
    if arranged == signers:
        assert verify_statement(content).owner == signers[0].public
        assert content == sign(STATEMENT, *signers)
    else:
        with pytest.raises(InvalidSignature):
            verify_statement(content)


def test_a_statement_has_a_few_different_signers() -> None:
    """No key signs twice, and a reader verifies a bounded number."""
    many = [PrivateKey.from_seed(bytes([number]) * 32) for number in range(1, 10)]
    for keys in ((KEY, KEY), (KEY, OTHER, KEY), many):
        with pytest.raises(InvalidStatement, match="different keys"):
            sign(STATEMENT, *keys)
    assert len(verify_statement(sign(STATEMENT, *many[:8])).signers) == 8


WEAK = base64.b64encode(b"\x01" + bytes(31))


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"ed25519",
        b"rsa x y",
        b"ed25519 x y",
        b"ed25519 " + WEAK + b" " + base64.b64encode(bytes(64)),
        b"ed25519  " + SIGNATURE.split(b"\n")[2][8:],
        SIGNATURE.split(b"\n")[2] + b"\r",
        SIGNATURE.split(b"\n")[2] + b"=",
        SIGNATURE.split(b"\n")[2] + b" ",
    ],
)
def test_malformed_signature_lines_are_refused(line: bytes) -> None:
    """No signature, a weak key, another spelling: all refused before anything is parsed."""
    with pytest.raises(InvalidSignature):
        verify_statement(b"\n".join([FORMAT, STATEMENT.encode(), line, b""]))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n\n\n\n",
        FORMAT,
        SIGNATURE + b"\n",
        b"\xef\xbb\xbf" + SIGNATURE,
        b"x" * 2_000_000,
        SIGNATURE.replace(b"\n", b"\r\n"),
    ],
)
def test_what_is_no_signature_file_is_refused(content: bytes) -> None:
    """One type of error for all of it."""
    with pytest.raises(InvalidSignature):
        verify_statement(content)


def test_an_unsigned_statement_is_not_parsed() -> None:
    """Verify before parsing: JSON that would upset a parser never reaches it."""
    bomb = b"[" * 100_000
    with pytest.raises(InvalidSignature):
        verify_statement(b"\n".join([FORMAT, bomb, SIGNATURE.split(b"\n")[2], b""]))
    with pytest.raises(InvalidStatement):
        verify_statement(signed(bomb))


@pytest.mark.parametrize("sequence", [0, -1, 2**63, 2**64, 1.0, 1.5, "1", True, None, 10**30])
def test_sequences_are_whole_and_bounded(sequence: object) -> None:
    """1 to 2**63 - 1, written as a plain integer."""
    with pytest.raises(InvalidStatement):
        verify_statement(changed(sequence=sequence))


def test_the_largest_sequence_is_fine() -> None:
    """The bounds themselves are inside."""
    for sequence in (1, 2**63 - 1):
        assert verify_statement(changed(sequence=sequence)).statement.sequence == sequence


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "Local/hello"},
        {"name": "hello"},
        {"name": "a/b/c"},
        {"name": "local/" + "x" * 64},
        {"name": 1},
        {"name": "local/hello\n"},
        {"version": "1"},
        {"version": "01.0.0"},
        {"version": "1.0.0 "},
        {"version": None},
        {"type": "airswasm/key-rotation/v1"},
        {"type": None},
        {"extra": 1},
        {"signers": None},
        {"signers": "x"},
        {"signers": [1]},
        {"signers": ["x"]},
        {"signers": {"a": 1}},
        {"signers": [str(OTHER.public)] * 9},
        {"files": {}},
        {"files": []},
        {"files": {"a": 1}},
        {"files": {"a": {"length": 1}}},
        {"files": {"a": {"length": -1, "sha256": "0" * 64}}},
        {"files": {"a": {"length": 1, "sha256": "0" * 63}}},
        {"files": {"a": {"length": 1, "sha256": "A" * 64}}},
        {"files": {"a": {"length": 1, "sha256": "0" * 64, "x": 1}}},
    ],
)
def test_fields_are_checked(fields: dict[str, object]) -> None:
    """Even the owner cannot sign what another reader would take differently."""
    with pytest.raises(InvalidStatement):
        verify_statement(changed(**fields))


PATHS = [
    "../x",
    "/abs",
    "a//b",
    "./a",
    "a/.",
    "",
    "C:/w",
    "a\\b",
    "a\0b",
    "a\nb",
    "component.sig",
    "a/",
    "a ",
    "a.",
    "nul?",
    "NUL",
    "build/con.wasm",
    "com1 .txt",
    "aux.tar.gz",
    " a",
    "e\u0301",
    "\u202ex",
    "x" * 600,
]


@pytest.mark.parametrize("path", PATHS)
def test_paths_are_plain_and_relative(path: str) -> None:
    """A path that an unpacker could place elsewhere cannot be signed."""
    with pytest.raises(InvalidStatement):
        Statement("local/hello", "1.0.0", 1, {path: FileDigest.of(b"")})


def test_paths_have_no_case_twins() -> None:
    """Two names that one file system takes for one are refused."""
    with pytest.raises(InvalidStatement, match="case"):
        Statement.of("local/hello", "1.0.0", 1, {"A/x": b"", "a/X": b""})


@pytest.mark.parametrize(
    "edit",
    [
        lambda body: body.replace(b'"sequence":7', b'"sequence":7,"sequence":7'),
        lambda body: body.replace(b'"sequence":7', b'"sequence": 7'),
        lambda body: body.replace(b'"sequence":7', b'"sequence":07'),
        lambda body: body.replace(b"local", b"\\u006cocal"),
        lambda body: body + b" ",
        lambda body: b"\xef\xbb\xbf" + body,
        lambda body: body.replace(b'"sequence":7', b'"sequence":NaN'),
        lambda body: body.replace(b'"sequence":7', b'"sequence":7e0'),
    ],
)  # fmt: skip
def test_a_statement_has_one_form(edit: object) -> None:
    """Duplicate keys, other spacing, escapes or numbers: validly signed, refused all the same."""
    body = edit(STATEMENT.encode())  # type: ignore[operator]
    assert body != STATEMENT.encode()
    with pytest.raises(InvalidStatement):
        verify_statement(signed(body))


def test_a_rotation_is_signed_by_both() -> None:
    """The old key agrees to go, the new one to come; in this order, and no other key."""
    rotation = sign_rotation("local/hello", KEY, OTHER, 9)
    assert verify_rotation(rotation).new == OTHER.public
    body = rotation.split(b"\n")[1]
    third = PrivateKey.from_seed(b"3" * 32)
    for keys in [(KEY,), (OTHER,), (OTHER, KEY), (KEY, third), (KEY, OTHER, third)]:
        with pytest.raises(InvalidSignature):
            verify_rotation(signed(body, *keys))


def test_statements_and_rotations_do_not_pass_for_each_other() -> None:
    """The type is inside of what is signed."""
    with pytest.raises(InvalidStatement):
        verify_rotation(SIGNATURE)
    with pytest.raises(InvalidStatement):
        verify_statement(sign_rotation("local/hello", KEY, OTHER, 9))


def test_a_rotation_needs_two_keys() -> None:
    """Rotating to the same key says nothing."""
    with pytest.raises(InvalidStatement):
        sign_rotation("local/hello", KEY, KEY, 9)
