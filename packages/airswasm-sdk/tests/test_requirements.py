"""Packages of others in a Python component: pip resolves, from a folder of wheels made here."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from airswasm.lifecycle import Package
from airswasm.sdk import ComponentManifest, build_project
from airswasm.sdk._requirements import LOCK_NAME, unpack_requirements
from airswasm.sdk.errors import BuildFailed, LockUnusable, RequirementUnusable
from airswasm.wit import Block, Blocks, Interpreter

pytest.importorskip("pip")
MakeWheel = Callable[..., Path]


@pytest.fixture
def make_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeWheel:
    """Make wheels that pip finds, and no others."""
    index = tmp_path / "index"
    index.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def make(
        name: str, version: str = "1.0", *, tag: str = "py3-none-any", needs: str = "", **files: str
    ) -> Path:
        path = index / f"{name}-{version}-{tag}.whl"
        info = f"{name}-{version}.dist-info"
        head = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        more = f"Requires-Dist: {needs}\n" if needs else ""
        with zipfile.ZipFile(path, "w") as archive:
            for file, text in (files or {f"{name}.py": f"version = {version!r}"}).items():
                archive.writestr(file, text)
            archive.writestr(f"{info}/METADATA", head + more)
            archive.writestr(
                f"{info}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n"
            )
            archive.writestr(f"{info}/RECORD", "")
        return path

    return make


def unpack(tmp_path: Path, *requires: str) -> Path:
    target = tmp_path / f"unpacked-{len(list(tmp_path.iterdir()))}"
    target.mkdir()
    unpack_requirements(tmp_path, requires, "3.14", target)
    return target


def test_what_is_required_and_what_that_needs_is_locked_and_unpacked(
    tmp_path: Path, make_wheel: MakeWheel
) -> None:
    made = [make_wheel("outer", needs="inner>=2"), make_wheel("inner", "2.1")]
    make_wheel("inner", "1.0")
    target = unpack(tmp_path, "outer")
    assert (target / "outer.py").is_file()
    assert (target / "inner.py").read_text() == "version = '2.1'"
    lock = json.loads((tmp_path / LOCK_NAME).read_bytes())
    assert lock["wheels"] == {each.name: sha256(each.read_bytes()).hexdigest() for each in made}


def test_a_lock_that_fits_resolves_nothing_and_needs_no_index(
    tmp_path: Path, make_wheel: MakeWheel
) -> None:
    first = make_wheel("outer")
    unpack(tmp_path, "outer")
    make_wheel("outer", "2.0")
    first.unlink()
    assert (unpack(tmp_path, "outer") / "outer.py").read_text() == "version = '1.0'"
    assert (unpack(tmp_path, "outer>=2") / "outer.py").read_text() == "version = '2.0'"


def test_a_wheel_that_is_not_in_the_cache_must_be_the_one_that_was_locked(
    tmp_path: Path, make_wheel: MakeWheel
) -> None:
    original = make_wheel("outer").read_bytes()
    unpack(tmp_path, "outer")
    for each in (tmp_path / "cache" / "airswasm" / "wheels").iterdir():
        each.unlink()
    make_wheel("outer", **{"outer.py": "evil"})
    with pytest.raises(LockUnusable, match="another one than was locked"):
        unpack(tmp_path, "outer")
    (tmp_path / "index" / "outer-1.0-py3-none-any.whl").write_bytes(original)
    unpack(tmp_path, "outer")


def test_a_wheel_that_the_disk_has_damaged_is_not_unpacked(
    tmp_path: Path, make_wheel: MakeWheel
) -> None:
    make_wheel("outer")
    unpack(tmp_path, "outer")
    (kept,) = (tmp_path / "cache" / "airswasm" / "wheels").iterdir()
    kept.write_bytes(kept.read_bytes() + b"!")
    with pytest.raises(LockUnusable, match="damaged in the cache"):
        unpack(tmp_path, "outer")
    unpack(tmp_path, "outer")


def test_native_code_is_refused_by_name(tmp_path: Path, make_wheel: MakeWheel) -> None:
    make_wheel("native", tag="cp314-cp314-manylinux_2_17_x86_64")
    make_wheel("outer", needs="native")
    for required in ("native", "outer"):
        with pytest.raises(RequirementUnusable) as caught:
            unpack(tmp_path, required)
        assert caught.value.requirement == "native"
    assert not (tmp_path / LOCK_NAME).exists()


@pytest.mark.parametrize("written", ["attrs >>> 3", "-r other.txt", " --pre", "a\n-r b", "a b"])
def test_what_pip_cannot_read_is_named(tmp_path: Path, make_wheel: MakeWheel, written: str) -> None:
    with pytest.raises(RequirementUnusable) as caught:
        unpack(tmp_path, written)
    assert "requirements.txt" not in str(caught.value)
    assert "attrs>=24" in caught.value.hint


def test_an_index_that_does_not_answer_is_no_missing_package(
    tmp_path: Path, make_wheel: MakeWheel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "1")
    with pytest.raises(RequirementUnusable, match="outer: pip cannot reach its index"):
        unpack(tmp_path, "outer")


def test_a_class_imports_what_it_requires_and_nothing_else_of_this_python(
    tmp_path: Path, make_wheel: MakeWheel, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = Interpreter("python-3.14-1", "python", "acme:read")
    others = Blocks(each for each in Blocks.find() if not each.block.interpreters)
    joined = others.joined(Block(name="acme", summary="Interpreters.", interpreters=(ours,)))
    monkeypatch.setattr(Blocks, "find", classmethod(lambda _cls: joined))
    make_wheel("outer", needs="inner", **{"outer.py": "import inner\nword = inner.word"})
    make_wheel("inner", **{"inner.py": "word = 'Moin'"})
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "app.py").write_text(
        "import outer\nfrom airswasm.component import component, on_message\n\n\n"
        "@component\nclass It:\n    @on_message\n"
        "    def greet(self, name: str) -> str:\n        return outer.word\n"
    )
    manifest = (
        ComponentManifest("local/it", "0.1.0")
        .build("python", mode="shared", artifact="build/it.json")
        .python(requires=["outer"])
        .limits(memory="64 MiB")
    )
    manifest.write(folder)
    build_project(folder)
    package = Package.read(folder, signature="ignored")
    assert {"build/python/outer.py", "build/python/inner.py"} <= set(package.files)

    (folder / "app.py").write_text(f"import pytest\n{(folder / 'app.py').read_text()}")
    with pytest.raises(BuildFailed, match=r"app\.py:1: .*'pytest'; add .* \[python\] requires"):
        build_project(folder)


def test_a_wheel_writes_into_its_folder_only(tmp_path: Path, make_wheel: MakeWheel) -> None:
    make_wheel("outer", **{
        "outer.py": "", "../above.py": "", "/absolute.py": "", "a/../../b.py": "",
        "outer-1.0.data/scripts/run": "", "c:/d.py": "",
    })  # fmt: skip
    target = unpack(tmp_path, "outer")
    found = {each.relative_to(target).as_posix() for each in target.rglob("*") if each.is_file()}
    assert {each for each in found if "dist-info" not in each} == {"outer.py"}
    assert not (tmp_path / "above.py").exists()


def test_a_build_from_source_does_not_ask_pip(tmp_path: Path, make_wheel: MakeWheel) -> None:
    make_wheel("outer")
    with pytest.raises(RequirementUnusable, match="no network"):
        unpack_requirements(tmp_path, ("outer",), "3.14", tmp_path / "none", is_offline=True)


@pytest.mark.parametrize(
    "content",
    [b"{", b"[]", b"{}", b'{"format":"airswasm-python-lock/1","python":"3.14","requires":["a"],'
     b'"wheels":{"../a-1-py3-none-any.whl":"00"}}'],
)  # fmt: skip
def test_a_lock_that_is_none_is_said(tmp_path: Path, make_wheel: MakeWheel, content: bytes) -> None:
    (tmp_path / LOCK_NAME).write_bytes(content)
    with pytest.raises(LockUnusable, match=LOCK_NAME):
        unpack(tmp_path, "a")
