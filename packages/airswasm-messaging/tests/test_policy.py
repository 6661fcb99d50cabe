"""Rates: never more than allowed, never less than promised."""

import pytest
from airswasm.messaging import Rate, TokenBucket
from hypothesis import given
from hypothesis import strategies as st


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@given(st.floats(0.1, 100), st.integers(1, 20), st.lists(st.floats(0, 2), max_size=60))
def test_a_rate_holds_over_any_time(per_second: float, burst: int, pauses: list[float]) -> None:
    """However tries are spread, no more pass than burst plus what the time allows."""
    clock = Clock()
    bucket = TokenBucket(Rate(per_second, burst), clock)
    passed = 0
    for pause in pauses:
        clock.now += pause
        passed += bucket.take()
        assert passed <= burst + sum(pauses) * per_second + 1e-6


def test_a_full_burst_passes_and_comes_back() -> None:
    """After a pause as long as the burst takes, it is there again; refused tries cost nothing."""
    clock = Clock()
    bucket = TokenBucket(Rate(2.0, 4), clock)
    assert [bucket.take() for _ in range(6)] == [True] * 4 + [False] * 2
    clock.now += 0.5
    assert [bucket.take() for _ in range(2)] == [True, False]
    clock.now += 1_000
    assert [bucket.take() for _ in range(5)] == [True] * 4 + [False]


@pytest.mark.parametrize(("per_second", "burst"), [(0.0, 1), (-1.0, 1), (1.0, 0)])
def test_a_rate_allows_something(per_second: float, burst: int) -> None:
    """A component that may never send lacks a capability, not a rate."""
    with pytest.raises(ValueError, match="at least one"):
        Rate(per_second, burst)
