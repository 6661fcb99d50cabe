"""Two readers of one declaration: typer, and the one for plain command lines."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from airswasm.cli import verb
from airswasm.cli._plain_verbs import PLAIN_VERBS, load_plain_verb
from airswasm.cli._session.options import COMMON, parameters_of, read_plain
from airswasm.cli._session.session import Session, invoke
from hypothesis import given
from hypothesis import strategies as st

TOKENS = (
    "--json", "--home", "--home=x", "--home=", "y", "--quiet", "-q", "-v", "-vv", "--verbose",
    "--no-color", "--yes", "-y", "--no-input", "--no-config", "--watch", "-w", "--follow", "-f",
    "--lines", "-n", "-n5", "5", "-5", "--", "-", "", "--help", "--jso", "--json=1", "-qv",
    "local/hello", "a=b", "--nope", "E0312",
)  # fmt: skip


def plain(name: str) -> Callable[..., None]:
    function = load_plain_verb(name)
    assert function is not None
    return function


class Called:
    """A verb that notes how it was called, in place of a real one with the same parameters."""

    def __init__(self, name: str) -> None:
        self.calls: list[tuple[Session, dict[str, object]]] = []

        @functools.wraps(plain(name))
        def function(session: Session, **arguments: object) -> None:
            self.calls.append((session, arguments))

        self.function = function

    def by_typer(self, arguments: list[str]) -> list[tuple[Session, dict[str, object]]]:
        app = typer.Typer(add_completion=False, rich_markup_mode=None)
        app.command()(verb(self.function))
        app(arguments, standalone_mode=False)
        return self.calls


@pytest.mark.parametrize("name", PLAIN_VERBS)
@given(arguments=st.lists(st.sampled_from(TOKENS), max_size=5))
def test_both_readers_agree(name: str, arguments: list[str]) -> None:
    """What the plain reader reads, typer reads in the same way; it leaves the rest to typer."""
    mine, other = Called(name), Called(name)
    found = read_plain(mine.function, arguments)
    if found is None:
        return
    assert invoke(mine.function, found) == 0
    assert mine.calls == other.by_typer(arguments)


@pytest.mark.parametrize(
    ("name", "arguments", "own"),
    [
        ("list", [], {}),
        ("list", ["--json", "--home", "x"], {}),
        ("status", ["-w"], {"watch": True}),
        ("info", ["local/hello", "--json"], {"name": "local/hello"}),
        ("logs", ["a=b", "-f"], {"name": "a=b", "follow": True, "lines": 50}),
        ("explain", ["312"], {"code": "312"}),
    ],
)
def test_what_people_type_is_plain(name: str, arguments: list[str], own: dict[str, object]) -> None:
    """Otherwise both readers would agree because one of them reads nothing."""
    found = read_plain(plain(name), arguments)
    assert found is not None
    common = {each.name for each in COMMON}
    given_here = {key: value for key, value in found.items() if key not in common and value}
    assert given_here == own
    assert found["as_json"] is ("--json" in arguments)
    assert found["home"] == (Path("x") if "--home" in arguments else None)


@pytest.mark.parametrize("name", PLAIN_VERBS)
def test_every_plain_verb_declares_its_own_parameters(name: str) -> None:
    """An annotation of typer's could not be read without typer."""
    for each in parameters_of(plain(name)):
        (declared,) = each.annotation.__metadata__
        assert type(declared).__module__ == "airswasm.cli._session.options", each.name
