from __future__ import annotations

from pathlib import Path

import pytest
from airswasm.sdk import FolderNotEmpty, FolderNotWritable, InvalidProjectName, init_project
from airswasm.wit import wit_folder
from hypothesis import given
from hypothesis import strategies as st


def test_a_project_has_the_contract_it_was_written_against(tmp_path: Path) -> None:
    """Every .wit file of the installed contract is copied, byte for byte."""
    init_project(tmp_path / "hello", "hello")
    copied = tmp_path / "hello" / "wit" / "deps" / "airswasm-component"
    expected = {path.name: path.read_bytes() for path in wit_folder().glob("*.wit")}
    assert {path.name: path.read_bytes() for path in copied.iterdir()} == expected


def test_a_name_without_a_namespace_is_local(tmp_path: Path) -> None:
    """`hello` means `local/hello`."""
    assert init_project(tmp_path / "a", "hello").name == "local/hello"
    assert init_project(tmp_path / "b", "shop/orders").name == "shop/orders"


def test_nothing_that_is_there_is_overwritten(tmp_path: Path) -> None:
    """A folder with anything in it is refused, and stays as it was."""
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(FolderNotEmpty):
        init_project(tmp_path, "hello")
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_an_empty_folder_is_used(tmp_path: Path) -> None:
    """`mkdir x` before `init` is no mistake."""
    folder = tmp_path / "hello"
    folder.mkdir()
    assert "Component.toml" in init_project(folder, "hello").files


@given(st.text(max_size=80))
def test_a_name_is_valid_or_refused_before_anything_is_written(
    tmp_path_factory: pytest.TempPathFactory, name: str
) -> None:
    """No name, however strange, makes a path outside the folder."""
    folder = tmp_path_factory.mktemp("names") / "project"
    try:
        project = init_project(folder, name)
    except InvalidProjectName:
        assert not folder.exists()
    else:
        assert project.folder == folder


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "a part of it is empty"),
        ("/hello", "a part of it is empty"),
        ("shop/", "a part of it is empty"),
        ("shop/" + "a" * 64, "longer than 63 characters"),
        ("a" * 64 + "/x", "longer than 63 characters"),
        ("9lives", "does not start with a lower-case letter"),
        ("Shop/orders", "does not start with a lower-case letter"),
        ("shop/or_ders", "has other characters"),
        ("a/b/c", "has other characters"),
    ],
)
def test_an_invalid_name_is_refused_with_the_reason(tmp_path: Path, name: str, reason: str) -> None:
    """The first part that is wrong is what the message is about."""
    with pytest.raises(InvalidProjectName, match=reason):
        init_project(tmp_path / "project", name)


def test_the_longest_name_is_63_characters(tmp_path: Path) -> None:
    """In each part."""
    longest = f"{'n' * 63}/{'a' * 63}"
    assert init_project(tmp_path / "project", longest).name == longest


@pytest.mark.parametrize("fault", [OSError(28, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("is_there", [True, False])
def test_a_project_is_written_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: BaseException, is_there: bool
) -> None:
    """A full disk, or Ctrl-C, leaves what was there."""
    folder = tmp_path / "hello"
    if is_there:
        folder.mkdir()

    def fail(_folder: Path) -> None:
        raise fault

    monkeypatch.setattr("airswasm.sdk._project.copy_contract", fail)
    with pytest.raises(FolderNotWritable if isinstance(fault, OSError) else type(fault)):
        init_project(folder, "hello")
    assert list(tmp_path.iterdir()) == ([folder] if is_there else [])
    assert not is_there or list(folder.iterdir()) == []


def test_a_project_fills_the_folder_where_one_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--folder .` works, and the folder stays the one in which the shell is."""
    monkeypatch.chdir(tmp_path)
    before = tmp_path.stat().st_ino
    project = init_project(Path(), "hello")
    assert "Component.toml" in project.files
    assert (tmp_path / "Component.toml").is_file()
    assert tmp_path.stat().st_ino == before
    assert not list(tmp_path.parent.glob(f".{tmp_path.name}-*"))
