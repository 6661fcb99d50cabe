"""Times and sizes as people read them."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator

import pytest
import typer
from airswasm.cli.commands._times import (
    amount,
    clock,
    lasted,
    moment,
    past_moment,
    short,
    size,
    when,
)
from airswasm.cli.errors import TimeMalformed
from hypothesis import example, given
from hypothesis import strategies as st

FACTORS = {"µs": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0}


@pytest.fixture
def in_tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nine hours ahead, without summer time."""
    monkeypatch.setenv("TZ", "JST-9")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("show", "value", "text"),
    [
        (lasted, 0, "0.0 s"), (lasted, 9.94, "9.9 s"), (lasted, 9.99, "9.9 s"),
        (lasted, 10, "10 s"),
        (lasted, 59.9, "59 s"), (lasted, 60, "1 min 0 s"), (lasted, 3599.9, "59 min 59 s"),
        (lasted, 3600, "1 h 0 min"), (lasted, 90_061, "25 h 1 min"), (lasted, None, "-"),
        (short, 0, "0 µs"), (short, 1.5e-6, "1.5 µs"), (short, 999.4e-6, "999 µs"),
        (short, 999.9e-6, "1 ms"), (short, 0.0123, "12.3 ms"), (short, 0.9996, "1 s"),
        (short, 999, "999 s"), (short, 1_234.5, "20 min 34 s"), (short, None, "over 10 s"),
        (size, 0, "0 B"), (size, 1023, "1023 B"), (size, 1024, "1.0 KiB"),
        (size, 2**20 - 1, "1.0 MiB"), (size, 5 * 2**40, "5120.0 GiB"), (size, None, "-"),
        (amount, 0, "0"), (amount, 1_234_567, "1,234,567"), (amount, None, "0"),
        (when, None, "-"),
    ],
)  # fmt: skip
def test_each_unit_begins_where_the_one_below_ends(
    show: Callable[[object], str], value: object, text: str
) -> None:
    """And what is not known is said to be so."""
    assert show(value) == text


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="the zone cannot be set here")
@pytest.mark.usefixtures("in_tokyo")
def test_moments_are_local() -> None:
    """With milliseconds where lines follow each other closely."""
    assert when(86_400.0) == "1970-01-02 09:00"
    assert clock(86_400.1234) == "1970-01-02 09:00:00.123"


def seconds_of(text: str) -> float:
    return sum(float(n) * FACTORS[unit] for n, unit in re.findall(r"([\d.]+) (\S+)", text))


@given(st.floats(1e-9, 1e6))
@example(0.9999)
@example(999.96)
@example(0.00099999)
def test_a_short_time_reads_back_and_has_no_exponent(value: float) -> None:
    """To three digits, or to its unit where that is coarser."""
    text = short(value)
    assert re.fullmatch(r"(0\.\d+|\d{1,3}(\.\d+)?) (µs|ms|s)|\d+ min \d+ s|\d+ h \d+ min", text)
    coarse = {"h": 60.0, "min": 1.0}.get(text.split()[1], 0.0)
    assert abs(seconds_of(text) - value) <= max(0.0051 * value, coarse)


@given(st.floats(0, 1e7), st.floats(0, 1e7))
def test_longer_times_are_not_shown_as_shorter(one: float, other: float) -> None:
    """Whatever their units."""
    less, more = sorted((one, other))
    assert seconds_of(lasted(less)) <= seconds_of(lasted(more)) + 0.1


@pytest.mark.parametrize(
    ("words", "seconds"),
    [("8h", 28_800), ("30 min", 1_800), ("1.5 s", 1.5), ("2 days", 172_800), ("1 week", 604_800)],
)
def test_a_duration_is_read_alike_in_both_directions(words: str, seconds: float) -> None:
    """What `--since` takes, `--until` of a grant takes."""
    before = time.time()
    ahead, ago = moment(words), past_moment(words)
    after = time.time()
    assert before + seconds <= ahead <= after + seconds
    assert before - seconds <= ago <= after - seconds


@pytest.mark.parametrize("words", ["", "soon", "9" * 400, "9" * 400 + "h", "²", "-1 h", "1 y"])
def test_what_is_no_time_is_refused_in_both_directions(words: str) -> None:
    """A number without bound would be an endless time."""
    with pytest.raises(typer.BadParameter):
        moment(words)
    with pytest.raises(TimeMalformed):
        past_moment(words)
