"""The commands of a build, as data; that they build is shown by the tests of `build_project`."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

import pytest
from airswasm.sdk import NotAProject, ToolMissing
from airswasm.sdk._build import _keep_bindings
from airswasm.sdk._diagnostic import read_compiler_output, read_python_traceback
from airswasm.sdk._languages.known import toolchain_of
from airswasm.sdk._toolchain import BuildPlan, find_tool


@pytest.fixture
def plan(tmp_path: Path) -> BuildPlan:
    folder = tmp_path / "project"
    (folder / "src").mkdir(parents=True)
    (tmp_path / "scratch").mkdir()
    return BuildPlan(folder, folder / "build" / "x.wasm", tmp_path / "scratch")


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program on PATH that is in no folder of this Python."""
    folder = tmp_path / "bin"
    folder.mkdir()
    found = folder / ("a-tool.exe" if os.name == "nt" else "a-tool")
    found.write_text("")
    found.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    return found


def test_a_tool_is_found_on_path_or_said_to_be_missing(program: Path) -> None:
    """The error names the package that has it, and for whose sake it is needed."""
    assert find_tool("a-tool", "a-package", needed_for="this test") == str(program)
    program.unlink()
    with pytest.raises(ToolMissing, match="this test") as caught:
        find_tool("a-tool", "a-package", needed_for="this test")
    assert caught.value.install_command == f"{sys.executable} -m pip install a-package"


@pytest.mark.parametrize("language", ["other", "", "Python", "c++"])
def test_other_languages_have_no_toolchain(language: str) -> None:
    """`[build] command` is for them."""
    assert toolchain_of(language) is None


def test_a_python_component_is_built_from_app_py(
    plan: BuildPlan, program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """First the bindings for the editor, then the component, of the world in the folder `wit`."""
    monkeypatch.setattr("airswasm.sdk._toolchain.find_tool", lambda *_names, **_: str(program))
    toolchain = toolchain_of("python")
    assert toolchain is not None
    with pytest.raises(NotAProject, match=r"app\.py"):
        toolchain.steps(plan)
    (plan.folder / "app.py").write_text("")
    with pytest.raises(NotAProject, match=r"wit/world\.wit"):
        toolchain.steps(plan)
    (plan.folder / "wit").mkdir(exist_ok=True)
    (plan.folder / "wit" / "world.wit").write_text("package a:b;")
    bindings, compiling = toolchain.steps(plan)
    world = (str(program), "-q", "-d", "wit", "-w", "component")
    assert bindings.arguments == (*world, "bindings", str(plan.scratch / "bindings"))
    assert bindings.read_output is read_compiler_output
    assert compiling.arguments[: len(world)] == world
    assert compiling.arguments[-2:] == ("-o", str(plan.output))
    assert compiling.read_output is read_python_traceback


@pytest.mark.skipif(importlib.util.find_spec("ziglang") is None, reason="no zig")
def test_a_c_component_is_built_from_all_sources_in_order(plan: BuildPlan) -> None:
    """Whatever order the file system has them in: equal sources give equal bytes."""
    toolchain = toolchain_of("c")
    assert toolchain is not None
    with pytest.raises(NotAProject, match=r"src/\*\.c"):
        toolchain.steps(plan)
    for name in ("b.c", "a.c", "c.h", "d.c"):
        (plan.folder / "src" / name).write_text("")
    compiling, wrapping = toolchain.steps(plan)
    sources = [part for part in compiling.arguments if part.startswith(f"src{os.sep}")]
    assert sources == [str(Path("src", name)) for name in ("a.c", "b.c", "d.c")]
    core = compiling.arguments[-1]
    assert wrapping.arguments[1:] == ("component", "new", core, "-o", str(plan.output))


@pytest.mark.parametrize("is_generated", [True, False])
def test_new_bindings_replace_the_old_ones_whole(plan: BuildPlan, is_generated: bool) -> None:
    """No file of an older contract stays among them; without new ones the old ones stay."""
    kept = plan.folder / "bindings"
    kept.mkdir()
    (kept / "gone.py").write_text("old")
    (kept / "stays.py").write_text("old")
    if is_generated:
        generated = plan.scratch / "bindings"
        generated.mkdir()
        (generated / "stays.py").write_text("new")
    _keep_bindings(plan)
    found = {each.name: each.read_text() for each in kept.iterdir()}
    assert found == ({"stays.py": "new"} if is_generated else {"gone.py": "old", "stays.py": "old"})
