"""`airswasm traces` shows each step once, below the step that caused it."""

from __future__ import annotations

import pytest
from airswasm.cli._control.document import Document
from airswasm.cli._session.session import Session
from airswasm.cli._session.settings import read_settings
from airswasm.cli._session.terminal import Terminal
from airswasm.cli.commands.traces import _show_all, _tree
from hypothesis import given
from hypothesis import strategies as st

spans = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=30)


@given(spans)
def test_each_span_is_shown_once(found: list[tuple[int, int]]) -> None:
    """Whatever its parent is: another host's, none, or a span below it."""
    known: list[Document] = [{"id": str(own), "parent": str(parent)} for own, parent in found]

    shown = [span for _, span in _tree(known)]

    assert sorted(map(id, shown)) == sorted(map(id, known))


@given(st.lists(st.integers(-1, 40), max_size=40))
def test_a_span_stands_below_its_parent(parents: list[int]) -> None:
    """One deeper, and after it."""
    known: list[Document] = [
        {"id": str(own), "parent": str(parent) if parent < own else ""}
        for own, parent in enumerate(parents)
    ]

    shown = [(str(span["id"]), depth) for depth, span in _tree(known)]
    depths = dict(shown)

    assert len(depths) == len(known)
    for span in known:
        if span["parent"] in depths:
            assert depths[str(span["id"])] == depths[str(span["parent"])] + 1
    seen: set[str] = set()
    for own, _depth in shown:
        parent = str(known[int(own)]["parent"])
        assert parent not in depths or parent in seen
        seen.add(own)


@pytest.mark.parametrize(
    ("name", "said"),
    [("", "no traces are kept"), ("local/nope", "no kept trace has local/nope in it")],
)
def test_an_empty_list_says_what_it_was_asked_for(
    name: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Traces of other components may be kept."""
    _show_all(Session(Terminal(), read_settings({})), [], name)

    assert said in capsys.readouterr().err
