"""An operation is described once, and a table of them has no two that meet."""

from __future__ import annotations

import subprocess
import sys
import types

import pytest
from airswasm.cli._control.api import OPERATIONS
from airswasm.cli._control.operation import (
    Component,
    Flag,
    Json,
    Nothing,
    Number,
    Operation,
    Parameter,
    Table,
    Text,
    read_table,
)

NAME = Parameter("name", "path", Component(), "The component.")


def operation(name: str = "pause", path: str = "/v1/components/{name}/pause") -> Operation:
    return Operation(
        name, "POST", path, "Pause it.", Nothing(), (NAME,), changes=True,
        handler="stranger.pauses:pause", scope="all",
    )  # fmt: skip


@pytest.fixture
def stranger(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """A module of a block that declares operations."""
    module = types.ModuleType("stranger_operations")
    module.OPERATIONS = (operation(),)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "stranger_operations", module)
    return module


def test_reading_the_table_loads_no_engine_and_no_server() -> None:
    """A verb that talks to a running host reads it, with the client, in milliseconds."""
    code = (
        "import sys; import airswasm.cli._hosts.remote_host;"
        "heavy = {'airswasm.lifecycle', 'airswasm.runtime', 'wasmtime', 'pydantic', 'starlette',"
        " 'uvicorn', 'typer', 'cryptography'};"
        "sys.exit(','.join(sorted(heavy & set(sys.modules))) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_blocks_bring_operations_of_their_own_by_path(stranger: types.ModuleType) -> None:
    """The host's table with theirs; what carries them out is named and not imported."""
    table = read_table(OPERATIONS, ["stranger_operations:OPERATIONS"])
    assert table["pause"].route == "/v1/components/{namespace}/{name}/pause"
    assert len(table.operations) == len(OPERATIONS.operations) + 1
    assert "pause" not in OPERATIONS


@pytest.mark.parametrize(
    "other",
    [
        operation("info", "/v1/components/{name}/pause"),
        operation("halt", "/v1/components/{name}/start"),
        Operation(
            "halt", "POST", "/v1/plans/{it}", "Halt it.", Nothing(),
            (Parameter("it", "path", Text(), "It."),), handler="m:f", scope="read",
        ),
    ],
    ids=["name", "route", "route with another placeholder"],
)  # fmt: skip
def test_two_operations_that_meet_are_refused(other: Operation) -> None:
    """By name, or by a route that one request would match twice."""
    with pytest.raises(ValueError, match="two operations conflict"):
        OPERATIONS.joined((other,))


def test_a_block_cannot_name_a_method_of_the_host() -> None:
    """Without a handler its operation would be one."""
    nameless = Operation("about2", "GET", "/v1/about2", "Show it.", Json("about/1"), scope="read")
    with pytest.raises(ValueError, match="names no handler"):
        OPERATIONS.joined((nameless,))


@pytest.mark.parametrize("path", ["/v1/x", "/v1/{other}", "/v1/{name}/{more}"])
def test_path_and_parameters_must_agree(path: str) -> None:
    """A placeholder without a parameter would go out as it is."""
    with pytest.raises(ValueError, match="differ"):
        operation("x", path)


def test_a_call_is_bound_as_a_function_s_would_be() -> None:
    """Required ones by position, the rest by name, with their defaults."""
    send = Operation(
        "send", "GET", "/v1/{name}", "Send.", Nothing(),
        (
            NAME,
            Parameter("often", "query", Number(), "How often.", 1.0),
            Parameter("loud", "query", Flag(), "Loudly.", False),
        ),
        scope="read",
    )  # fmt: skip
    assert send.bind("a/b", loud=True) == {"name": "a/b", "often": 1.0, "loud": True}
    for wrong in (lambda: send.bind(), lambda: send.bind("a/b", quiet=True)):
        with pytest.raises(TypeError):
            wrong()


def test_a_table_is_read_in_order_and_by_name() -> None:
    """As it was declared."""
    table = Table((operation("b", "/b/{name}"), operation("a", "/a/{name}")))
    assert [each.name for each in table] == ["b", "a"]
    assert table["a"].path == "/a/{name}"
    assert "c" not in table
