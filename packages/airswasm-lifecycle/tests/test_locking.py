"""A list of components and its lock: what it holds, and which mistakes it names."""

import pickle
from pathlib import Path
from typing import Any

import pytest
from airswasm.lifecycle import (
    ComponentsInvalid,
    LockedComponent,
    LockMismatch,
    LockMissing,
    Package,
    WrongPackage,
    find_locked,
    located,
    lock_file_of,
    read_components,
    read_lock,
    write_lock,
)
from airswasm.security import generate_key
from hypothesis import given
from hypothesis import strategies as st

Workshop = Any
TEXTS = st.text(st.characters(blacklist_categories=["Cs"]), max_size=40)
LOCKED = st.builds(LockedComponent, TEXTS, TEXTS, TEXTS, TEXTS)


def listed(folder: Path, text: str) -> Path:
    file = folder / "components.toml"
    file.write_text(text)
    return file


def test_a_list_names_sources(tmp_path: Path) -> None:
    """A path is relative to the list, whatever the current folder."""
    file = listed(
        tmp_path, '[components]\n"shop/a" = "../a"\n"shop/b" = "git+https://one.example/b@v1"\n'
    )
    sources = read_components(file)
    assert sources == {"shop/a": "../a", "shop/b": "git+https://one.example/b@v1"}
    assert Path(located(file, sources["shop/a"])).resolve() == tmp_path.parent / "a"
    assert located(file, sources["shop/b"]) == sources["shop/b"]
    assert lock_file_of(file) == tmp_path / "components.lock"


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("", 1, "has the table"),
        ("[components]\n", 1, "names no component"),
        ("[components]\n\nhello = 'x'\n", 3, "is no component"),
        ('[components]\n"a/b" = 1\n', 2, "its source is a text"),
        ('[components]\n"a/b" = "-"\n', 2, "standard input"),
        ('[components]\n"a/b" = "x"\n[component]\n', 3, "and no other"),
        ('[components]\n"a/b" = "x"\n"a/b" = "y"\n', 3, "not TOML"),
        ("components = 3\n", 1, "has the table"),
    ],
)
def test_a_mistake_in_a_list_has_its_line(tmp_path: Path, text: str, line: int, said: str) -> None:
    """Like one in a manifest."""
    with pytest.raises(ComponentsInvalid, match=said) as caught:
        read_components(listed(tmp_path, text))
    assert caught.value.problems[0].line == line


def test_a_list_that_is_not_there_has_no_line_to_correct(tmp_path: Path) -> None:
    """The hint says to write one, or to name another."""
    with pytest.raises(ComponentsInvalid, match="No such file") as caught:
        read_components(tmp_path / "edge.toml")
    assert "--file" in caught.value.hint
    assert pickle.loads(pickle.dumps(caught.value)).hint == caught.value.hint


@given(st.dictionaries(st.sampled_from(["a/b", "a/c", "shop/orders"]), LOCKED))
def test_a_lock_is_read_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, locked: dict[str, LockedComponent]
) -> None:
    """Whatever the texts in it."""
    file = tmp_path_factory.mktemp("lock") / "components.lock"
    write_lock(file, locked)
    assert read_lock(file) == locked


def test_a_changed_package_is_refused_by_name(workshop: Workshop) -> None:
    """Another signer, other bytes, another component."""
    package = workshop.package()
    lock = LockedComponent.of(package, "here")
    lock.check("local/hello", package)
    stranger = Package.from_files(package.files).sign(generate_key(), sequence=10)
    changes = {
        "signer": stranger,
        "digest": workshop.package("0.2.0"),
    }
    for part, changed in changes.items():
        with pytest.raises(LockMismatch, match=r"local/hello: the lock has") as caught:
            lock.check("local/hello", changed)
        assert caught.value.part == part
    with pytest.raises(LockMismatch):
        lock.check("local/hello", Package.from_files(package.files))
    with pytest.raises(WrongPackage):
        lock.check("local/other", package)


def test_a_lock_is_for_one_source(tmp_path: Path) -> None:
    """The same name from another source is not locked."""
    lock = LockedComponent("git+https://one.example/a", "1", "2", "3")
    file = tmp_path / "components.lock"
    assert read_lock(file) == {}
    assert find_locked("a/b", lock.source, {"a/b": lock}, file) is lock
    for name, source in (("a/c", lock.source), ("a/b", "git+https://two.example/a")):
        with pytest.raises(LockMissing):
            find_locked(name, source, {"a/b": lock}, file)


@pytest.mark.parametrize(
    "text",
    ["[components]\na = 1\n", '[components]\na = {source = "x"}\n', "x = 1", "[[components]]"],
)
def test_what_is_no_lock_is_refused(tmp_path: Path, text: str) -> None:
    """It is not taken for an empty one."""
    with pytest.raises(ComponentsInvalid):
        read_lock(listed(tmp_path, text))
