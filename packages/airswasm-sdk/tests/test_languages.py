"""Projects in Rust, Go, JavaScript and TypeScript: from `init` to a reply, and to an error.

One project of each language is built; the tests share it. A language whose compiler is not here is
skipped.
"""

from __future__ import annotations

import pickle
import shutil
import subprocess
from pathlib import Path

import pytest
from airswasm.sdk import (
    BuildFailed,
    BuildPlan,
    ComponentRefused,
    NotAProject,
    ToolMissing,
    ToolTooOld,
    build_project,
    init_project,
    toolchain_of,
)
from airswasm.sdk._languages.go import find_adapter
from airswasm.sdk._languages.go_room import NotOfGo, add_allocators
from airswasm.sdk.testing import run_component
from hypothesis import given
from hypothesis import strategies as st

ADAPTER = "wasi_snapshot_preview1.reactor.wasm"
SMALL = {"rust": 100_000, "go": 3_000_000, "ts": 13_000_000}
SOURCES = {"rust": "src/lib.rs", "go": "main.go", "js": "src/app.js", "ts": "src/app.ts"}
WRONG = {
    "rust": "\nfn wrong() -> u32 { 1i64 }\n",
    "go": "\nvar wrong uint32 = nothing\n",
    "js": "\nconst wrong = {;\n",
    "ts": "\nconst wrong: number = 'text';\nexport { wrong };\n",
}


def started(folder: Path, language: str) -> Path:
    init_project(folder, "hello", language)
    return folder


@pytest.fixture(scope="session", params=SMALL)
def language(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def project(language: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A built project. Its path has a space and an umlaut, and its sources Windows' line ends."""
    folder = started(tmp_path_factory.mktemp("languages") / "a für b", language)
    for each in (folder / SOURCES[language], folder / "Component.toml"):
        each.write_bytes(each.read_bytes().replace(b"\n", b"\r\n"))
    try:
        artifact = build_project(folder)
    except ToolMissing as missing:
        pytest.skip(str(missing))
    assert artifact.size_bytes < SMALL[language]
    assert artifact.unasked == ()
    return folder


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compiled code: a component of 12 MB is compiled once."""
    return tmp_path_factory.mktemp("compiled")


def test_it_answers_counts_publishes_and_refuses(project: Path, cache: Path) -> None:
    """As the same template does in every language; the count survives a restart."""
    with run_component(project, cache_folder=cache) as component:
        assert component.send("wörld").text == "Hello, wörld! You are number 1."
        assert component.published[-1].payload == "wörld was greeted".encode()
        assert ("info", "message 1 from host") in [
            (each.level, each.message) for each in component.logs
        ]
        for length in (1_001, 200_000):
            with pytest.raises(ComponentRefused, match="at most 1000 bytes"):
                component.send("x" * length)
        component.restart()
        assert component.send("").text == "Hello, ! You are number 2."


def test_an_error_of_the_host_is_typed_and_has_its_text(
    project: Path, cache: Path, tmp_path: Path
) -> None:
    """Without the capability to read, the sender learns which line of the manifest is missing."""
    copied = shutil.copytree(
        project, tmp_path / "copy", ignore=shutil.ignore_patterns("target", "node_modules")
    )
    manifest = copied / "Component.toml"
    manifest.write_text(manifest.read_text().replace("storage.read", "# storage.read"))
    with run_component(copied, cache_folder=cache) as component:
        with pytest.raises(ComponentRefused, match=r"storage\.read = \[\"count\"\]"):
            component.send("x")
        assert component.denials


def test_the_same_sources_give_the_same_bytes_in_another_folder(
    project: Path, language: str, tmp_path: Path
) -> None:
    """Neither its path nor the time is in the component."""
    if language == "ts":
        pytest.skip("componentize-js takes a snapshot of a started engine")
    again = started(tmp_path / "elsewhere", language)
    source = Path(SOURCES[language])
    (again / source).write_bytes((project / source).read_bytes())
    built = build_project(again).path.read_bytes()
    assert built == (project / "build" / "hello.wasm").read_bytes()


@pytest.mark.parametrize("broken", WRONG)
def test_a_compiler_s_error_has_its_place(
    broken: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """File and line, as an editor opens them; the last artifact stays."""
    folder = started(tmp_path / "hello", broken)
    artifact = folder / "build" / "hello.wasm"
    artifact.parent.mkdir()
    artifact.write_bytes(b"\0asm")
    source = folder / SOURCES[broken]
    line = source.read_text().count("\n") + 2
    source.write_text(source.read_text() + WRONG[broken])
    try:
        with pytest.raises(BuildFailed) as caught:
            build_project(folder)
    except ToolMissing as missing:
        pytest.skip(str(missing))
    first = caught.value.diagnostics[0]
    assert (first.file, first.line, first.severity) == (SOURCES[broken], line, "error")
    assert f"{SOURCES[broken]}:{line}" in str(pickle.loads(pickle.dumps(caught.value)))
    assert artifact.read_bytes() == b"\0asm"
    assert [each.name for each in artifact.parent.iterdir()] == ["hello.wasm"]


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH with nothing but what a test puts there."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr("airswasm.sdk._languages.rust._DEBIAN", tmp_path / "no-debian")
    return folder


def says(programs: Path, name: str, text: str) -> None:
    program = programs / name
    program.write_text(f"#!/bin/sh\necho '{text}'\n")
    program.chmod(0o755)


@pytest.mark.parametrize(
    ("language", "present", "missing", "command"),
    [
        ("rust", {}, "cargo", "rustup"),
        ("rust", {"cargo": "", "rustc": "rustc 1.90.0 (x)"}, "wasm32-wasip2", "target add"),
        ("go", {}, "go", ""),
        ("js", {}, "node", ""),
        ("js", {"node": ""}, "componentize-js", "npm install --global @bytecodealliance"),
        ("ts", {"node": "", "componentize-js": ""}, "tsc", "npm install --global typescript"),
    ],
)
def test_a_missing_tool_is_named_with_its_command(
    programs: Path, tmp_path: Path, language: str, present: dict[str, str], missing: str,
    command: str,
) -> None:  # fmt: skip
    """One error, before anything runs."""
    for name, text in present.items():
        says(programs, name, text)
    folder = started(tmp_path / "hello", language)
    with pytest.raises(ToolMissing, match=missing) as caught:
        build_project(folder)
    assert command in caught.value.install_command
    assert command in caught.value.hint


@pytest.mark.parametrize(
    ("language", "present", "found", "oldest"),
    [
        ("rust", {"cargo": "", "rustc": "rustc 1.70.0 (x 2023-06-01)"}, "1.70.0", "1.82"),
        ("go", {"go": "go1.21.13"}, "1.21.13", "1.24"),
    ],
)
def test_a_tool_that_is_too_old_is_named_with_both_versions(
    programs: Path, tmp_path: Path, language: str, present: dict[str, str], found: str, oldest: str
) -> None:
    """And with the command that updates it."""
    for name, text in present.items():
        says(programs, name, text)
    folder = started(tmp_path / "hello", language)
    with pytest.raises(ToolTooOld) as caught:
        build_project(folder)
    again = pickle.loads(pickle.dumps(caught.value))
    assert (again.found, again.oldest) == (found, oldest)
    assert again.install_command in again.hint


@pytest.mark.parametrize(
    ("language", "missing"), [("rust", "Cargo.toml"), ("go", "go.mod"), ("js", "src/app.js")]
)
def test_a_folder_without_sources_is_no_project(
    tmp_path: Path, language: str, missing: str
) -> None:
    """What is missing is named."""
    folder = started(tmp_path / "hello", language)
    (folder / missing).unlink()
    with pytest.raises(NotAProject, match=missing):
        build_project(folder)


def test_debug_builds_keep_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In Go the linker is asked for less, in Rust the profile is another."""
    for name in ("cargo", "rustc", "go"):
        if shutil.which(name) is None:
            pytest.skip(f"no {name}")
    for language, release, debug in (("go", "-ldflags=-s -w", "-ldflags="),
                                     ("rust", "--release", "--lib")):  # fmt: skip
        folder = started(tmp_path / language, language)
        toolchain = toolchain_of(language)
        assert toolchain is not None
        plans = [BuildPlan(folder, folder / "x", tmp_path, each) for each in (False, True)]
        usual, kept = (toolchain.steps(each)[0].arguments for each in plans)
        assert release in usual
        assert release not in kept
        assert debug in kept


@given(st.binary(max_size=200))
def test_what_is_no_module_of_go_is_refused(data: bytes) -> None:
    """Whatever the bytes, and however they end."""
    for core in (data, b"\0asm\1\0\0\0" + data):
        with pytest.raises(NotOfGo):
            add_allocators(core)


def test_a_go_program_without_the_package_is_told_so(tmp_path: Path) -> None:
    """A module that does not import `airswasm` has no room for what the host passes."""
    folder = started(tmp_path / "hello", "go")
    (folder / "main.go").write_text("package main\n\nfunc main() {}\n")
    try:
        with pytest.raises(BuildFailed, match="import the package airswasm"):
            build_project(folder)
    except ToolMissing as missing:
        pytest.skip(str(missing))


def test_the_adapter_is_found_in_the_project_and_beside_jco(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Installed for the project, for all, or with componentize-js; else its command is named."""
    beside = tmp_path / "lib" / "node_modules" / "@bytecodealliance" / "jco"
    (beside / "src").mkdir(parents=True)
    (beside / "lib").mkdir()
    program = beside / "src" / "jco"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "jco").symlink_to(program)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(ToolMissing) as caught:
        find_adapter(tmp_path)
    assert caught.value.install_command == "npm install --global @bytecodealliance/jco"
    for_all = beside / "lib" / ADAPTER
    for_all.write_bytes(b"\0asm")
    assert find_adapter(tmp_path / "project") == for_all
    modules = tmp_path / "project" / "node_modules" / "@bytecodealliance"
    for_one = modules / "componentize-js/node_modules/@bytecodealliance/jco/lib" / ADAPTER
    for_one.parent.mkdir(parents=True)
    for_one.write_bytes(b"\0asm")
    assert find_adapter(tmp_path / "project") == for_one


@pytest.mark.parametrize("template", ["counter", "listener", "job"])
def test_the_declarations_and_the_module_fit_each_other(template: str, tmp_path: Path) -> None:
    """tsc reads each template and the library in its strict mode."""
    tsc = shutil.which("tsc")
    if tsc is None:
        pytest.skip("no tsc: npm install --global typescript")
    folder = tmp_path / "hello"
    init_project(folder, "hello", "ts", template)
    checked = subprocess.run(
        [tsc, "--noEmit", "-p", "."], cwd=folder, capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout
