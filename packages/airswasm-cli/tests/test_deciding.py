"""The answers of a person to what a package wants: none of what is typed is dropped silently."""

from __future__ import annotations

import pytest
from airswasm.cli._session.terminal import Terminal
from airswasm.cli.commands._deciding import Choice, choose
from airswasm.cli.errors import AnswerNeeded

PLAN = {
    "wishes": [
        {
            "capability": "storage.read", "patterns": ["orders/**"], "sentence": "read",
            "reason": "",
        }
    ]
}  # fmt: skip


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["n orders/eu/**", ""], Choice(narrowed={"storage.read": ("orders/eu/**",)})),
        (
            ["n orders/eu/**", "orders/us/**", ""],
            Choice(narrowed={"storage.read": ("orders/eu/**", "orders/us/**")}),
        ),
        (["n", "orders/eu/**", ""], Choice(narrowed={"storage.read": ("orders/eu/**",)})),
        (["N Orders/**", "orders/1", ""], Choice(narrowed={"storage.read": ("orders/1",)})),
        (["n", ""], Choice(denied={"storage.read": ("orders/**",)})),
        (["deny"], Choice(denied={"storage.read": ("orders/**",)})),
        (["d orders/eu/**", "g"], Choice()),
        (["great", "g"], Choice()),
        (["q"], None),
    ],
)
def test_what_is_typed_is_taken_or_asked_again(
    lines: list[str], expected: Choice | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed = iter(lines)
    monkeypatch.setattr(Terminal, "ask", lambda *_question, **_options: next(typed))
    assert choose(Terminal(), PLAN) == expected


def test_a_script_is_told_the_options_that_grant_less() -> None:
    with pytest.raises(AnswerNeeded) as needed:
        raise AnswerNeeded("Install it?", "--grant CAPABILITY or --deny CAPABILITY to grant less")
    assert "pass --yes to accept; --grant CAPABILITY or --deny" in needed.value.hint
