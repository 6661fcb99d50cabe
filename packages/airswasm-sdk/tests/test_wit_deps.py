"""The WIT packages that a project carries with it."""

from __future__ import annotations

from pathlib import Path

import pytest
from airswasm.sdk._wit_deps import add_wit_packages
from airswasm.wit import Block, Blocks, wit_folder

ALARM, BELL = "acme:alarm/alarm@0.1.0", "acme:alarm/bell@0.1.0"
CONTRACT = "airswasm-component"


@pytest.fixture
def blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Blocks:
    """One block with a WIT package of its own and one without."""
    package = tmp_path / "site" / "acme_alarm"
    (package / "wit").mkdir(parents=True)
    (package / "__init__.py").write_text("raise AssertionError('it need not be imported')")
    (package / "wit" / "alarm.wit").write_text("package acme:alarm@0.1.0;")
    (package / "wit" / "README.md").write_text("not WIT")
    monkeypatch.syspath_prepend(str(package.parent))
    return Blocks.of(
        Block(name="alarm", summary="", wit="acme_alarm:wit", interfaces=(ALARM, BELL)),
        Block(name="clock", summary="", interfaces=("airswasm:component/clock@0.1.0",)),
    )


@pytest.mark.parametrize(
    ("world", "there", "expected"),
    [
        ("import acme:alarm/alarm@0.1.0;", (), {"alarm"}),
        ("export airswasm:component/handler@0.1.0;", (), {CONTRACT}),
        (f"import {BELL}; import airswasm:component/x@0.1.0;", (), {"alarm", CONTRACT}),
        ("import acme:alarm-clock/alarm@0.1.0; import b:acme/alarm;", (), set()),
        ("import acme:alarm/alarm@0.1.0;", ("alarm",), {"alarm"}),
        (None, (), set()),
    ],
)  # fmt: skip
def test_a_project_gets_the_packages_that_its_world_names_and_it_lacks(
    tmp_path: Path, blocks: Blocks, world: str | None, there: tuple[str, ...], expected: set[str]
) -> None:
    """What lies there belongs to the author and stays; of a block come its .wit files."""
    project = tmp_path / "project"
    deps = project / "wit" / "deps"
    if world is not None:
        deps.mkdir(parents=True)
        (project / "wit" / "world.wit").write_text(world)
    for name in there:
        (deps / name).mkdir()
    add_wit_packages(project, blocks)
    found = {each.name: each for each in deps.iterdir()} if deps.exists() else {}
    assert found.keys() == expected
    for name, folder in found.items():
        source = wit_folder() if name == CONTRACT else tmp_path / "site" / "acme_alarm" / "wit"
        copied = {each.name: each.read_bytes() for each in folder.iterdir()}
        if name in there:
            assert copied == {}
        else:
            assert copied == {each.name: each.read_bytes() for each in source.glob("*.wit")} != {}
