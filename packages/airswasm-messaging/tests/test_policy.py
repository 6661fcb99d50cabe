"""Rates: never more than allowed, never less than promised."""

import math
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random

import pytest
from airswasm.messaging import (
    Acceptance,
    MessagingLimits,
    Rate,
    RateExceeded,
    TokenBucket,
)
from airswasm.messaging._quota import SendingQuota
from airswasm.messaging._total import HostTotal
from hypothesis import given, settings
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


sizes = st.lists(st.tuples(st.floats(0, 2), st.integers(0, 200)), max_size=60)


@given(st.floats(1, 100), st.integers(1, 100), sizes)
def test_a_rate_of_bytes_holds_over_any_time(
    per_second: float, burst: int, tries: list[tuple[float, int]]
) -> None:
    """No more than burst, what the time allows, and the one large payload that is made up for."""
    clock = Clock()
    bucket = TokenBucket(Rate(1e9, 10**9, per_second, burst), clock)
    passed = largest = 0
    for pause, size in tries:
        clock.now += pause
        if bucket.take(size):
            passed += size
            largest = max(largest, size)
        allowed = burst + sum(pause for pause, _ in tries) * per_second
        assert passed <= allowed + largest + 1e-6


def test_a_payload_larger_than_the_burst_passes_alone() -> None:
    """Else it never would; nothing follows until it is made up for."""
    clock = Clock()
    bucket = TokenBucket(Rate(1e9, 10**9, 10.0, 10), clock)
    assert bucket.take(100)
    assert not bucket.take(1)
    assert bucket.lacks == "bytes"
    assert bucket.take(0) is False
    clock.now += 9.0
    assert not bucket.take(1)
    clock.now += 1.0
    assert bucket.take(10)


def test_a_change_of_the_rate_is_no_new_burst() -> None:
    """A lower rate holds at once; a higher one is earned."""
    clock = Clock()
    bucket = TokenBucket(Rate(100.0, 100), clock)
    bucket.change(Rate(1.0, 2))
    assert [bucket.take() for _ in range(3)] == [True, True, False]
    bucket.change(Rate(100.0, 100))
    assert not bucket.take()
    clock.now += 0.125
    assert sum(bucket.take() for _ in range(20)) == 12


@dataclass
class Changing:
    """A policy that is changed while messages are sent."""

    rates: dict[str, Rate]
    limits: MessagingLimits = field(default_factory=MessagingLimits)
    revision: int = 0

    def rate_of(self, component: str) -> Rate:
        return self.rates[component]

    def acceptance_of(self, target: str) -> Acceptance:
        return Acceptance(target)


def passed(quota: SendingQuota, sender: str, tries: int, size: int = 0) -> int:
    count = 0
    for _ in range(tries):
        with suppress(RateExceeded):
            quota.take(sender, size)
            count += 1
    return count


def test_a_change_of_the_policy_holds_at_once() -> None:
    """In both directions, for every sender that has a bucket already."""
    clock = Clock()
    policy = Changing({"a/a": Rate.of(5), "b/b": Rate.of(50)})
    quota = SendingQuota(policy, clock)
    assert (passed(quota, "a/a", 100), passed(quota, "b/b", 100)) == (5, 50)
    policy.rates = {"a/a": Rate.of(50), "b/b": Rate.of(5)}
    policy.revision += 1
    assert passed(quota, "a/a", 1) == 0
    clock.now += 1
    assert (passed(quota, "a/a", 100), passed(quota, "b/b", 100)) == (50, 5)


def test_the_whole_host_has_a_rate_of_its_own() -> None:
    """Of messages and bytes; a sender that it refuses keeps its own allowance."""
    clock = Clock()
    limits = MessagingLimits(total_messages=10, total_bytes=100)
    quota = SendingQuota(Changing({"a/a": Rate.of(8), "b/b": Rate.of(8)}, limits), clock)
    assert passed(quota, "a/a", 20) == 8
    assert passed(quota, "b/b", 20) == 2
    with pytest.raises(RateExceeded, match="messages of the whole host"):
        quota.take("b/b", 0)
    clock.now += 1
    assert passed(quota, "b/b", 5, 30) == 3
    with pytest.raises(RateExceeded, match="bytes of the whole host") as info:
        quota.take("b/b", 30)
    assert info.value.of == "bytes"


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 12), st.integers(1, 100), st.integers(0, 3), st.integers(0, 2**32),
    st.sampled_from(["messages", "bytes"]),
)  # fmt: skip
def test_greedy_senders_get_fair_shares(
    senders: int, total: int, modest: int, seed: int, of: str
) -> None:
    """Each at least half of total/N, however fast it tries; all together never more than total.

    And modest senders, which try ten times as rarely, cost them no more than what these send.
    """
    clock, random = Clock(), Random(seed)
    size = 1 if of == "messages" else 100
    bound = HostTotal(
        total if of == "messages" else math.inf, total * 100 if of == "bytes" else math.inf, clock
    )
    names = [f"a/{number}" for number in range(senders)]
    tries = [name for number, name in enumerate(names) for _ in range(1 + number % 4)]
    quiet = [f"b/{number}" for number in range(modest)]
    sent = dict.fromkeys((*names, *quiet), 0)
    seconds = max(10, 4 * senders // total + 1)
    step = min(0.5, 1 / (2 * total))
    steps = min(round(seconds / step), 1_000)
    step = seconds / steps
    for _ in range(steps):
        clock.now += step
        turn = [*tries, *(each for each in quiet if random.random() < 0.1)]
        random.shuffle(turn)
        for name in turn:
            for _ in range(max(1, round(2 * total * step))):
                sent[name] += not bound.take(name, size)
    assert sum(sent.values()) <= total * (seconds + 1) + 1
    share = total * seconds / (senders + modest)
    assert min(sent[name] for name in names) >= share / 2 - 1


def test_one_sender_alone_gets_all_of_the_total() -> None:
    """Also what was dealt to others that are silent by now."""
    clock = Clock()
    bound = HostTotal(100, math.inf, clock)
    for number in range(50):
        bound.take(f"a/{number}", 0)
    clock.now += 2
    count = 0
    for _ in range(1_000):
        clock.now += 0.01
        count += sum(not bound.take("b/b", 0) for _ in range(3))
    assert 1_000 <= count <= 1_101


def test_a_greedy_sender_takes_what_others_leave() -> None:
    """A sender that is active and sends little keeps nothing from one that sends much."""
    clock = Clock()
    bound = HostTotal(100, math.inf, clock)
    modest = greedy = 0
    for number in range(2_000):
        clock.now += 0.005
        greedy += sum(not bound.take("a/greedy", 0) for _ in range(3))
        if not number % 100:
            modest += not bound.take("b/modest", 0)
    assert modest == 20
    assert greedy >= 0.9 * 1_000


def test_a_payload_larger_than_a_share_passes_and_is_made_up_for() -> None:
    """Else a component that sends large messages would starve among small ones."""
    clock = Clock()
    bound = HostTotal(math.inf, 1_000, clock)
    large = small = 0
    for _ in range(4_000):
        clock.now += 0.005
        small += sum(not bound.take("a/small", 10) for _ in range(3)) * 10
        large += (not bound.take("b/large", 800)) * 800
    assert large >= 20_000 / 4 - 800
    assert small >= 20_000 / 4
    assert large + small <= 21_000 + 800


@pytest.mark.parametrize("value", [0, -1, float("nan")])
def test_the_whole_host_may_send_something(value: float) -> None:
    """A setting of 0 would be a host without messages."""
    for name in ("total_messages", "total_bytes"):
        with pytest.raises(ValueError, match=name):
            MessagingLimits(**{name: value})


@pytest.mark.parametrize(("per_second", "burst"), [(0.0, 1), (-1.0, 1), (1.0, 0)])
def test_a_rate_allows_something(per_second: float, burst: int) -> None:
    """A component that may never send lacks a capability, not a rate."""
    with pytest.raises(ValueError, match="at least one"):
        Rate(per_second, burst)


@pytest.mark.parametrize(
    ("bytes_per_second", "burst_bytes"), [(0.0, 1.0), (-1.0, 1.0), (1.0, 0.5), (float("nan"), 1.0)]
)
def test_a_rate_allows_some_bytes(bytes_per_second: float, burst_bytes: float) -> None:
    with pytest.raises(ValueError, match="one byte"):
        Rate(bytes_per_second=bytes_per_second, burst_bytes=burst_bytes)
