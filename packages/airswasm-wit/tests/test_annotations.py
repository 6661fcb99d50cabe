"""No host function without a requirement that can be enforced."""

from pathlib import Path

import pytest
from airswasm.wit import contract, wit_folder
from airswasm.wit.annotations import check_annotations, find_annotation_problems, main

SOURCE = """\
package acme:host@0.1.0;

interface door {
    record key { id: u32 }

    /// Opens it.
    ///
    /// @requires door:open(name)
    open: func(name: string);

    /// Has none.
    close: func(name: string);

    /// Slips.
    /// @requires door:open(nam)
    ring: func(name: string, times: u32);

    /// Not text.
    /// @requires door:open(times)
    knock: func(times: u32);

    /// No parameter at all.
    /// @requires door:open(name)
    peep: func();

    /// Malformed, with the bracket left open.
    ///     @requires door:open(name
    kick: func(name: string);

    resource lock {
        /// @requires nothing "it was unlocked"
        turn: func();
        jam: func();
    }
}

interface guest {
    /// @requires door:open(name)
    enter: func(name: string);
    leave: func();
}

world w { import door; export guest; }
"""


@pytest.fixture
def host(tmp_path: Path) -> Path:
    path = tmp_path / "host.wit"
    path.write_text(SOURCE)
    return path


def test_each_problem_has_its_place_and_says_what_to_write(host: Path) -> None:
    """File, line and column of the annotation, or of the function when there is none."""
    found = {problem.function: problem for problem in check_annotations(host)}
    assert set(found) == {"close", "ring", "knock", "peep", "kick", "[method]lock.jam", "enter"}
    places = {name: (p.place.line, p.place.column) for name, p in found.items() if p.place}
    assert places == {
        "close": (12, 5),
        "ring": (15, 9),
        "knock": (19, 9),
        "peep": (23, 9),
        "kick": (27, 37),
        "[method]lock.jam": (33, 9),
        "enter": (38, 9),
    }
    assert "names no parameter of it; it has name, times" in found["ring"].reason
    assert "it has none" in found["peep"].reason
    assert "the parameter is u32, and only a string" in found["knock"].reason
    assert "`)`" in found["kick"].reason
    assert "add `@requires capability:action(parameter)`" in found["close"].reason
    assert "remove @requires" in found["enter"].reason
    assert str(found["ring"]) == (
        f"{host}:15:9: acme:host/door@0.1.0#ring: `door:open(nam)` names no parameter of it; it "
        "has name, times\n        /// @requires door:open(nam)\n            ^"
    )


def test_a_package_that_was_read_can_be_checked_without_its_source() -> None:
    """As security does with the shipped contract."""
    assert find_annotation_problems(contract().package) == ()


def test_the_contract_passes(capsys: pytest.CaptureFixture[str]) -> None:
    """The command that authors run says nothing about good WIT."""
    assert main([str(wit_folder())]) == 0
    assert capsys.readouterr().err == ""


def test_the_command_prints_problems_and_fails(
    host: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """For a build: exit code 1, one entry for each problem; bad WIT and no file too."""
    assert main([str(host)]) == 1
    assert capsys.readouterr().err.count("acme:host/") == 7
    host.write_text("package a:b;\ninterface {")
    assert main([str(host)]) == 1
    assert "host.wit:2:11" in capsys.readouterr().err
    assert main([str(host.parent / "none.wit")]) == 1
