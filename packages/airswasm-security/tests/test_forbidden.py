"""The forbidden list: asked first, beats everything, and is quick about it."""

from __future__ import annotations

from airswasm.security import PLAIN, ForbiddenLayer, Grants, Guard, Kinds
from airswasm.wit import Forbidden
from hypothesis import given
from hypothesis import strategies as st

KINDS = Kinds.of(storage_read=PLAIN, storage_write=PLAIN)
READ = "storage:read"
LETTERS = st.text("abAB./-*?", min_size=1, max_size=8)
WORDS = st.sampled_from(["a", "b", "ab", "a.b", "*", "**", "a*", "?b", "A"])
PATTERNS = st.lists(WORDS, min_size=1, max_size=3).map("/".join)


@given(st.lists(PATTERNS, min_size=1, max_size=6), LETTERS, st.sampled_from((None, "prefix")))
def test_the_search_before_the_match_misses_nothing(
    patterns: list[str], resource: str, argument: str | None
) -> None:
    """The same answer as matching every pattern, for names and for prefixes."""
    layer = ForbiddenLayer(KINDS, [Forbidden("things", "storage", tuple(patterns))])
    guard, plain = Guard(KINDS), Guard(KINDS, policy=Grants(deny={READ: tuple(patterns)}))
    guard.add_layer(layer)
    for each in (guard, plain):
        each.grant("a/b", Grants({READ: ("**",)}))
    found = guard.decide("a/b", READ, resource, argument=argument)
    assert bool(found) == bool(plain.decide("a/b", READ, resource, argument=argument))
    if found.layer == "forbidden":
        assert found.reason.startswith("the forbidden list has ")
        assert found.reason.endswith(" (things)")
        assert found.manifest_line is found.command is None, "nothing would allow it"


def test_an_entry_of_one_capability_leaves_the_others_alone() -> None:
    """A domain stands for all of its capabilities, a name for one."""
    layer = ForbiddenLayer(KINDS, [Forbidden("it", "storage.read", ("x",))])
    guard = Guard(KINDS, {"a/b": Grants({READ: ("**",), "storage:write": ("**",)})})
    guard.add_layer(layer, first=True)
    assert not guard.decide("a/b", READ, "x")
    assert guard.decide("a/b", "storage:write", "x")
    layer.extend([Forbidden("more", "storage", ("x", "y"))])
    guard.forget_all_decisions()
    assert not guard.decide("a/b", "storage:write", "x")
    assert not guard.decide("a/b", READ, "y")
