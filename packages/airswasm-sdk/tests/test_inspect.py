from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from airswasm.sdk import (
    ArtifactMissing,
    NotAProject,
    inspect_component,
    pack_project,
    sign_project,
)
from airswasm.security import PrivateKey
from airswasm.wit import NotAComponent


@pytest.fixture
def project(counter: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(counter, tmp_path / "hello"))


def test_a_project_a_package_and_a_file_show_the_same_component(
    project: Path, key: PrivateKey
) -> None:
    """The bytes decide; only a manifest tells what is asked for."""
    sign_project(project, key)
    sources = (project, pack_project(project), project / "build" / "hello.wasm")
    found = [inspect_component(each) for each in sources]
    assert len({each.anatomy.wit for each in found}) == 1
    assert len({each.report.capabilities for each in found}) == 1
    assert [each.manifest.name if each.manifest else None for each in found] == [
        "local/hello", "local/hello", None,
    ]  # fmt: skip
    assert {each.size_bytes for each in found} == {(project / "build/hello.wasm").stat().st_size}


def test_the_sections_are_nearly_all_of_the_component(project: Path) -> None:
    """What is left are the sections' heads; nothing is counted twice."""
    found = inspect_component(project)
    total = sum(found.anatomy.sections.values())
    assert 0.9 * found.size_bytes < total <= found.size_bytes
    assert list(found.anatomy.sections.values()) == sorted(
        found.anatomy.sections.values(), reverse=True
    )
    assert any(each.name == "wit-component" for each in found.anatomy.producers)
    assert "export airswasm:component/handler@0.1.0;" in found.anatomy.wit


def test_what_is_not_asked_for_is_shown(project: Path) -> None:
    """From the imports, without a build."""
    assert inspect_component(project).unasked == ()
    manifest = project / "Component.toml"
    manifest.write_text(manifest.read_text().replace("messaging.publish", "# messaging.publish"))
    assert inspect_component(project).unasked == ("messaging:publish",)


def test_what_cannot_be_inspected_is_named(project: Path, tmp_path: Path) -> None:
    """A folder without a manifest, a project that is not built, a file that is none."""
    with pytest.raises(NotAProject):
        inspect_component(tmp_path)
    with pytest.raises(NotAComponent):
        inspect_component(project / "Component.toml")
    shutil.rmtree(project / "build")
    with pytest.raises(ArtifactMissing, match="there is no"):
        inspect_component(project)
