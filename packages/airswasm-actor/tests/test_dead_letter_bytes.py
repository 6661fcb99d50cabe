"""Dead letters are bounded in bytes, with a share for each actor, and can be forgotten."""

from __future__ import annotations

from airswasm.actor import DeadLetters, DeathReason, Message
from hypothesis import given
from hypothesis import strategies as st


def letter(letters: DeadLetters, number: int, target: str, payload: object) -> None:
    message = Message(payload, "test/sender", None, number, 0.0, None)
    letters.add(message, target, DeathReason.DROPPED, 0.0)


def kept(letters: DeadLetters, target: str) -> list[int]:
    return [each.message.id for each in letters if each.target == target]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 40_000)), max_size=40))
def test_the_bytes_are_bounded_whatever_comes(arrivals: list[tuple[str, int]]) -> None:
    """What is kept weighs no more than that, the newest are kept, and all are counted."""
    letters = DeadLetters(capacity=10, capacity_bytes=100_000)
    for number, (target, size) in enumerate(arrivals):
        letter(letters, number, target, bytes(size))
        assert letters.size_bytes <= 100_000
        assert sum(len(each.message.payload) for each in letters) <= letters.size_bytes  # type: ignore[arg-type]
        assert len(letters) <= 10
        if size < 20_000:
            assert list(letters)[-1].message.id == number
    assert letters.total == len(arrivals)


def test_a_flooded_actor_keeps_others_letters() -> None:
    """No actor's letters take more than a quarter, so they push out their own first."""
    letters = DeadLetters(capacity_bytes=100_000)
    letter(letters, 0, "test/quiet", b"evidence")
    for number in range(1, 200):
        letter(letters, number, "test/flooded", bytes(5_000))
    assert kept(letters, "test/quiet") == [0]
    assert kept(letters, "test/flooded") == [197, 198, 199]


def test_a_payload_that_changes_while_it_is_kept_weighs_what_it_did() -> None:
    """A `bytearray` may shrink meanwhile; the count does not drift by that."""
    letters = DeadLetters(capacity_bytes=100_000)
    payload = bytearray(10_000)
    letter(letters, 1, "test/a", payload)
    payload.clear()
    assert letters.take(1) is not None
    assert letters.size_bytes == 0


def test_letters_of_a_purged_name_are_forgotten() -> None:
    """To it and from it: nothing of its data stays in memory."""
    letters = DeadLetters()
    letter(letters, 1, "test/gone", b"to it")
    letters.add(
        Message(b"from it", "test/gone", None, 2, 0.0, None), "test/b", DeathReason.STOPPED, 0.0
    )
    letter(letters, 3, "test/b", b"stays")
    assert letters.forget("test/gone") == 2
    assert [each.message.id for each in letters] == [3]
    assert letters.total == 3


def test_a_letter_that_is_too_large_is_told_and_not_kept() -> None:
    """It counts, and listeners get it."""
    letters = DeadLetters(capacity_bytes=100_000)
    heard: list[object] = []
    letters.listen(heard.append)
    letter(letters, 1, "test/a", bytes(50_000))
    assert (len(letters), letters.total, len(heard)) == (0, 1, 1)
