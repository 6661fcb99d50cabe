"""Counters and gauges of a host, by component."""

from __future__ import annotations

import pytest
from airswasm.runtime import Meters
from airswasm.wit import Metric
from hypothesis import given
from hypothesis import strategies as st

SET = Metric("alarms_set_total", "Alarms that were set.")
OPEN = Metric("alarms_open", "Alarms that are to ring.", "gauge")


@pytest.fixture
def meters():
    return Meters([SET, OPEN])


def test_a_family_without_values_is_there_and_empty(meters):
    """A scrape shows which figures there can be."""
    assert meters.metrics == (SET, OPEN)
    assert list(meters.samples("alarms_open")) == []


def test_each_component_has_its_own_value(meters):
    """One by default, or an amount; a gauge goes both ways and can be set."""
    meters.add("alarms_set_total", "local/a")
    meters.add("alarms_set_total", "local/a", 2.5)
    meters.add("alarms_set_total", "local/b", 0)
    assert dict(meters.samples("alarms_set_total")) == {"local/a": 3.5, "local/b": 0}
    meters.add("alarms_open", "local/a", -1)
    meters.set("alarms_open", "local/b", 7)
    meters.set("alarms_open", "local/b", 4)
    assert dict(meters.samples("alarms_open")) == {"local/a": -1, "local/b": 4}


@given(st.lists(st.tuples(st.sampled_from(["a", "b", "c"]), st.integers(0, 9))))
def test_a_counter_is_the_sum_of_what_was_added(added):
    """Nothing is lost and nothing is counted for another."""
    meters = Meters([SET])
    for component, amount in added:
        meters.add("alarms_set_total", component, amount)
    for component, value in meters.samples("alarms_set_total"):
        assert value == sum(amount for name, amount in added if name == component)


def test_a_counter_only_grows(meters):
    """A figure that goes down would be read as a restart of the host."""
    meters.add("alarms_set_total", "local/a", 3)
    with pytest.raises(ValueError, match="alarms_set_total"):
        meters.add("alarms_set_total", "local/a", -1)
    with pytest.raises(ValueError, match="alarms_set_total"):
        meters.set("alarms_set_total", "local/a", 1)
    assert dict(meters.samples("alarms_set_total")) == {"local/a": 3}


@pytest.mark.parametrize("amount", [1, -1, 0])
def test_what_no_block_declares_is_not_counted(meters, amount):
    """A slip in a name is found by the first call and not by an empty dashboard."""
    with pytest.raises(KeyError):
        meters.add("alarms_total", "local/a", amount)
    with pytest.raises(KeyError):
        meters.set("alarms_total", "local/a", amount)
    with pytest.raises(KeyError):
        list(meters.samples("alarms_total"))


def test_a_component_that_is_gone_is_forgotten(meters):
    """In every family, and again without harm; the others keep theirs."""
    for name in ("local/a", "local/b"):
        meters.add("alarms_set_total", name)
        meters.set("alarms_open", name, 1)
    meters.forget("local/a")
    meters.forget("local/a")
    for family in ("alarms_set_total", "alarms_open"):
        assert dict(meters.samples(family)) == {"local/b": 1}


def test_reading_does_not_hinder_counting(meters):
    """A scrape that is in the middle of a family sees it as it was."""
    meters.set("alarms_open", "local/a", 1)
    samples = meters.samples("alarms_open")
    assert next(samples) == ("local/a", 1)
    meters.set("alarms_open", "local/b", 1)
    assert list(samples) == []


def test_a_second_label_keeps_values_apart():
    """A family with a second label needs a value of it, and one without takes none."""
    sent = Metric("bytes_total", "Bytes.", label="direction")
    held = Metric("held", "Held.", "gauge", label="kind")
    meters = Meters([SET, sent, held])
    for amount, direction in ((3, "in"), (4, "out"), (5, "in")):
        meters.add("bytes_total", "local/a", amount, label=direction)
    meters.set("held", "local/b", 2, label="socket")
    assert meters.labelled("bytes_total") == {"local/a": {"in": 8.0, "out": 4.0}}
    assert dict(meters.samples("bytes_total")) == {"local/a": 12.0}
    assert meters.labelled("held") == {"local/b": {"socket": 2}}
    with pytest.raises(ValueError, match="a value of direction"):
        meters.add("bytes_total", "local/a")
    with pytest.raises(ValueError, match="no second label"):
        meters.add("alarms_set_total", "local/a", label="in")
    meters.forget("local/a")
    assert meters.labelled("bytes_total") == {}
