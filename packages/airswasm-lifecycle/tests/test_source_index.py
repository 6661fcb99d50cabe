"""The index of a component that is sources."""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping
from hashlib import sha256

import pytest
from airswasm.lifecycle import Manifest, Package, SourceFile, SourceIndex, check_artifact
from airswasm.lifecycle.errors import (
    InterpreterMissing,
    ManifestInvalid,
    SourceIndexInvalid,
    SourcesInvalid,
)
from airswasm.security import PrivateKey
from airswasm.wit import contract
from hypothesis import given
from hypothesis import strategies as st

HANDLER = "airswasm:component/handler@0.1.0"
STORAGE = "airswasm:component/storage@0.1.0"
MANIFEST = b"""[component]
name = "local/it"
version = "0.1.0"

[build]
language = "python"
mode = "shared"
artifact = "build/it.json"
"""
NAMES = st.from_regex(r"[a-z]{1,8}(/[a-z]{1,8}){0,3}\.py", fullmatch=True)


def index_of(files: Mapping[str, bytes], **others: object) -> SourceIndex:
    listed = {path: SourceFile(path, sha256(text).hexdigest()) for path, text in files.items()}
    given = {"abi": "python-3.14-1", "entry": "app.py", "exports": (HANDLER,), "imports": ()}
    return SourceIndex(**(given | others), files=listed)  # type: ignore[arg-type]


def files_of(sources: Mapping[str, bytes], index: SourceIndex | None = None) -> dict[str, bytes]:
    made = index or index_of(sources)
    return {"Component.toml": MANIFEST, "build/it.json": made.to_bytes(), **sources}


@given(st.dictionaries(NAMES, st.binary(max_size=50), max_size=8), st.randoms())
def test_equal_sources_give_equal_bytes_whatever_their_order(
    files: dict[str, bytes], order: object
) -> None:
    files["app.py"] = b"pass"
    shuffled = list(files.items())
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = index_of(files), index_of(dict(shuffled))
    assert one.to_bytes() == other.to_bytes()
    assert SourceIndex.is_index(one.to_bytes())
    assert SourceIndex.parse(one.to_bytes(), "it") == one
    assert one.digest == sha256(one.to_bytes()).hexdigest()


@given(st.dictionaries(NAMES, st.binary(max_size=50), min_size=1, max_size=8), st.data())
def test_a_change_of_any_file_is_another_index(
    files: dict[str, bytes], data: st.DataObject
) -> None:
    files["app.py"] = b"pass"
    changed = data.draw(st.sampled_from(sorted(files)))
    assert index_of(files).digest != index_of({**files, changed: files[changed] + b"#"}).digest


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("abi", "../python"),
        ("abi", "Python-3.14-1"),
        ("abi", 3),
        ("entry", "other.py"),
        ("exports", ["a b"]),
        ("exports", 7),
        ("imports", [None]),
        ("files", []),
        ("files", {"app.py": ["app.py"]}),
        ("files", {"app.py": ["app.py", "0" * 63]}),
        ("files", {"app.py": ["app.py", "0" * 64], "../x.py": ["x.py", "0" * 64]}),
        ("files", {"app.py": ["app.py", "0" * 64], "/x.py": ["x.py", "0" * 64]}),
        ("files", {"app.py": ["app.py", "0" * 64], "a\0.py": ["x.py", "0" * 64]}),
        ("files", {"app.py": [{}, "0" * 64]}),
        (
            "files",
            {f"m{n}.py": ["x.py", "0" * 64] for n in range(4_001)} | {"app.py": ["a", "0" * 64]},
        ),
    ],
)
def test_what_no_build_writes_is_no_index(key: str, value: object) -> None:
    document = json.loads(index_of({"app.py": b""}).to_bytes())
    document[key] = value
    with pytest.raises(SourceIndexInvalid):
        SourceIndex.parse(json.dumps(document).encode(), "it")


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[" * 100_000, b"\xff", b'{"format":"airswasm-sources/1"' + b" " * 2**20],
)
def test_bytes_that_are_no_index_are_one_error(content: bytes) -> None:
    with pytest.raises(SourceIndexInvalid):
        SourceIndex.parse(content, "it")


def test_a_package_has_each_file_as_the_index_says() -> None:
    """Whether it is signed or not: the signature is over what the signer had."""
    sources = {"app.py": b"one", "shop/prices.py": b"two"}
    files = files_of(sources)
    assert Package.from_files(files).wasm_digest == index_of(sources).digest
    for path in sources:
        with pytest.raises(SourceIndexInvalid, match=f"{path} differs from what was built"):
            Package.from_files({**files, path: b"three"})
        with pytest.raises(SourceIndexInvalid, match=f"{path} is missing"):
            Package.from_files({name: text for name, text in files.items() if name != path})


def test_a_signed_package_whose_source_was_changed_is_refused() -> None:
    from airswasm.security import SecurityError

    signed = Package.from_files(files_of({"app.py": b"one"})).sign(PrivateKey.from_seed(bytes(32)))
    with pytest.raises(SecurityError):
        Package.from_files({**signed.files, "app.py": b"two"}, signature=signed.signature)


def test_its_imports_and_exports_are_held_to_the_contract() -> None:
    offered = [STORAGE]
    index = index_of({"app.py": b""}, imports=(STORAGE,))
    report = check_artifact(index.to_bytes(), offered=offered, against=contract())
    assert (report.exports, report.imports) == ((HANDLER,), (STORAGE,))
    assert "storage:read" in report.capabilities
    assert report.is_satisfied
    missing = check_artifact(index.to_bytes(), offered=(), against=contract())
    assert [each.rule for each in missing.problems] == ["import-not-installed"]
    handlerless = index_of({"app.py": b""}, exports=())
    assert not check_artifact(handlerless.to_bytes(), offered=(), against=contract()).is_satisfied


def test_the_errors_survive_a_pickle_and_say_what_to_do() -> None:
    for error in (
        SourcesInvalid("local/it", "app.py", 3, "invalid syntax"),
        InterpreterMissing("local/it", "python-3.14-1", ()),
        InterpreterMissing("local/it", "python-3.14-1", ("python-3.15-1",)),
        SourceIndexInvalid("it", "it is no index"),
    ):
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), str(again), again.hint) == (type(error), str(error), error.hint)
        assert again.hint
    assert InterpreterMissing("a/b", "python-3.14-1", ()).hint == "pip install airswasm-python"


def test_only_python_is_shared() -> None:
    text = MANIFEST.decode()
    assert Manifest.parse(text).build.mode == "shared"
    assert Manifest.parse(text.replace('mode = "shared"\n', "")).build.mode == "standalone"
    with pytest.raises(ManifestInvalid, match="only Python has a shared interpreter"):
        Manifest.parse(text.replace('"python"', '"c"'))
    required = Manifest.parse(text + '[python]\nrequires = ["attrs>=24", "six"]\n')
    assert required.python.requires == ("attrs>=24", "six")
