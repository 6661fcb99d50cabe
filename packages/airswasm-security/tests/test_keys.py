"""Keys: what is a key, what only looks like one, and their files."""

import base64
import hashlib
import os
import pickle
from pathlib import Path

import pytest
from airswasm.security import (
    InvalidKey,
    KeyFileExposed,
    KeyFileInvalid,
    PrivateKey,
    PublicKey,
    WeakKey,
    fingerprint_of,
    generate_key,
    load_private_key,
    load_public_key,
    save_private_key,
    save_public_key,
)
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from hypothesis import given, settings
from hypothesis import strategies as st

PRIME = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493

# The points of order 1, 2, 4 (two) and 8 (four), as libsodium lists them.
SMALL_ORDER = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
]
# The same points, and others, in encodings that no conforming encoder writes.
NON_CANONICAL = [
    "0100000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
]
RFC8032 = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
]


@pytest.mark.parametrize("encoded", SMALL_ORDER)
def test_points_of_small_order_are_refused(encoded: str) -> None:
    """Under such a key one signature fits many messages; `cryptography` alone takes it."""
    ed25519.Ed25519PublicKey.from_public_bytes(bytes.fromhex(encoded))
    with pytest.raises(WeakKey):
        PublicKey(bytes.fromhex(encoded))


@pytest.mark.parametrize("encoded", NON_CANONICAL)
def test_non_canonical_encodings_are_refused(encoded: str) -> None:
    """A key is pinned by its bytes, so it must have only one encoding."""
    with pytest.raises(InvalidKey):
        PublicKey(bytes.fromhex(encoded))


def test_a_key_with_a_small_order_part_is_refused() -> None:
    """A real key plus the point of order two is on the curve, but no honest key."""
    honest = int.from_bytes(generate_key().public.raw, "little")
    y, sign = honest & (2**255 - 1), honest >> 255
    mixed = (PRIME - y) | ((1 - sign) << 255)  # (x, y) + (0, -1) is (-x, -y)
    with pytest.raises(WeakKey, match="part of small order"):
        PublicKey(mixed.to_bytes(32, "little"))


@pytest.mark.parametrize("raw", [b"", b"\x02" * 31, b"\x02" * 33, (2).to_bytes(32, "little")])
def test_what_is_no_point_is_refused(raw: bytes) -> None:
    """Wrong length, or not on the curve."""
    with pytest.raises(InvalidKey):
        PublicKey(raw)


@given(st.binary(min_size=32, max_size=32))
@settings(max_examples=30, deadline=None)
def test_every_honest_key_is_accepted(seed: bytes) -> None:
    """Refusing weak keys refuses no real one."""
    key = PrivateKey.from_seed(seed)
    assert PublicKey.from_text(str(key.public)) == key.public


@pytest.mark.parametrize(("seed", "public", "message", "signature"), RFC8032)
def test_vectors_of_rfc_8032(seed: str, public: str, message: str, signature: str) -> None:
    """Keys and signatures are Ed25519's."""
    key = PrivateKey.from_seed(bytes.fromhex(seed))
    assert key.public.raw.hex() == public
    assert key.sign(bytes.fromhex(message)).hex() == signature
    assert key.public.verifies(bytes.fromhex(signature), bytes.fromhex(message))


def test_a_signature_has_one_form() -> None:
    """S plus the group's order would verify as well; it is refused, as are wrong lengths."""
    key = generate_key()
    signature = key.sign(b"message")
    s = int.from_bytes(signature[32:], "little")
    again = signature[:32] + (s + ORDER).to_bytes(32, "little")
    assert key.public.verifies(signature, b"message")
    for forged in (
        again,
        signature[:-1],
        signature + b"\0",
        b"",
        bytes(64),
        signature[:32] + bytes(32),
    ):
        assert not key.public.verifies(forged, b"message")
    assert not key.public.verifies(signature, b"messagf")


@given(st.integers(0, 511))
@settings(max_examples=40)
def test_every_bit_of_a_signature_counts(bit: int) -> None:
    """No bit can be flipped."""
    key = PrivateKey.from_seed(bytes(32))
    signature = bytearray(key.sign(b"m"))
    signature[bit // 8] ^= 1 << bit % 8
    assert not key.public.verifies(bytes(signature), b"m")


def test_the_fingerprint_is_sha256_of_the_raw_key() -> None:
    """People can compute it with any tool."""
    key = generate_key().public
    assert key.fingerprint == hashlib.sha256(key.raw).hexdigest()
    assert fingerprint_of(str(key)) == fingerprint_of(key.raw) == key.fingerprint


@pytest.mark.parametrize(
    "text", ["", "x", "AAAA", "é" * 44, " " + base64.b64encode(bytes(32)).decode()]
)
def test_texts_that_are_no_key_are_refused(text: str) -> None:
    """The text form is strict base64."""
    with pytest.raises(InvalidKey):
        PublicKey.from_text(text)


def test_key_files_round_trip(tmp_path: Path) -> None:
    """PKCS#8 and SPKI PEM, which other tools read; the private one is the owner's alone."""
    key = generate_key()
    save_private_key(key, tmp_path / "key.pem")
    save_public_key(key.public, tmp_path / "key.pub")
    assert load_private_key(tmp_path / "key.pem").public == key.public
    assert load_public_key(tmp_path / "key.pub") == key.public
    assert (tmp_path / "key.pem").read_bytes().startswith(b"-----BEGIN PRIVATE KEY-----")
    if os.name == "posix":
        assert (tmp_path / "key.pem").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", [None, b"no key", bytes(2**16)])
def test_a_public_key_is_had_from_its_publisher(tmp_path: Path, content: bytes | None) -> None:
    """Only a key of one's own comes from a backup, or is made anew."""
    file = tmp_path / "key"
    if content is not None:
        file.write_bytes(content)
        file.chmod(0o600)
    with pytest.raises(KeyFileInvalid) as caught:
        load_public_key(file)
    assert "publisher" in pickle.loads(pickle.dumps(caught.value)).hint
    with pytest.raises(KeyFileInvalid) as caught:
        load_private_key(file)
    assert "backup" in caught.value.hint


def test_an_encrypted_key_needs_its_passphrase(tmp_path: Path) -> None:
    """Without it, or with another, the file is an error and not a traceback."""
    save_private_key(generate_key(), tmp_path / "key.pem", passphrase=b"secret")
    assert load_private_key(tmp_path / "key.pem", passphrase=b"secret").sign(b"")
    for wrong in (None, b"other"):
        with pytest.raises(KeyFileInvalid):
            load_private_key(tmp_path / "key.pem", passphrase=wrong)


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    """Losing a key by a second keygen would lose the component's name."""
    save_private_key(generate_key(), tmp_path / "key.pem")
    before = (tmp_path / "key.pem").read_bytes()
    with pytest.raises(KeyFileInvalid, match="exists"):
        save_private_key(generate_key(), tmp_path / "key.pem")
    assert (tmp_path / "key.pem").read_bytes() == before


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX")
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660])
def test_an_exposed_private_key_is_refused(tmp_path: Path, mode: int) -> None:
    """A key that others can read may be theirs already; the error says how to fix it."""
    save_private_key(generate_key(), tmp_path / "key.pem")
    (tmp_path / "key.pem").chmod(mode)
    with pytest.raises(KeyFileExposed, match="chmod 600"):
        load_private_key(tmp_path / "key.pem")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"garbage",
        b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        b"x" * 20_000,
    ],
)
def test_files_that_are_no_key_are_refused(tmp_path: Path, content: bytes) -> None:
    """One typed error, whatever is in the file."""
    path = tmp_path / "key.pem"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(KeyFileInvalid):
        load_private_key(path)
    with pytest.raises(KeyFileInvalid):
        load_public_key(path)
    with pytest.raises(KeyFileInvalid, match="cannot read"):
        load_public_key(tmp_path / "missing")


def test_keys_of_another_kind_are_refused(tmp_path: Path) -> None:
    """A P-256 key is a fine key, but not one of ours."""
    other = ec.generate_private_key(ec.SECP256R1())
    pem = other.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with pytest.raises(InvalidKey, match="another kind"):
        PrivateKey.from_pem(pem)
    public = other.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    with pytest.raises(InvalidKey, match="another kind"):
        PublicKey.from_pem(public)


def test_a_weak_key_in_a_pem_is_refused() -> None:
    """The check is on every way in."""
    pem = ed25519.Ed25519PublicKey.from_public_bytes(bytes.fromhex(SMALL_ORDER[0])).public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    with pytest.raises(WeakKey):
        PublicKey.from_pem(pem)


def test_a_private_key_does_not_show_itself() -> None:
    """Logs and tracebacks print representations."""
    key = PrivateKey.from_seed(b"\x07" * 32)
    assert "07" * 32 not in repr(key)
    assert key.public.fingerprint in repr(key)
