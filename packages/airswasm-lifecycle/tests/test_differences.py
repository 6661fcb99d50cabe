"""Every way in which an update may get more than its predecessor is a question."""

from __future__ import annotations

import pytest
from airswasm.lifecycle import Manifest
from airswasm.lifecycle._packages.differences import Difference, differences
from hypothesis import given
from hypothesis import strategies as st

HEAD = '[component]\nname = "local/hello"\nversion = "0.1.0"\n'


def manifest(text: str) -> Manifest:
    return Manifest.parse(HEAD + text)


def between(before: str, after: str) -> tuple[Difference, ...]:
    return differences(manifest(before), manifest(after))


SHUTDOWN = "[supervision]\nshutdown = "
CHECKS = '[health]\ninterval = "1 s"\n'
BACKOFF = "[supervision.backoff]\n"


@pytest.mark.parametrize(
    ("less", "more"),
    [
        ('[limits]\nmemory = "1 MiB"', '[limits]\nmemory = "2 MiB"'),
        ('[limits]\nmemory = "1 MiB"', ""),
        ("[limits]\nfuel = 1", "[limits]\nfuel = 2"),
        ('[limits]\ntimeout = "1 s"', '[limits]\ntimeout = "2 s"'),
        ("[limits]\nmailbox = 1", "[limits]\nmailbox = 2"),
        ('[limits]\nmailbox_bytes = "1 KiB"', '[limits]\nmailbox_bytes = "1 MiB"'),
        ('[limits]\nstorage = "1 KiB"', '[limits]\nstorage = "1 MiB"'),
        ("[limits]\nstorage_keys = 1", "[limits]\nstorage_keys = 2"),
        ("[limits.rates]\nmessages = 1", "[limits.rates]\nmessages = 10_000"),
        ("[limits.rates]\nlogs = 1", "[limits.rates]\nlogs = 2"),
        ("[limits]\nweight = 1", "[limits]\nweight = 1.5"),
        ("", '[supervision]\nrevive = "5 min"'),
        ('[supervision]\nrevive = "5 min"', '[supervision]\nrevive = "1 min"'),
        ('[supervision]\nrestart = "temporary"', '[supervision]\nrestart = "transient"'),
        ('[supervision]\nrestart = "transient"', '[supervision]\nrestart = "permanent"'),
        ("[supervision]\nintensity = 1", "[supervision]\nintensity = 1_000_000"),
        ('[supervision]\nperiod = "60 s"', '[supervision]\nperiod = "1 s"'),
        (f'{SHUTDOWN}"brutal_kill"', f'{SHUTDOWN}"1 s"'),
        (f'{SHUTDOWN}"1 s"', f'{SHUTDOWN}"infinity"'),
        (f'{BACKOFF}growth = "linear"', f'{BACKOFF}growth = "immediate"'),
        (f'{BACKOFF}initial = "1 s"', f'{BACKOFF}initial = "1 ms"'),
        (f'{BACKOFF}maximum = "1 s"', f'{BACKOFF}maximum = "1 ms"'),
        (f'{CHECKS}timeout = "1 s"', f'{CHECKS}timeout = "2 s"'),
        ('[health]\ninterval = "10 s"', '[health]\ninterval = "1 s"'),
    ],
)
def test_more_is_a_raise_and_less_is_not(less: str, more: str) -> None:
    """One key at a time, in both directions; equal is no difference at all."""
    (raised,), (lowered,) = between(less, more), between(more, less)
    assert raised.key == lowered.key
    assert (raised.is_raise, lowered.is_raise) == (True, False)
    assert (raised.before, raised.after) == (lowered.after, lowered.before)
    assert between(more, more) == between(less, less) == ()


def test_health_checks_that_begin_are_a_raise_and_those_that_end_are_not() -> None:
    """They take the host's time; how many of them may fail is no permission."""
    begun, ended = between("", CHECKS), between(CHECKS, "")
    raises = {each.key: each.is_raise for each in begun}
    assert raises == {"health.interval": True, "health.timeout": True, "health.failures": False}
    assert not any(each.is_raise for each in ended)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("", '[environment]\nDEBUG = "1"'),
        ('[environment]\nDEBUG = "1"', '[environment]\nDEBUG = "2"'),
        ("", '[config]\nurl = "http://other"'),
        ("[config]\ndeep = { er = 1 }", "[config]\ndeep = { er = 2 }"),
        ("[config]\nx = 1", "[config]\nx = true"),
        ("[config]\nx = 1", "[config]\nx = 1.0"),
        ("[config]\nx = 1", '[config]\nx = "1"'),
        ("[config]\nx = []", "[config]\nx = {}"),
        ("", "[config]\nx = {}"),
        ('[config]\n"a.b" = 1\na = { b = 2 }', '[config]\n"a.b" = 2\na = { b = 2 }'),
        ('[config]\n"a.b" = 1\na = { b = 2 }', '[config]\n"a.b" = 1\na = { b = 1 }'),
        ("", "[limits]\nfuel = 1"),
        ("", '[limits]\nstorage = "1 KiB"'),
        ("", "[limits]\nstorage_keys = 1"),
        (f"{BACKOFF}jitter = 0.1", f"{BACKOFF}jitter = 0.2"),
    ],
)
def test_what_cannot_be_told_is_a_raise_both_ways(one: str, other: str) -> None:
    """The host does not know what a variable means, nor how the default compares."""
    assert [each.is_raise for each in between(one, other)] == [True]
    assert [each.is_raise for each in between(other, one)] == [True]


def test_a_codec_is_shown_and_not_asked_about() -> None:
    """It says what the component reads, and gives it nothing."""
    (shown,) = between('[codecs]\naccepts = ["raw"]', '[codecs]\naccepts = ["raw", "cbor"]')
    assert not shown.is_raise


def test_values_are_shown_as_people_write_them() -> None:
    """Sizes with their unit, absence as absence, long ones cut."""
    (memory,) = between("", '[limits]\nmemory = "64 MiB"')
    assert (memory.before, memory.after) == ("4 MiB", "64 MiB")
    (fuel,) = between("", "[limits]\nfuel = 7")
    assert (fuel.before, fuel.after) == ("the host's default", "7")
    (long,) = between("", f'[config]\nx = "{"y" * 5000}"')
    assert long.before == "not set"
    assert len(long.after) <= 120


def test_without_a_predecessor_everything_counts_as_more() -> None:
    """Its manifest cannot be read: what it had is not known."""
    found = {each.key: each.is_raise for each in differences(None, manifest(""))}
    assert found.pop("codecs.accepts") is False
    assert found.pop("codecs.prefers") is False
    assert found.pop("supervision.revive") is False  # never
    assert found.pop("limits.mailbox_full") is False
    assert found
    assert all(found.values())


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(
    before=st.dictionaries(st.text(), VALUES, max_size=4),
    after=st.dictionaries(st.text(), VALUES, max_size=4),
)
def test_no_change_of_a_configuration_is_overlooked(
    before: dict[str, object], after: dict[str, object]
) -> None:
    """Whatever its keys look like: equal as JSON, or asked about."""
    component = manifest("").component
    one, other = Manifest(component, config=before), Manifest(component, config=after)
    found = differences(one, other)
    assert bool(found) == (one.config_json != other.config_json and not _same(before, after))
    assert all(each.is_raise for each in found)


def _same(before: object, after: object) -> bool:
    """Equal as JSON: the order of an object's members means nothing."""
    import json

    return json.dumps(before, sort_keys=True) == json.dumps(after, sort_keys=True)
