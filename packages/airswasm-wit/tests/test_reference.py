"""The generated reference."""

from pathlib import Path

import pytest
from airswasm.wit import contract
from airswasm.wit.reference import main, render_reference

PAGE = Path(__file__).parents[3] / "docs" / "wit" / "reference.md"


@pytest.mark.skipif(not PAGE.exists(), reason="only in a checkout: docs are not in the package")
def test_the_page_is_current() -> None:
    """`python -m airswasm.wit.reference > docs/wit/reference.md` makes it so."""
    assert PAGE.read_text("utf-8") == render_reference()


def test_everything_of_the_contract_is_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    """Each function with signature and requirement, each type with its members."""
    assert main([]) == 0
    page = capsys.readouterr().out
    for interface in contract().interfaces.values():
        assert f"### `{interface.short_name}`" in page
        for function in interface.functions.values():
            assert f"```wit\n{function.signature}\n```" in page
        for definition in interface.types.values():
            assert f" `{definition.name}`" in page
    assert (
        "| `storage.write` | `storage.set` by its `key`, `storage.set-with-ttl` by its `key`"
        in page
    )
    assert "Needs no capability: a component may always give up its own requests." in page
    assert "@requires storage" not in page


def test_everything_in_the_contract_is_documented() -> None:
    """A function says whether it waits, and no type, field or case goes without a word."""
    for interface in contract().interfaces.values():
        assert interface.docs, interface.name
        for function in interface.functions.values():
            assert function.docs, function.name
            if interface.name in contract().host_interfaces:
                assert "wait" in function.docs.lower(), function.name
        for definition in interface.types.values():
            members = (*getattr(definition, "fields", ()), *getattr(definition, "cases", ()))
            for member in members:
                assert member.docs or definition.name.endswith("-error"), member.name
