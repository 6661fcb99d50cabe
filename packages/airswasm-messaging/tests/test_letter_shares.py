"""Bounds over all names: the largest gives first, so a flood cannot push out others."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("airswasm.storage")

from airswasm.messaging._dead_letters.shares import Shares

_STEPS = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(0, 400), st.booleans()), max_size=60
)


def naive_largest(items: dict[str, tuple[str, int]], most_items: int, most_bytes: int) -> set[str]:
    """Return the names of which one has to give."""
    loads: dict[str, int] = {}
    for name, size in items.values():
        loads[name] = loads.get(name, 0) + size * most_items + most_bytes
    top = max(loads.values())
    return {name for name, load in loads.items() if load == top}


@given(_STEPS)
def test_the_bounds_hold_and_the_largest_gives_its_oldest(
    steps: list[tuple[str, int, bool]],
) -> None:
    """As a naive search has it, whatever comes and goes."""
    shares = Shares(8, 1_000)
    items: dict[str, tuple[str, int]] = {}
    for number, (name, size, is_removal) in enumerate(steps):
        if is_removal and items:
            key = sorted(items)[size % len(items)]
            assert shares.remove(key)
            assert not shares.remove(key)
            del items[key]
            continue
        key = f"{number:03}"
        items[key] = name, size
        gone = shares.add(key, name, size)
        for each in gone:
            giver, _ = items[each]
            assert giver in naive_largest(items, 8, 1_000)
            assert each == min(k for k, (n, _) in items.items() if n == giver)
            del items[each]
        assert len(shares) == len(items) <= 8
        assert shares.size_bytes == sum(s for _, s in items.values()) <= 1_000
        assert dict(shares.counts()) == {
            n: sum(each == n for each, _ in items.values()) for n, _ in items.values()
        }


def test_a_quiet_name_keeps_its_own_beside_floods() -> None:
    """However many names flood."""
    shares = Shares(100, 100_000)
    assert shares.add("quiet", "q", 10) == []
    for number in range(5_000):
        shares.add(f"f{number}", f"flood-{number % 7}", 500)
    assert "quiet" in shares
