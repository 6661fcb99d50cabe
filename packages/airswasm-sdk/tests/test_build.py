from __future__ import annotations

import importlib.util
import os
import pickle
import shutil
import signal
import sys
from pathlib import Path

import pytest
from airswasm.lifecycle import ManifestInvalid
from airswasm.sdk import (
    ArtifactInTheWay,
    ArtifactMissing,
    BuildFailed,
    BuildProgress,
    BuildTimedOut,
    FolderNotWritable,
    LanguageNotSupported,
    NotAProject,
    ToolMissing,
    build_project,
    init_project,
)
from airswasm.wit import ContractViolation


@pytest.fixture
def project(counter: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(counter, tmp_path / "hello"))


@pytest.mark.parametrize(
    ("output", "line"),
    [
        ("cc1: fatal error: no.c: No such file\ncompilation terminated.\n", "cc1: fatal error"),
        ("error[E0433]: failed to resolve\naborting\n", "error[E0433]"),
        ("Traceback:\nOSError: first\n\nDuring …\nValueError: second\n", "ValueError: second"),
        ("error: failed\n\nCaused by:\n  0: it\n  1: no export\n", "1: no export"),
        ("one\ntwo\n", "two"),
        ("", "it printed nothing"),
    ],
)
def test_the_line_that_tells_most_is_in_the_error(output: str, line: str) -> None:
    """Where no parser finds a place in the sources."""
    error = pickle.loads(pickle.dumps(BuildFailed("sh", 1, (), output, is_confined=True)))
    assert f"exit code 1: {line}" in str(error)
    assert "no network" in error.hint
    assert "no network" not in BuildFailed("sh", 1, (), output).hint


def with_command(project: Path, *command: str) -> None:
    manifest = project / "Component.toml"
    quoted = ", ".join(f"'''{word}'''" for word in command)
    text = manifest.read_text().replace("[build]", f"[build]\ncommand = [{quoted}]")
    manifest.write_text(text)


def test_a_c_project_becomes_a_small_component(counter: Path) -> None:
    """The template builds as it is, meets the contract, and imports no WASI."""
    artifact = build_project(counter)
    assert artifact.path == counter / "build" / "hello.wasm"
    assert artifact.size_bytes < 100_000
    assert artifact.report.is_satisfied
    assert artifact.report.wasi_imports == ()
    assert set(artifact.report.capabilities) == {
        "messaging:publish", "storage:read", "storage:write",
    }  # fmt: skip


SUMS = """
package acme:plugin@1.0.0;
interface sums { add: func(left: u32, right: u32) -> u32; }
world plugin { export sums; }
"""
ADD = """
__attribute__((export_name("acme:plugin/sums@1.0.0#add")))
uint32_t add(uint32_t left, uint32_t right) { return left + right; }
"""


def test_a_c_project_exports_an_interface_of_its_own(project: Path) -> None:
    """Its world is embedded, beside the contract's exports; what it lacks is an error."""
    (project / "wit" / "world.wit").write_text(SUMS)
    with pytest.raises(BuildFailed, match="acme:plugin/sums"):
        build_project(project)
    source = project / "src" / "hello.c"
    source.write_text(source.read_text() + ADD)
    report = build_project(project).report
    assert report.other_exports == ("acme:plugin/sums@1.0.0",)
    assert "airswasm:component/handler@0.1.0" in report.exports


def test_the_same_sources_give_the_same_bytes(project: Path) -> None:
    """A build can be repeated and compared."""
    before = (project / "build" / "hello.wasm").read_bytes()
    assert build_project(project).path.read_bytes() == before


def test_progress_names_every_step_in_order(project: Path) -> None:
    """A user who waits sees what for."""
    seen: list[BuildProgress] = []
    build_project(project, seen.append)
    assert list(dict.fromkeys((each.number, each.step) for each in seen)) == [
        (1, "compile"), (2, "wrap"), (3, "check"),
    ]  # fmt: skip
    assert {each.steps for each in seen} == {3}


def test_a_compiler_error_has_file_and_line_and_leaves_the_last_artifact(project: Path) -> None:
    """A failed build changes nothing and says where."""
    before = (project / "build" / "hello.wasm").read_bytes()
    there = {path.name for path in (project / "build").iterdir()}
    source = project / "src" / "hello.c"
    line = len(source.read_text().splitlines()) + 1
    source.write_text(source.read_text() + "int broken(\n")
    with pytest.raises(BuildFailed) as caught:
        build_project(project)
    assert caught.value.diagnostics[0].file == "src/hello.c"
    assert caught.value.diagnostics[0].line in (line, line + 1)
    assert (project / "build" / "hello.wasm").read_bytes() == before
    assert {path.name for path in (project / "build").iterdir()} == there


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_a_tool_that_was_killed_is_no_riddle(project: Path) -> None:
    """Compilers abort without a word when the disk is full; what to look at is said."""
    manifest = project / "Component.toml"
    command = 'command = ["sh", "-c", "kill -ABRT $$"]'
    manifest.write_text(manifest.read_text().replace("[build]", f"[build]\n{command}"))
    with pytest.raises(BuildFailed, match="was ended by signal 6") as caught:
        build_project(project)
    assert "free some space" in caught.value.hint


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize(
    "command", ["exit 3", "kill -KILL $$", "kill -KILL 0", "echo oops; exit 1"]
)
def test_a_failure_is_one_where_the_parent_ignores_its_children(
    project: Path, command: str
) -> None:
    """The system tells no exit status then: the last artifact must not pass for a new one."""
    with_command(project, "sh", "-c", command)
    usual = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        with pytest.raises(BuildFailed) as caught:
            build_project(project)
    finally:
        signal.signal(signal.SIGCHLD, usual)
    assert caught.value.exit_code == {"exit 3": 3, "echo oops; exit 1": 1}.get(command, -9)
    assert ("oops" in str(caught.value.output)) == ("oops" in command)


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_a_build_succeeds_where_the_parent_ignores_its_children(project: Path) -> None:
    """As always."""
    usual = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        assert build_project(project).size_bytes < 100_000
    finally:
        signal.signal(signal.SIGCHLD, usual)


def test_a_component_without_a_handler_is_refused_by_the_contract(project: Path) -> None:
    """What the host would refuse at install is refused at build, with what to change."""
    (project / "src" / "hello.c").write_text(
        '#include "airswasm.h"\n'
        "static airswasm_verdict check(void) { return airswasm_ok(); }\n"
        "AIRSWASM_HEALTH(check)\n"
    )
    with pytest.raises(ContractViolation, match="handler"):
        build_project(project)


def test_a_missing_tool_is_named_with_the_command_that_installs_it(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message can be copied to the shell."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(ToolMissing) as caught:
        build_project(project)
    assert caught.value.install_command.endswith("-m pip install ziglang")
    assert caught.value.install_command in caught.value.hint


def test_a_folder_without_a_manifest_is_no_project(tmp_path: Path) -> None:
    """The message says how to get one."""
    with pytest.raises(NotAProject, match=r"Component\.toml"):
        build_project(tmp_path)


def test_a_c_project_without_sources_is_no_project(project: Path) -> None:
    """What is missing is named."""
    (project / "src" / "hello.c").unlink()
    with pytest.raises(NotAProject, match=r"src/\*\.c"):
        build_project(project)


def test_another_language_needs_a_command_of_its_own(project: Path) -> None:
    """A toolchain that airswasm lacks is one line in the manifest."""
    manifest = project / "Component.toml"
    manifest.write_text(manifest.read_text().replace('language = "c"', 'language = "other"'))
    with pytest.raises(LanguageNotSupported) as caught:
        build_project(project)
    assert "[build] command" in caught.value.hint


def test_a_command_builds_what_the_manifest_names(project: Path) -> None:
    """`[build] command` runs in the project and is checked like any build."""
    artifact = project / "build" / "hello.wasm"
    artifact.rename(project / "kept.wasm")
    move = "import os; os.rename('kept.wasm', 'build/hello.wasm')"
    with_command(project, sys.executable, "-c", move)
    assert build_project(project).path == artifact


def test_a_command_that_writes_nothing_is_told_so(project: Path) -> None:
    """Ending well is not enough."""
    (project / "build" / "hello.wasm").unlink()
    with_command(project, sys.executable, "-c", "pass")
    with pytest.raises(ArtifactMissing, match=r"but build.hello\.wasm does not exist$"):
        build_project(project)


@pytest.mark.parametrize("path", ["Component.toml", "src/hello.c", "wit", "component.sig"])
def test_a_build_overwrites_no_source(project: Path, path: str) -> None:
    """An artifact is written over nothing, or over WebAssembly."""
    (project / "component.sig").write_text("{}")
    manifest = project / "Component.toml"
    manifest.write_text(manifest.read_text().replace('"build/hello.wasm"', f'"{path}"'))
    before = {file: file.read_bytes() for file in project.rglob("*") if file.is_file()}
    with pytest.raises(ArtifactInTheWay, match=path):
        build_project(project)
    assert {file: file.read_bytes() for file in before} == before


def test_a_step_that_takes_too_long_is_stopped_with_its_children(project: Path) -> None:
    """The whole process group ends, not only the first process."""
    child = "import time; time.sleep(600)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    with_command(project, sys.executable, "-c", parent)
    with pytest.raises(BuildTimedOut):
        build_project(project, timeout=0.5)


def test_a_python_project_plans_its_world_and_componentize(tmp_path: Path) -> None:
    """Without running it (test_component_both_ways does); `bindings` is for its own classes."""
    pytest.importorskip("componentize_py")
    from airswasm.sdk import BuildPlan, toolchain_of

    init_project(tmp_path / "hello", "hello", "python")
    toolchain = toolchain_of("python")
    assert toolchain is not None
    plan = BuildPlan(tmp_path / "hello", tmp_path / "out.wasm", tmp_path)
    steps = toolchain.steps(plan)
    assert [step.title for step in steps] == ["world", "compile"]
    assert steps[1].arguments[-1] == str(tmp_path / "out.wasm")
    app, world = tmp_path / "hello" / "app.py", tmp_path / "hello" / "wit" / "world.wit"
    app.write_text("not Python at all")
    assert [step.title for step in toolchain.steps(plan)] == ["world", "compile"]
    app.write_text("from wit_world import exports")
    with pytest.raises(NotAProject, match=r"wit/world\.wit"):
        toolchain.steps(plan)
    world.write_text("package a:b;")
    for text in ("from wit_world import exports", "not Python at all"):
        app.write_text(text)
        assert [step.title for step in toolchain.steps(plan)] == ["bindings", "compile"]


@pytest.mark.parametrize(
    "command",
    ['""', '"   "', '"sh \'-c"', "['']", "['', 'x']", '["sh", "\\u0000"]', '"sh -c \\u0000"'],
)
def test_a_command_that_is_none_is_a_finding_about_the_manifest(
    project: Path, command: str
) -> None:
    """With its line, before anything is started."""
    manifest = project / "Component.toml"
    text = manifest.read_text().replace("[build]", f"[build]\ncommand = {command}")
    manifest.write_text(text)
    with pytest.raises(ManifestInvalid, match=r"build\.command") as caught:
        build_project(project)
    (problem,) = caught.value.problems
    assert text.splitlines()[problem.line - 1].startswith("command =")


def test_a_world_that_is_no_utf_8_is_the_compiler_s_to_judge(project: Path) -> None:
    """Reading which packages it names is no reason to fail; the compiler's refusal is one."""
    world = project / "wit" / "world.wit"
    world.parent.mkdir(exist_ok=True)
    world.write_bytes(b"// \xff\n" + (world.read_bytes() if world.exists() else b""))
    with pytest.raises(BuildFailed, match="UTF-8"):
        build_project(project)


def test_a_command_that_cannot_be_started_is_named(project: Path) -> None:
    """With the exit code that a shell has for it; the last artifact stays."""
    before = (project / "build" / "hello.wasm").read_bytes()
    with_command(project, "no-such-tool-anywhere", "x")
    with pytest.raises(BuildFailed, match="no-such-tool-anywhere: No such file") as caught:
        build_project(project)
    assert caught.value.exit_code == 127
    assert (project / "build" / "hello.wasm").read_bytes() == before


def test_a_capability_that_is_not_asked_for_is_told(project: Path) -> None:
    """By the functions that are imported, where the toolchain leaves out the others."""
    assert build_project(project).unasked == ()
    manifest = project / "Component.toml"
    text = manifest.read_text()
    manifest.write_text(text.replace("storage.write", "# storage.write"))
    assert build_project(project).unasked == ("storage:write",)
    with_command(project, "sh", "-c", "exit 0")  # of another toolchain only the interface counts
    assert build_project(project).unasked == ()
    manifest.write_text(manifest.read_text().replace("storage.read", "# storage.read"))
    assert build_project(project).unasked == ("storage:read", "storage:write")


def test_a_folder_that_cannot_be_written_is_one_error(project: Path) -> None:
    """Also for root, who may write where the system can: a file is in the folder's place."""
    shutil.rmtree(project / "build")
    (project / "build").write_text("")
    with pytest.raises(FolderNotWritable) as caught:
        build_project(project)
    assert pickle.loads(pickle.dumps(caught.value)).reason == caught.value.reason
    with pytest.raises(FolderNotWritable):
        init_project(project / "Component.toml" / "below", "hello", "c")


def test_what_a_killed_build_left_is_removed(project: Path) -> None:
    """A day later; a build that goes on beside this one keeps its folder."""
    old, new = (project / "build" / f".build-{name}" for name in ("old", "new"))
    for each in (old, new):
        each.mkdir()
    os.utime(old, (0, 0))
    build_project(project)
    assert (old.exists(), new.exists()) == (False, True)


@pytest.mark.parametrize("is_debug", [False, True])
def test_a_debug_build_keeps_the_names_of_functions(project: Path, is_debug: bool) -> None:
    """A trap can then show them; a release has none."""
    content = build_project(project, debug=is_debug).path.read_bytes()
    assert (b"announce" in content or b".debug_line" in content) == is_debug
