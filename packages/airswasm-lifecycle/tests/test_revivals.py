"""Cool-downs on trio's autojump clock, against a model that is a dictionary."""

from __future__ import annotations

import anyio
import pytest
from airswasm.actor import ActorSystem
from airswasm.lifecycle._hosting.revivals import Revivals
from hypothesis import example, given
from hypothesis import strategies as st
from trio.testing import MockClock

NAMES = ("local/a", "local/b", "local/c")
Step = tuple[str, str, int]
# Cool-downs end at whole seconds and looks are between them, so that no two moments are the same.
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["expect", "cancel", "forget", "wait"]),
        st.sampled_from(NAMES),
        st.integers(0, 9),
    ),
    max_size=30,
)


class Model:
    """What is to come, what came, and how often since it was forgotten."""

    def __init__(self) -> None:
        self.now = 0.0
        self.ends: dict[str, float] = {}
        self.came: list[tuple[str, float]] = []
        self.counts = dict.fromkeys(NAMES, 0)

    def step(self, what: str, name: str, number: int) -> None:
        if what == "expect":
            self.ends[name] = self.now + number + 0.25 * NAMES.index(name)
        elif what == "wait":
            self.now += number + 0.125
            for due in sorted(self.ends, key=self.ends.__getitem__):
                if self.ends[due] < self.now:
                    self.came.append((due, self.ends.pop(due)))
                    self.counts[due] += 1
        else:
            self.ends.pop(name, None)
            if what == "forget":
                self.counts[name] = 0


async def play(steps: list[Step]) -> None:
    model, came = Model(), list[tuple[str, float]]()
    async with ActorSystem() as actors:
        began = anyio.current_time()

        async def revive(name: str, seconds: float) -> None:
            assert seconds >= 0
            came.append((name, anyio.current_time() - began))

        revivals = Revivals(actors, revive)
        for what, name, number in steps:
            model.step(what, name, number)
            if what == "expect":
                revivals.expect(name, number + 0.25 * NAMES.index(name))
            elif what == "wait":
                await anyio.sleep(number + 0.125)
            else:
                getattr(revivals, what)(name)
            assert [name for name, _ in came] == [name for name, _ in model.came]
            assert [at for _, at in came] == pytest.approx([at for _, at in model.came])
            for each in NAMES:
                left = model.ends.get(each)
                expected = None if left is None else pytest.approx(left - model.now)
                assert revivals.left(each) == expected
                assert revivals.count(each) == model.counts[each]


@given(STEPS)
@example([("expect", "local/a", 3), ("expect", "local/a", 5), ("wait", "local/a", 9)])
@example([("expect", "local/a", 1), ("forget", "local/a", 0), ("wait", "local/a", 9)])
@example([("expect", "local/b", 1), ("wait", "local/a", 2), ("expect", "local/b", 2)])
def test_each_comes_once_at_its_time_or_not_at_all(steps: list[Step]) -> None:
    """A later one takes the place of an earlier one, and what was cancelled never comes."""
    anyio.run(
        play, steps, backend="trio", backend_options={"clock": MockClock(autojump_threshold=0)}
    )
