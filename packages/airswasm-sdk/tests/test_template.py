from __future__ import annotations

import re
import subprocess
import sys

import pytest
from airswasm.lifecycle import Manifest
from airswasm.sdk import LanguageNotSupported, Template, TemplateNotFound, find_template, templates

VALUES = {
    "name": "hello",
    "namespace": "local",
    "identity": "local/hello",
    "template": "counter",
    "contract": "0.1.0",
}


@pytest.mark.parametrize("template", templates(), ids=lambda each: f"{each.language}-{each.name}")
def test_every_template_is_filled_and_has_a_valid_manifest(template: Template) -> None:
    """No placeholder is left, and Component.toml is one that lifecycle accepts."""
    files = template.render(VALUES)
    assert not [path for path, text in files.items() if re.search(r"\{\{\w+\}\}", path + text)]
    manifest = Manifest.parse(files["Component.toml"])
    assert (manifest.name, manifest.build.language) == ("local/hello", template.language)


@pytest.mark.parametrize("template", templates(), ids=lambda each: f"{each.language}-{each.name}")
def test_every_template_has_a_readme_and_leaves_builds_out_of_git(template: Template) -> None:
    """A project explains itself and does not commit what it makes."""
    files = template.render(VALUES)
    assert "local/hello" in files["README.md"]
    assert "/build/" in files[".gitignore"]


@pytest.mark.parametrize("project", ["counter", "listener"])
def test_a_project_s_own_tests_pass(request: pytest.FixtureRequest, project: str) -> None:
    """What an author finds in tests/ works on what the template builds."""
    folder = request.getfixturevalue(project)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_an_unknown_language_is_answered_with_the_nearest() -> None:
    """A typo costs one look at the message."""
    with pytest.raises(LanguageNotSupported, match="there are python, c") as caught:
        find_template("pyton", "counter")
    assert caught.value.hint == "did you mean 'python'?"


def test_an_unknown_template_is_answered_with_those_there_are() -> None:
    """The message lists what can be asked for."""
    with pytest.raises(TemplateNotFound, match="counter, listener"):
        find_template("c", "conter")
