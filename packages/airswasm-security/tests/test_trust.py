"""Trust: pinned keys, rising sequences, and a file that cannot be lost by accident."""

import os
from pathlib import Path

import pytest
from airswasm.security import (
    KeyMismatch,
    KeyRevoked,
    PrivateKey,
    RotationRefused,
    SequenceRefused,
    Statement,
    TrustError,
    TrustFileInvalid,
    TrustStore,
    UntrustedKey,
    VerifiedStatement,
    sign,
    sign_rotation,
    verify_statement,
)
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

KEYS = [PrivateKey.from_seed(bytes([number]) * 32) for number in range(3)]
OWNER, THIEF, NEXT = KEYS


def release(sequence: int, *keys: PrivateKey, name: str = "local/hello") -> VerifiedStatement:
    statement = Statement.of(name, "1.0.0", sequence, {"component.wasm": b""})
    return verify_statement(sign(statement, *(keys or (OWNER,))))


@pytest.fixture
def store(tmp_path: Path) -> TrustStore:
    return TrustStore(tmp_path / "trust.json", clock=lambda: 1000.0)


def test_nothing_is_trusted_by_default(store: TrustStore) -> None:
    """The first key needs an approval; the error shows the fingerprint to compare."""
    with pytest.raises(UntrustedKey) as caught:
        store.check(release(1))
    assert caught.value.fingerprint == OWNER.public.fingerprint
    assert not store.path.exists()


def test_an_approved_key_may_install_and_update(store: TrustStore) -> None:
    """Approve, install, update: each sequence above the one before."""
    store.pin("local/hello", OWNER.public, label="Ann")
    for sequence in (5, 6, 100):
        store.check(release(sequence))
        store.accept(release(sequence))
    pin = store.get("local/hello")
    assert pin is not None
    assert (pin.sequence, pin.label, pin.since) == (100, "Ann", 1000.0)


def test_another_key_is_refused(store: TrustStore) -> None:
    """Pinned by the full key; nothing else about a publisher counts."""
    store.pin("local/hello", OWNER.public)
    with pytest.raises(KeyMismatch):
        store.check(release(1, THIEF))
    with pytest.raises(KeyMismatch):
        store.pin("local/hello", THIEF.public, label="Ann")
    with pytest.raises(UntrustedKey):
        store.check(release(1, OWNER, name="local/other"))


def test_an_older_or_equal_sequence_is_refused(store: TrustStore) -> None:
    """An old signed version cannot come back as an update, whatever its version says."""
    store.pin("local/hello", OWNER.public)
    store.accept(release(7))
    for sequence in (7, 6, 1):
        with pytest.raises(SequenceRefused):
            store.check(release(sequence))
    assert store.check_key(release(3)).sequence == 7


def test_accepting_twice_is_harmless(store: TrustStore) -> None:
    """After a crash between accepting and noting it, the same step is taken again."""
    store.pin("local/hello", OWNER.public)
    store.accept(release(7))
    assert store.accept(release(7)).sequence == 7
    with pytest.raises(SequenceRefused):
        store.accept(release(6))


def test_no_version_may_use_up_the_sequences(store: TrustStore) -> None:
    """A stolen key must not be able to lock the owner out for ever."""
    store.pin("local/hello", OWNER.public)
    store.accept(release(1_700_000_000_000))
    with pytest.raises(SequenceRefused, match="leaps"):
        store.check(release(2**63 - 1))


def test_a_rotation_passes_the_name_on(store: TrustStore) -> None:
    """After it only the new key signs; the statement cannot be used twice or late."""
    store.pin("local/hello", OWNER.public)
    store.accept(release(5))
    rotation = sign_rotation("local/hello", OWNER, NEXT, 6)
    assert store.rotate(rotation).key == NEXT.public
    with pytest.raises(KeyMismatch):
        store.check(release(7, OWNER))
    store.accept(release(7, NEXT))
    with pytest.raises(RotationRefused):
        store.rotate(rotation)
    store.rotate(sign_rotation("local/hello", NEXT, OWNER, 8))
    with pytest.raises(RotationRefused):
        store.rotate(rotation)


def test_a_rotation_needs_a_pin(store: TrustStore) -> None:
    """A name that was never approved, or has another owner, cannot be rotated."""
    with pytest.raises(RotationRefused):
        store.rotate(sign_rotation("local/hello", OWNER, NEXT, 1))
    store.pin("local/hello", OWNER.public)
    with pytest.raises(RotationRefused):
        store.rotate(sign_rotation("local/hello", THIEF, NEXT, 1))


def test_a_revoked_key_is_refused_everywhere(store: TrustStore) -> None:
    """Pinned or not, alone or beside a good one, old or new in a rotation."""
    store.pin("local/hello", OWNER.public)
    store.revoke(THIEF.public, "stolen laptop")
    store.revoke(THIEF.public, "another reason")
    with pytest.raises(KeyRevoked, match="stolen laptop"):
        store.check(release(1, OWNER, THIEF))
    with pytest.raises(KeyRevoked):
        store.pin("local/other", THIEF.public)
    with pytest.raises(KeyRevoked):
        store.rotate(sign_rotation("local/hello", OWNER, THIEF, 1))
    store.revoke(OWNER.public, "gone")
    with pytest.raises(KeyRevoked):
        store.check_key(release(1))
    assert [item.key for item in store.revocations()] == [THIEF.public, OWNER.public]


def test_any_of_several_signers_may_be_the_pinned_one(store: TrustStore) -> None:
    """A co-signature does not lock the owner out."""
    store.pin("local/hello", OWNER.public)
    assert store.check(release(1, NEXT, OWNER)).key == OWNER.public


def test_two_processes_agree(store: TrustStore) -> None:
    """A command approves while a host runs: the host sees it, and no change is lost."""
    other = TrustStore(store.path)
    assert store.get("local/hello") is None
    other.pin("local/hello", OWNER.public)
    assert store.get("local/hello") is not None
    store.pin("local/second", NEXT.public)
    assert [pin.name for pin in other.components()] == ["local/hello", "local/second"]
    assert other.unpin("local/hello")
    assert not other.unpin("local/hello")
    assert store.get("local/hello") is None


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX")
def test_the_file_is_private_and_leaves_no_rest(store: TrustStore) -> None:
    """0600, and nothing beside it but its lock."""
    store.pin("local/hello", OWNER.public)
    assert store.path.stat().st_mode & 0o777 == 0o600
    assert {item.name for item in store.path.parent.iterdir()} == {"trust.json", ".trust.json.lock"}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[]",
        b"\xff",
        b'{"format":2,"components":{},"revoked":{}}',
        b"[" * 100_000,
        b'{"format":1,"components":{},"revoked":{"AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=":{}}}',
        b'{"format":1,"components":{"a/b":{"key":1}},"revoked":{}}',
        b'{"format":1,"components":[],"revoked":{}}',
    ],
)
def test_a_damaged_file_is_never_an_empty_store(store: TrustStore, content: bytes) -> None:
    """Whatever happened to it, nothing is trusted and nothing overwrites it."""
    store.path.write_bytes(content)
    for attempt in (
        store.components,
        lambda: store.check(release(1)),
        lambda: store.pin("local/hello", THIEF.public),
    ):
        with pytest.raises(TrustFileInvalid):
            attempt()
    assert store.path.read_bytes() == content


class Floors(RuleBasedStateMachine):
    """However releases come, what was accepted for a name only rises."""

    def __init__(self) -> None:
        super().__init__()
        from tempfile import TemporaryDirectory

        self.folder = TemporaryDirectory()
        self.path = Path(self.folder.name) / "trust.json"
        self.owner = OWNER
        self.floor = 0
        TrustStore(self.path).pin("local/hello", OWNER.public)

    @rule(sequence=st.integers(1, 12), key=st.sampled_from(KEYS))
    def offer(self, sequence: int, key: PrivateKey) -> None:
        expected = key is self.owner and sequence >= max(self.floor, 1)
        try:
            TrustStore(self.path).accept(release(sequence, key))
        except TrustError:
            assert not expected
        else:
            assert expected
            self.floor = sequence

    @rule(sequence=st.integers(1, 12), old=st.sampled_from(KEYS), new=st.sampled_from(KEYS))
    def rotate(self, sequence: int, old: PrivateKey, new: PrivateKey) -> None:
        if old is new:
            return
        expected = old is self.owner and sequence > self.floor
        try:
            TrustStore(self.path).rotate(sign_rotation("local/hello", old, new, sequence))
        except TrustError:
            assert not expected
        else:
            assert expected
            self.owner, self.floor = new, sequence

    @invariant()
    def the_file_says_so(self) -> None:
        pin = TrustStore(self.path).get("local/hello")
        assert pin is not None
        assert (pin.key, pin.sequence) == (self.owner.public, self.floor)

    def teardown(self) -> None:
        self.folder.cleanup()


TestFloors = Floors.TestCase
TestFloors.settings = settings(max_examples=15, stateful_step_count=12, deadline=None)
