"""Several signers: nothing that one key does passes for the others, and every statement ends."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from airswasm.security import (
    CosignerRefused,
    InvalidSignature,
    InvalidStatement,
    KeyRevoked,
    PrivateKey,
    RotationRefused,
    SecurityError,
    SignaturesMissing,
    SignersMissing,
    Statement,
    StatementExpired,
    TrustError,
    TrustStore,
    VerifiedStatement,
    cosign,
    read_partly_signed,
    sign,
    sign_rotation,
    verify_rotation,
    verify_statement,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

KEYS = [PrivateKey.from_seed(bytes([number]) * 32) for number in range(4)]
OWNER, REVIEWER, THIRD, THIEF = KEYS
NAME = "local/hello"
SIGNERS = st.lists(st.sampled_from(KEYS), min_size=1, max_size=4, unique=True)


def statement(sequence: int = 1) -> Statement:
    return Statement.of(NAME, "1.0.0", sequence, {"component.wasm": b""})


def release(sequence: int, *keys: PrivateKey) -> VerifiedStatement:
    return verify_statement(sign(statement(sequence), *keys))


@pytest.fixture
def store(tmp_path: Path) -> TrustStore:
    made = TrustStore(tmp_path / "trust.json", threshold=2, clock=lambda: 1000.0)
    made.pin(NAME, OWNER.public, cosigners=[REVIEWER.public])
    return made


class TestTheFile:
    """A signature file that several people complete."""

    @given(SIGNERS, st.randoms())
    def test_it_holds_once_all_have_signed_in_any_order(
        self, keys: list[PrivateKey], random: object
    ) -> None:
        """Its bytes do not depend on the order of the signing."""
        others = keys[1:]
        random.shuffle(others)  # type: ignore[attr-defined]
        envelope = sign(statement(), keys[0], cosigners=[each.public for each in keys[1:]])
        for left in range(len(others), 0, -1):
            with pytest.raises(SignaturesMissing) as missing:
                verify_statement(envelope)
            assert (missing.value.named, len(missing.value.missing)) == (len(keys), left)
            partly = read_partly_signed(envelope)
            assert len(partly.missing) == left
            envelope = cosign(envelope, others[left - 1])
        assert verify_statement(envelope).signers == tuple(each.public for each in keys)
        assert envelope == sign(statement(), *keys)

    @given(SIGNERS, st.integers(0, 3))
    def test_no_line_can_be_dropped_added_or_moved(
        self, keys: list[PrivateKey], place: int
    ) -> None:
        """Each leaves a file that does not hold."""
        lines = sign(statement(), *keys).splitlines(keepends=True)
        place = 2 + place % len(keys)
        foreign = sign(statement(), THIEF).splitlines(keepends=True)[2]
        for changed in (
            [*lines[:place], *lines[place + 1 :]],
            [*lines[:place], foreign, *lines[place:]],
            [*lines[:2], *lines[place:], *lines[2:place]],
        ):
            if changed != lines:
                with pytest.raises(SecurityError):
                    verify_statement(b"".join(changed))

    def test_only_a_named_key_adds_a_signature_and_once(self) -> None:
        """Another key would make another statement, and that is the first signer's to do."""
        envelope = sign(statement(), OWNER, cosigners=[REVIEWER.public])
        with pytest.raises(InvalidStatement, match="does not name"):
            cosign(envelope, THIEF)
        with pytest.raises(InvalidStatement, match="already"):
            cosign(envelope, OWNER)
        with pytest.raises(InvalidSignature):
            cosign(envelope.replace(b"1.0.0", b"1.0.1"), REVIEWER)


class TestNumber:
    """How many have signed, of those that count."""

    def test_the_keys_must_be_pinned_and_different(self, store: TrustStore) -> None:
        """A second key of the thief's own is none; the error says which it was."""
        store.check(release(1, OWNER, REVIEWER))
        for keys in ([OWNER], [OWNER, THIEF], [OWNER, THIEF, THIRD]):
            with pytest.raises(SignersMissing) as refused:
                store.check(release(1, *keys))
            assert refused.value.counted == (OWNER.public.fingerprint,)
            assert len(refused.value.strangers) == len(keys) - 1
            assert "1 of 2" in str(refused.value)

    def test_a_name_may_need_more_than_its_host(self, store: TrustStore) -> None:
        """And never less."""
        store.add_cosigner(NAME, THIRD.public)
        assert store.set_threshold(NAME, 3) == 3
        with pytest.raises(SignersMissing, match="2 of 3"):
            store.check(release(1, OWNER, REVIEWER))
        store.check(release(1, OWNER, REVIEWER, THIRD))
        assert store.set_threshold(NAME, 1) == 2
        for wrong in (0, 9, -1):
            with pytest.raises(CosignerRefused):
                store.set_threshold(NAME, wrong)

    def test_the_number_outlives_the_pin(self, tmp_path: Path) -> None:
        """To forget the keys of a name is no way to need fewer of them."""
        store = TrustStore(tmp_path / "trust.json")
        store.pin(NAME, OWNER.public)
        store.set_threshold(NAME, 2)
        store.unpin(NAME)
        assert store.needed(NAME) == 2
        store.pin(NAME, OWNER.public)
        with pytest.raises(SignersMissing):
            store.check(release(1, OWNER))

    def test_what_is_installed_goes_on(self, store: TrustStore) -> None:
        """The number is asked for when something new comes, not when it starts again."""
        store.check_installed(release(1, OWNER))

    def test_a_cosigner_is_pinned_beside_an_owner(self, store: TrustStore) -> None:
        """Once, by the operator, and not if its key was revoked."""
        store.revoke(THIEF.public.fingerprint, "stolen")
        with pytest.raises(KeyRevoked):
            store.add_cosigner(NAME, THIEF.public)
        for name, key in ((NAME, OWNER), (NAME, REVIEWER), ("local/other", THIRD)):
            with pytest.raises(CosignerRefused):
                store.add_cosigner(name, key.public)
        with pytest.raises(CosignerRefused):
            store.remove_cosigner(NAME, OWNER.public.fingerprint)
        store.remove_cosigner(NAME, REVIEWER.public.fingerprint)
        assert store.needed(NAME) == 2


class TestRotation:
    """A statement that replaces a key, where several must sign."""

    def test_the_old_key_alone_gives_nothing_away(self, store: TrustStore) -> None:
        """A thief of one key must not become the owner."""
        for cosigners in ([], [THIRD]):
            with pytest.raises(SignersMissing):
                store.rotate(sign_rotation(NAME, OWNER, THIEF, 2, cosigners=cosigners))
        after = store.rotate(sign_rotation(NAME, OWNER, THIRD, 2, cosigners=[REVIEWER]))
        assert after.keys == (THIRD.public, REVIEWER.public)

    def test_a_cosigner_has_a_successor_too(self, store: TrustStore) -> None:
        """The owner signs it; and no key counts twice afterwards."""
        with pytest.raises(RotationRefused, match="counts once"):
            store.rotate(sign_rotation(NAME, OWNER, REVIEWER, 2))
        after = store.rotate(sign_rotation(NAME, REVIEWER, THIRD, 2, cosigners=[OWNER]))
        assert after.keys == (OWNER.public, THIRD.public)
        with pytest.raises(SignersMissing):
            store.check(release(3, OWNER, REVIEWER))

    def test_the_others_may_sign_it_elsewhere(self, store: TrustStore) -> None:
        """It holds once they have."""
        partly = sign_rotation(NAME, OWNER, THIRD, 2, cosigners=[REVIEWER.public])
        with pytest.raises(SignaturesMissing):
            store.rotate(partly)
        assert store.rotate(cosign(partly, REVIEWER)).key == THIRD.public

    @given(st.integers(1, 2000))
    @settings(max_examples=30)
    def test_it_ends_by_the_clock_of_the_host(self, end: int) -> None:
        """Exactly then, whatever its signer's clock said; the name keeps its owner."""
        with tempfile.TemporaryDirectory() as folder:
            store = TrustStore(Path(folder) / "trust.json", clock=lambda: 1000.0)
            store.pin(NAME, OWNER.public)
            rotation = sign_rotation(NAME, OWNER, THIRD, 2, expires=end)
            if end < 1000:
                with pytest.raises(StatementExpired) as refused:
                    store.rotate(rotation)
                assert (refused.value.expired, refused.value.now) == (end, 1000.0)
                assert store.components()[0].key == OWNER.public
            else:
                assert store.rotate(rotation).key == THIRD.public

    def test_its_end_is_part_of_what_is_signed(self) -> None:
        """It cannot be moved, and a statement without one is none."""
        rotation = sign_rotation(NAME, OWNER, THIRD, 2, expires=900)
        for changed in (
            rotation.replace(b'"expires":900', b'"expires":9000'),
            rotation.replace(b'"expires":900,', b""),
        ):
            with pytest.raises(InvalidSignature):
                verify_rotation(changed)
        for end in (0, -1, 2**62):
            with pytest.raises(InvalidStatement):
                sign_rotation(NAME, OWNER, THIRD, 2, expires=end)


class Thresholds(RuleBasedStateMachine):
    """Whatever is done, in whatever order: the number falls only where it was set lower.

    And no version is accepted that fewer than so many different, pinned, good keys have signed.
    """

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "trust.json"
        self.now = 1000.0
        self.number = 1
        self.used: list[bytes] = []

    @property
    def store(self) -> TrustStore:
        return TrustStore(self.path, clock=lambda: self.now)

    def attempt(self, act: Callable[[TrustStore], object]) -> bool:
        try:
            act(self.store)
        except TrustError:
            return False
        return True

    @rule(keys=SIGNERS)
    def pin(self, keys: list[PrivateKey]) -> None:
        others = [each.public for each in keys[1:]]
        self.attempt(lambda store: store.pin(NAME, keys[0].public, cosigners=others))

    @rule()
    def unpin(self) -> None:
        self.store.unpin(NAME)

    @rule(key=st.sampled_from(KEYS))
    def add_cosigner(self, key: PrivateKey) -> None:
        self.attempt(lambda store: store.add_cosigner(NAME, key.public))

    @rule(key=st.sampled_from(KEYS))
    def remove_cosigner(self, key: PrivateKey) -> None:
        self.attempt(lambda store: store.remove_cosigner(NAME, key.public.fingerprint))

    @rule(key=st.sampled_from(KEYS))
    def transfer(self, key: PrivateKey) -> None:
        self.attempt(lambda store: store.transfer(NAME, key.public))

    @rule(key=st.sampled_from(KEYS))
    def revoke(self, key: PrivateKey) -> None:
        self.store.revoke(key.public.fingerprint, "lost")

    @rule(number=st.integers(1, 3))
    def set_threshold(self, number: int) -> None:
        """The one question."""
        self.number = self.store.set_threshold(NAME, number)

    @rule(seconds=st.integers(0, 300))
    def wait(self, seconds: int) -> None:
        self.now += seconds

    @rule(keys=SIGNERS, sequence=st.integers(1, 20), end=st.integers(900, 1500))
    def rotate(self, keys: list[PrivateKey], sequence: int, end: int) -> None:
        if len(keys) < 2:
            return
        before = self.store.get(NAME)
        rotation = sign_rotation(NAME, keys[0], keys[1], sequence, expires=end, cosigners=keys[2:])
        if self.attempt(lambda store: store.rotate(rotation)):
            assert before is not None
            assert self.now <= end
            assert sequence > before.sequence
            assert len({each.public for each in keys} & set(before.keys)) >= self.number
            assert not self.revoked & {each.public.fingerprint for each in keys}
            self.used.append(rotation)

    @rule()
    def replay(self) -> None:
        for each in self.used:
            if self.store.get(NAME) is not None and self.store.get(NAME).sequence:  # type: ignore[union-attr]
                sequence = verify_rotation(each).sequence
                if sequence <= self.store.get(NAME).sequence:  # type: ignore[union-attr]
                    assert not self.attempt(lambda store, each=each: store.rotate(each))  # type: ignore[misc]

    @rule(keys=SIGNERS, sequence=st.integers(1, 20))
    def offer(self, keys: list[PrivateKey], sequence: int) -> None:
        before = self.store.get(NAME)
        if self.attempt(lambda store: store.accept(release(sequence, *keys))):
            assert before is not None
            assert keys[0].public == before.key
            assert len({each.public for each in keys} & set(before.keys)) >= self.number
            assert not self.revoked & {each.public.fingerprint for each in keys}

    @property
    def revoked(self) -> set[str]:
        return {each.fingerprint for each in self.store.revocations()}

    @invariant()
    def the_number_is_the_one_that_was_set(self) -> None:
        assert self.store.needed(NAME) == self.number

    @invariant()
    def no_key_is_pinned_twice(self) -> None:
        pin = self.store.get(NAME)
        assert pin is None or len(set(pin.keys)) == len(pin.keys)

    def teardown(self) -> None:
        self.folder.cleanup()


TestThresholds = Thresholds.TestCase
TestThresholds.settings = settings(max_examples=60, stateful_step_count=15, deadline=None)
