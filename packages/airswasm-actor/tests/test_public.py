from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import airswasm.actor
import pytest
from airswasm.actor import (
    ActorError,
    ActorFailed,
    ActorRef,
    ActorStopped,
    AskCycle,
    AskTimeout,
    HealthCheckFailed,
    MailboxFull,
    errors,
)


def test_everything_public_is_there_and_sorted() -> None:
    """`__all__` names what exists, once."""
    names = airswasm.actor.__all__
    assert len(names) == len(set(names))
    assert all(hasattr(airswasm.actor, name) for name in names)


def test_a_reference_shows_what_its_user_does() -> None:
    """Sending, observing, steering; the state of the actor is behind it."""
    assert {name for name in dir(ActorRef) if not name.startswith("_")} == {
        *("tell", "send", "ask", "request", "signal", "entrust"),
        *("name", "phase", "is_alive", "incarnation", "handled", "actor", "mailbox"),
        *("processor_seconds", "holds_loop"),
        *("watch", "wait_stopped"),
        *("pause", "resume", "drain", "finish"),
    }


def test_the_example_of_the_readme_works(capsys: pytest.CaptureFixture[str]) -> None:
    """As it is printed there."""
    readme = (Path(__file__).parents[1] / "README.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    exec(code, {"__name__": "readme"})
    assert capsys.readouterr().out == "42\n"


def test_what_is_compiled_can_be() -> None:
    """Compiled modules hold no coroutine (see `serving`), and mypyc forgets a `raise … from`."""
    block = Path(__file__).parents[1]
    hooks = tomllib.loads((block / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
    for name in hooks["targets"]["wheel"]["hooks"]["mypyc"]["include"]:
        for node in ast.walk(ast.parse((block / name.lstrip("/")).read_text())):
            assert not isinstance(node, ast.AsyncFunctionDef | ast.Await), f"{name}:{node.lineno}"
            assert not (isinstance(node, ast.Raise) and node.cause), f"{name}:{node.lineno}"


def test_every_error_is_public() -> None:
    """Each error can be caught by name."""
    assert set(errors.__all__) <= set(airswasm.actor.__all__)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (MailboxFull("a", 3), "the mailbox of 'a' is full"),
        (ActorStopped("a"), "'a' has stopped"),
        (AskTimeout("a", 1.5), "'a' did not answer within 1.5 s"),
        (AskCycle(("a", "b", "a")), "a -> b -> a"),
        (ActorFailed("a", ValueError("x")), "ValueError: x"),
        (HealthCheckFailed("a", "no disk"), "'a' is unhealthy: no disk"),
    ],
)
def test_an_error_says_what_happened_and_to_whom(error: ActorError, text: str) -> None:
    """As text and as fields."""
    assert text in str(error)
    assert isinstance(error, ActorError)
