"""Trust: pinned keys, rising sequences, and a file that cannot be lost by accident."""

import contextlib
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from airswasm.security import (
    InvalidKey,
    KeyMismatch,
    KeyRevoked,
    PrivateKey,
    RotationRefused,
    SequenceRefused,
    Statement,
    TrustedComponent,
    TrustError,
    TrustFileInvalid,
    TrustStore,
    UntrustedKey,
    VerifiedStatement,
    sign,
    sign_rotation,
    verify_statement,
)
from airswasm.security._trusting import trust, trust_file
from airswasm.security._trusting.trust_file import TrustContent
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

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
    store.check_installed(release(3))


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
    store.revoke(THIEF.public.fingerprint, "stolen laptop")
    store.revoke(THIEF.public.fingerprint, "another reason")
    with pytest.raises(KeyRevoked, match="stolen laptop"):
        store.check(release(1, OWNER, THIEF))
    with pytest.raises(KeyRevoked):
        store.pin("local/other", THIEF.public)
    with pytest.raises(KeyRevoked):
        store.rotate(sign_rotation("local/hello", OWNER, THIEF, 1))
    store.revoke(OWNER.public.fingerprint, "gone")
    for attempt in (store.check, store.check_installed, store.check_signers):
        with pytest.raises(KeyRevoked):
            attempt(release(1))
    revoked = [item.fingerprint for item in store.revocations()]
    assert revoked == [THIEF.public.fingerprint, OWNER.public.fingerprint]


@pytest.mark.parametrize("text", ["", "ab", "g" * 64, "A" * 64, str(OWNER.public), "a" * 65])
def test_a_revocation_names_a_whole_fingerprint(store: TrustStore, text: str) -> None:
    """A mistyped one must not pass for a key that is refused from now on."""
    with pytest.raises(InvalidKey, match="fingerprint"):
        store.revoke(text, "lost")
    assert store.revocations() == ()


def test_the_owner_signs_first(store: TrustStore) -> None:
    """A co-signature does not lock the owner out, and makes its key no owner."""
    store.pin("local/hello", OWNER.public)
    assert store.check(release(1, OWNER, NEXT)).key == OWNER.public
    with pytest.raises(KeyMismatch):
        store.check(release(1, NEXT, OWNER))


def test_a_version_outlives_its_key(store: TrustStore) -> None:
    """After a rotation what the old key had signed still runs, and nothing that it signs later."""
    store.pin("local/hello", OWNER.public)
    store.accept(release(5))
    store.rotate(sign_rotation("local/hello", OWNER, NEXT, 6))
    store.check_installed(release(5))
    store.check_installed(release(3))
    with pytest.raises(KeyMismatch):
        store.check_installed(release(6))
    store.transfer("local/hello", THIEF.public, label="the new team")
    store.check_installed(release(5))
    store.check_installed(release(6, NEXT))
    assert [each.sequence for each in store.components()[0].former] == [5, 6]


def test_a_pin_that_was_removed_ends_nothing(store: TrustStore) -> None:
    """It means to ask again, not to switch off what was approved."""
    store.pin("local/hello", OWNER.public)
    store.accept(release(5))
    store.unpin("local/hello")
    store.check_installed(release(5))
    with pytest.raises(UntrustedKey):
        store.check(release(6))


def test_a_transfer_needs_a_pin_and_another_key(store: TrustStore) -> None:
    """It replaces an owner; it makes none."""
    with pytest.raises(RotationRefused, match="no key"):
        store.transfer("local/hello", NEXT.public)
    store.pin("local/hello", OWNER.public, label="Ann")
    with pytest.raises(RotationRefused, match="already"):
        store.transfer("local/hello", OWNER.public)
    store.revoke(NEXT.public.fingerprint, "stolen")
    with pytest.raises(KeyRevoked):
        store.transfer("local/hello", NEXT.public)
    assert store.get("local/hello") == TrustedComponent(
        "local/hello", OWNER.public, "Ann", since=1000.0
    )


def test_a_lost_key_can_be_replaced(store: TrustStore) -> None:
    """Revoked, it cannot sign its own rotation: the operator decides."""
    store.pin("local/hello", OWNER.public)
    store.revoke(OWNER.public.fingerprint, "stolen")
    with pytest.raises(KeyRevoked):
        store.rotate(sign_rotation("local/hello", OWNER, NEXT, 1))
    store.transfer("local/hello", NEXT.public)
    store.check(release(1, NEXT))


def test_a_file_of_the_first_format_is_read(store: TrustStore) -> None:
    """It has no former keys and revokes whole keys; a change writes the present one."""
    old = {
        "format": 1,
        "components": {
            "local/hello": {"key": str(OWNER.public), "label": "", "sequence": 3, "since": 1.0}
        },
        "revoked": {str(THIEF.public): {"reason": "stolen", "since": 2.0}},
    }
    store.path.write_text(json.dumps(old), encoding="utf-8")
    store.check(release(4))
    with pytest.raises(KeyRevoked):
        store.check_signers(release(4, THIEF))
    before = (store.components(), store.revocations())
    store.accept(release(4))
    again = TrustStore(store.path)
    assert json.loads(store.path.read_bytes())["format"] == 3
    assert again.revocations() == before[1]
    assert again.components() == (replace(before[0][0], sequence=4),)


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
        b'{"format":4,"components":{},"revoked":{}}',
        b'{"format":3,"components":{},"revoked":{},"thresholds":{"a/b":0}}',
        b'{"format":3,"components":{},"revoked":{},"thresholds":{"a/b":"2"}}',
        b'{"format":2,"components":{},"revoked":{"AB":{"reason":"","since":0}}}',
        b'{"format":2,"components":{"a/b":{"key":"","label":"","sequence":0,"since":0}},"revoked":{}}',
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


class Owners(RuleBasedStateMachine):
    """However releases, rotations and revocations come: one owner, a rising floor, a whole history.

    `accepted` are the versions that were installed once. They run as long as their key is not
    revoked, whichever key owns the name since; nothing else runs.
    """

    def __init__(self) -> None:
        super().__init__()
        from tempfile import TemporaryDirectory

        self.folder = TemporaryDirectory()
        self.path = Path(self.folder.name) / "trust.json"
        self.owner = OWNER
        self.floor = 0
        self.accepted: set[tuple[int, PrivateKey]] = set()
        self.revoked: set[PrivateKey] = set()
        TrustStore(self.path).pin("local/hello", OWNER.public)

    def attempt(self, act: Callable[[TrustStore], object], *, expected: bool) -> bool:
        try:
            act(TrustStore(self.path))
        except TrustError:
            assert not expected
        else:
            assert expected
        return expected

    @rule(sequence=st.integers(1, 12), key=st.sampled_from(KEYS))
    def offer(self, sequence: int, key: PrivateKey) -> None:
        is_owner = key is self.owner and key not in self.revoked
        version = release(sequence, key)
        expected = is_owner and sequence >= max(self.floor, 1)
        if self.attempt(lambda store: store.accept(version), expected=expected):
            self.floor = sequence
            self.accepted.add((sequence, key))

    @rule(sequence=st.integers(1, 12), old=st.sampled_from(KEYS), new=st.sampled_from(KEYS))
    def rotate(self, sequence: int, old: PrivateKey, new: PrivateKey) -> None:
        if old is new:
            return
        good = not self.revoked & {old, new}
        statement = sign_rotation("local/hello", old, new, sequence)
        expected = good and old is self.owner and sequence > self.floor
        if self.attempt(lambda store: store.rotate(statement), expected=expected):
            self.owner, self.floor = new, sequence

    @rule(new=st.sampled_from(KEYS))
    def transfer(self, new: PrivateKey) -> None:
        expected = new is not self.owner and new not in self.revoked
        if self.attempt(lambda s: s.transfer("local/hello", new.public), expected=expected):
            self.owner = new

    @rule(key=st.sampled_from(KEYS))
    def revoke(self, key: PrivateKey) -> None:
        TrustStore(self.path).revoke(key.public.fingerprint, "lost")
        self.revoked.add(key)

    @invariant()
    def the_file_says_so(self) -> None:
        pin = TrustStore(self.path).get("local/hello")
        assert pin is not None
        assert (pin.key, pin.sequence) == (self.owner.public, self.floor)

    @invariant()
    def what_was_accepted_runs(self) -> None:
        for sequence, key in self.accepted:
            version = release(sequence, key)
            self.attempt(
                lambda store, version=version: store.check_installed(version),  # type: ignore[misc]
                expected=key not in self.revoked,
            )

    def teardown(self) -> None:
        self.folder.cleanup()


TestOwners = Owners.TestCase
TestOwners.settings = settings(max_examples=40, stateful_step_count=12, deadline=None)


def test_a_change_of_one_pin_formats_one_line(
    store: TrustStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A publisher of many names: the others are neither formatted nor read again."""
    for number in range(50):
        store.pin(f"shop/c{number}", OWNER.public)
    formatted, read = list[str](), list[int]()
    line, decode = trust_file._pin_line, trust.decode_trust

    def note_line(pin: TrustedComponent) -> str:
        formatted.append(pin.name)
        return line(pin)

    def note_read(path: Path, content: bytes) -> TrustContent:
        read.append(len(content))
        return decode(path, content)

    monkeypatch.setattr(trust_file, "_pin_line", note_line)
    monkeypatch.setattr(trust, "decode_trust", note_read)
    store.pin("shop/another", OWNER.public)
    store.accept(release(3, name="shop/c7"))
    assert (formatted, read) == (["shop/another", "shop/c7"], [])


class TwoStores(RuleBasedStateMachine):
    """A command and a host change one file in turns: each sees all, and so does a third."""

    folder: Path

    def __init__(self) -> None:
        super().__init__()
        self.path = self.folder / f"{id(self)}.json"
        self.path.unlink(missing_ok=True)
        self.stores = [TrustStore(self.path, clock=lambda: 1000.0) for _ in range(2)]
        self.top = 0

    def change(self, which: int, act: Callable[[TrustStore], object]) -> None:
        with contextlib.suppress(TrustError):
            act(self.stores[which])

    which = st.integers(0, 1)
    names = st.sampled_from(["a/b", "c/d"])
    labels = st.text(max_size=5)

    @rule(which=which, name=names, key=st.sampled_from(KEYS), label=labels)
    def pin(self, which: int, name: str, key: PrivateKey, label: str) -> None:
        self.change(which, lambda store: store.pin(name, key.public, label=label))

    @rule(which=which, name=names, key=st.sampled_from(KEYS))
    def accept(self, which: int, name: str, key: PrivateKey) -> None:
        self.top += 1
        verified = release(self.top, key, name=name)
        self.change(which, lambda store: store.accept(verified))

    @rule(which=which, name=names, key=st.sampled_from(KEYS))
    def transfer(self, which: int, name: str, key: PrivateKey) -> None:
        self.change(which, lambda store: store.transfer(name, key.public))

    @rule(which=which, name=names)
    def unpin(self, which: int, name: str) -> None:
        self.change(which, lambda store: store.unpin(name))

    @rule(which=which, name=names, needed=st.integers(1, 3))
    def set_threshold(self, which: int, name: str, needed: int) -> None:
        self.change(which, lambda store: store.set_threshold(name, needed))

    @rule(which=which, key=st.sampled_from(KEYS), label=labels)
    def allow(self, which: int, key: PrivateKey, label: str) -> None:
        self.change(which, lambda store: store.allow(key.public.fingerprint, label=label))

    @invariant()
    def all_agree(self) -> None:
        views = [each._read() for each in (*self.stores, TrustStore(self.path))]
        assert views[0] == views[1] == views[2]


def test_what_is_kept_of_the_file_is_what_is_in_it(tmp_path: Path) -> None:
    """Whichever process wrote last, and whatever it changed."""
    machine = type("InFolder", (TwoStores,), {"folder": tmp_path})
    run_state_machine_as_test(machine, settings=settings(max_examples=30, deadline=None))
