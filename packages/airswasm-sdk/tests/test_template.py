from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from airswasm.lifecycle import Manifest
from airswasm.sdk import (
    LanguageNotSupported,
    Template,
    TemplateNotFound,
    TemplateUnusable,
    ToolMissing,
    build_project,
    find_template,
    init_project,
    templates,
)

VALUES = {
    "name": "hello",
    "namespace": "local",
    "identity": "local/hello",
    "template": "counter",
    "contract": "0.1.0",
    "mode": "standalone",
    "suffix": "wasm",
}


@pytest.mark.parametrize("template", templates(), ids=lambda each: f"{each.language}-{each.name}")
def test_every_template_is_filled_and_has_a_valid_manifest(template: Template) -> None:
    """No placeholder is left, and Component.toml is one that lifecycle accepts."""
    files = template.render(VALUES)
    assert not [path for path, text in files.items() if re.search(r"\{\{\w+\}\}", path + text)]
    manifest = Manifest.parse(files["Component.toml"])
    languages = {"js": "javascript", "ts": "javascript"}
    language = languages.get(template.language, template.language)
    assert (manifest.name, manifest.build.language) == ("local/hello", language)


@pytest.mark.parametrize("template", templates(), ids=lambda each: f"{each.language}-{each.name}")
def test_every_template_has_a_readme_and_leaves_builds_out_of_git(template: Template) -> None:
    """A project explains itself and does not commit what it makes."""
    files = template.render(VALUES)
    assert "local/hello" in files["README.md"]
    assert "/build/" in files[".gitignore"]
    assert "airswasm build" in files[".github/workflows/ci.yml"]
    assert files[".editorconfig"].startswith("root = true")
    assert "def test_" in files["tests/test_component.py"]


@pytest.mark.parametrize("project", ["counter", "listener", "job"])
def test_a_project_s_own_tests_pass(request: pytest.FixtureRequest, project: str) -> None:
    """What an author finds in tests/ works on what the template builds."""
    run_own_tests(request.getfixturevalue(project))


@pytest.mark.skipif(os.environ.get("AIRSWASM_LANGUAGES") != "all", reason="nox -s languages")
@pytest.mark.parametrize("template", templates(), ids=lambda each: f"{each.language}-{each.name}")
def test_every_template_builds_and_passes_its_own_tests(template: Template, tmp_path: Path) -> None:
    """In each language, which takes minutes."""
    init_project(tmp_path / "hello", "hello", template.language, template.name)
    try:
        build_project(tmp_path / "hello")
    except ToolMissing as missing:
        pytest.skip(str(missing))
    run_own_tests(tmp_path / "hello")


def run_own_tests(folder: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_a_folder_of_the_author_s_is_a_template(tmp_path: Path) -> None:
    """Its files are copied, and filled where they end in `.in`; the library comes with them."""
    folder = tmp_path / "ours"
    (folder / "src").mkdir(parents=True)
    manifest = '[component]\nname = "{{identity}}"\nversion = "0.1.0"\n[build]\nlanguage = "rust"\n'
    (folder / "Component.toml.in").write_text(manifest)
    (folder / "src" / "{{name}}.rs").write_text("// {{name}} stays\n")
    project = init_project(tmp_path / "made", "shop/orders", "python", str(folder))
    made = tmp_path / "made"
    assert Manifest.load(made / "Component.toml").name == "shop/orders"
    assert (made / "src" / "orders.rs").read_text() == "// {{name}} stays\n"
    assert (made / "airswasm-component" / "Cargo.toml").is_file()
    assert "src/orders.rs" in project.files


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({}, "no Component.toml"),
        ({"Component.toml": b"\xff"}, "cannot be read"),
        (None, "no folder"),
    ],
)
def test_a_folder_that_is_no_template_is_refused(
    tmp_path: Path, files: dict[str, bytes] | None, reason: str
) -> None:
    """With what is wrong; nothing is written."""
    folder = tmp_path / "ours"
    if files is not None:
        folder.mkdir()
        for name, content in files.items():
            (folder / name).write_bytes(content)
    with pytest.raises(TemplateUnusable, match=reason):
        init_project(tmp_path / "made", "hello", "c", str(folder))
    assert not (tmp_path / "made").exists()


def test_an_unknown_language_is_answered_with_the_nearest() -> None:
    """A typo costs one look at the message."""
    with pytest.raises(
        LanguageNotSupported, match="there are python, c, rust, go, js, ts"
    ) as caught:
        find_template("pyton", "counter")
    assert caught.value.hint == "did you mean 'python'?"


def test_an_unknown_template_is_answered_with_those_there_are() -> None:
    """The message lists what can be asked for."""
    with pytest.raises(TemplateNotFound, match="counter, listener"):
        find_template("c", "conter")
