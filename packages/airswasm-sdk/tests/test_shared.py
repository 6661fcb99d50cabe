"""The build of a Python component for the shared interpreter; no interpreter is run for it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from airswasm.lifecycle import LOGGING_INTERFACE, MANIFEST_NAME, Manifest, Package, SourceIndex
from airswasm.lifecycle.errors import SourceIndexInvalid
from airswasm.messaging import MESSAGING_INTERFACE
from airswasm.sdk import (
    build_project,
    init_project,
    inspect_component,
    pack_project,
    sign_project,
)
from airswasm.sdk._shared import build_index
from airswasm.sdk.errors import (
    ArtifactInTheWay,
    BuildFailed,
    NotAProject,
    NotShareable,
    ToolMissing,
)
from airswasm.security import PrivateKey
from airswasm.wit import Block, Blocks, Interpreter, wit_folder
from airswasm.wit.names import GUEST_HANDLER, GUEST_HEALTH, GUEST_LIFECYCLE

STORAGE = "airswasm:component/storage@0.1.0"
HANDLER = "class Handler:\n    pass\n"
MANIFEST = """[component]
name = "local/it"
version = "0.1.0"

[build]
language = "python"
mode = "shared"
artifact = "build/it.json"
include = [{include}]

[limits]
memory = "{memory}"
"""


def blocks(*abis: str) -> Blocks:
    """The installed blocks, with an interpreter for each ABI and no other."""
    made = tuple(Interpreter(each, "python", "acme:read") for each in abis)
    others = (each for each in Blocks.find() if not each.block.interpreters)
    return Blocks(others).joined(Block(name="acme", summary="Interpreters.", interpreters=made))


OURS = blocks("python-3.14-1")


def write(folder: Path, *, include: str = "", memory: str = "64 MiB", **files: str) -> Path:
    (folder / MANIFEST_NAME).write_text(MANIFEST.format(include=include, memory=memory))
    for path, text in files.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return folder


def index(folder: Path, ours: Blocks = OURS, *libraries: Path) -> SourceIndex:
    made = build_index(folder, Manifest.load(folder / MANIFEST_NAME), ours, libraries)
    (folder / "build").mkdir(exist_ok=True)
    (folder / "build" / "it.json").write_bytes(made.to_bytes())
    return made


def test_it_has_what_the_entry_imports_and_nothing_else(tmp_path: Path) -> None:
    app = "import json, prices\nfrom shop.stock import left\nif 0:\n    import late\n" + HANDLER
    folder = write(
        tmp_path,
        **{
            "app.py": app, "prices.py": "import deep", "deep.py": "", "late.py": "",
            "shop/__init__.py": "", "shop/stock.py": "from . import other", "shop/other.py": "",
            "shop/data.txt": "1", "unused.py": "", "tests/test_app.py": "",
        },
    )  # fmt: skip
    made = index(folder)
    assert sorted(made.files) == [
        "app.py", "deep.py", "late.py", "prices.py",
        "shop/__init__.py", "shop/data.txt", "shop/other.py", "shop/stock.py",
    ]  # fmt: skip
    package = Package.read(folder, signature="ignored")
    assert set(package.files) == {MANIFEST_NAME, "build/it.json", *made.files}


def test_what_a_computed_import_needs_is_included_by_name(tmp_path: Path) -> None:
    folder = write(tmp_path, include='"late.py"', **{"app.py": HANDLER, "late.py": ""})
    assert sorted(index(folder).files) == ["app.py", "late.py"]


def test_modules_of_libraries_are_copied_into_the_build(tmp_path: Path) -> None:
    library = tmp_path / "library"
    library.mkdir()
    write(
        library,
        **{
            "pure/__init__.py": "from pure import part",
            "pure/part.py": "",
            "acme/tools/__init__.py": "",
        },
    )
    project = tmp_path / "project"
    project.mkdir()
    text = "import pure\nimport airswasm_codec\nfrom acme.tools import x\n" + HANDLER
    folder = write(project, **{"app.py": text})
    stale = folder / "build" / "python" / "gone.py"
    stale.parent.mkdir(parents=True)
    stale.write_text("")
    made = index(folder, OURS, library)
    assert made.files["pure/part.py"].path == "build/python/pure/part.py"
    assert made.files["acme/__init__.py"].path == "build/python/acme/__init__.py"
    assert "airswasm_codec.py" in made.files
    assert not stale.exists()
    Package.read(folder, signature="ignored")


def test_equal_projects_give_equal_bytes(tmp_path: Path) -> None:
    files = {"app.py": "import b, a\n" + HANDLER, "a.py": "", "b.py": ""}
    made = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        made.append(index(write(tmp_path / name, **files)).to_bytes())
    assert made[0] == made[1]


def test_without_a_world_the_classes_are_the_exports(tmp_path: Path) -> None:
    text = "from elsewhere import Health\n" + HANDLER
    folder = write(tmp_path, **{"app.py": text, "elsewhere.py": "class Health: pass"})
    made = index(folder)
    assert set(made.exports) == {GUEST_HANDLER, GUEST_LIFECYCLE, GUEST_HEALTH}
    assert made.imports == (LOGGING_INTERFACE,)
    imports = "from wit_world.imports import storage\nimport wit_world.imports.messaging\n"
    write(folder, **{"elsewhere.py": imports + "class Health: pass"})
    assert set(index(folder).imports) == {LOGGING_INTERFACE, MESSAGING_INTERFACE, STORAGE}


def test_the_world_of_a_project_is_what_it_imports_and_exports(tmp_path: Path) -> None:
    world = (
        "package project:component;\nworld component {\n"
        "    import airswasm:component/storage@0.1.0;\n"
        "    export airswasm:component/handler@0.1.0;\n}\n"
    )
    folder = write(tmp_path, **{"app.py": HANDLER, "wit/world.wit": world})
    shutil.copytree(wit_folder(), folder / "wit" / "deps" / "airswasm-component")
    made = index(folder)
    assert made.exports == (GUEST_HANDLER,)
    assert "airswasm:component/storage@0.1.0" in made.imports


def test_a_world_of_ones_own_needs_an_interpreter_of_ones_own(tmp_path: Path) -> None:
    world = (
        "package acme:plugin@1.0.0;\ninterface words { shout: func(text: string) -> string; }\n"
        "world component { export words; }\n"
    )
    folder = write(tmp_path, **{"app.py": HANDLER, "wit/world.wit": world})
    with pytest.raises(NotShareable, match="acme:plugin/words") as caught:
        index(folder)
    assert 'mode = "standalone"' in caught.value.hint


def test_the_newest_interpreter_is_built_for(tmp_path: Path) -> None:
    folder = write(tmp_path, **{"app.py": HANDLER})
    newest = blocks("python-3.9-9", "python-3.14-2", "python-3.14-10")
    assert index(folder, newest).abi == "python-3.14-10"


def test_what_is_wrong_is_said_with_its_place(tmp_path: Path) -> None:
    folder = write(tmp_path, **{"app.py": "import prices\n" + HANDLER, "prices.py": "x = (\n"})
    with pytest.raises(BuildFailed, match=r"prices\.py:1") as caught:
        index(folder)
    assert caught.value.diagnostics[0].file == "prices.py"
    write(folder, **{"prices.py": "x = 1"})
    with pytest.raises(ToolMissing, match="airswasm-python") as missing:
        index(folder, blocks())
    assert "pip install airswasm-python" in missing.value.hint
    write(folder, memory="16 MiB")
    with pytest.raises(NotShareable, match="at least 32 MiB"):
        index(folder)
    write(folder, include='"absent.txt"')
    with pytest.raises(NotAProject, match=r"absent\.txt"):
        index(folder)
    write(folder, **{"queue.py": "", "app.py": "import queue\n" + HANDLER})
    with pytest.raises(NotShareable, match="the standard library has a module queue"):
        index(folder)
    write(folder, **{"app.py": "#" * (4 * 2**20 + 1)})
    with pytest.raises(NotShareable, match="at most 4,194,304 bytes"):
        index(folder)
    write(folder, **{"app.py": "x" + ".y" * 100_000})
    with pytest.raises(BuildFailed):
        index(folder)
    (folder / "app.py").unlink()
    with pytest.raises(NotAProject, match=r"app\.py"):
        index(folder)


def test_a_build_is_whole_and_a_change_asks_for_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Blocks, "find", classmethod(lambda _cls: OURS))
    folder = write(tmp_path, **{"app.py": HANDLER})
    steps: list[str] = []
    made = build_project(folder, lambda progress: steps.append(progress.step))
    assert steps[:1] + steps[-1:] == ["collect", "check"]
    assert made.path == folder / "build" / "it.json"
    assert made.size_bytes == len(made.path.read_bytes()) + len(HANDLER)
    assert made.report.exports == (GUEST_HANDLER, GUEST_LIFECYCLE)
    first = Package.read(folder, signature="ignored").wasm_digest
    write(folder, **{"app.py": HANDLER + "# changed"})
    with pytest.raises(SourceIndexInvalid, match=r"app\.py differs from what was built"):
        Package.read(folder, signature="ignored")
    build_project(folder)
    assert Package.read(folder, signature="ignored").wasm_digest != first
    (folder / "build" / "it.json").write_text("mine")
    with pytest.raises(ArtifactInTheWay):
        build_project(folder)


def test_a_new_project_is_shared_where_an_interpreter_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for mode, ours in (("shared", OURS), ("standalone", blocks())):
        monkeypatch.setattr(Blocks, "find", classmethod(lambda _cls, ours=ours: ours))
        init_project(tmp_path / mode, "hello", "python")
        assert Manifest.load(tmp_path / mode / MANIFEST_NAME).build.mode == mode


CLASS = """
from airswasm.component import Peer, State, StateMap, Topic, component, every, on

class Stock:
    def left(self) -> int: ...

@component
class It:
    count = State[int]("count", default=0)
    orders = StateMap[str]("orders/")
    sold = Topic[str]("shop.sold")
    stock = Peer(Stock, "shop/stock")

    @on("orders.*")
    def ordered(self, order: str) -> None: ...

    @every(60)
    def minute(self) -> None: ...
"""


@pytest.mark.parametrize(
    ("asked", "lacking"),
    [
        ("", {
            "storage:read": 'storage.read = ["count", "orders/**"]',
            "storage:write": 'storage.write = ["count", "orders/**"]',
            "messaging:publish": 'messaging.publish = ["shop.sold"]',
            "messaging:request": 'messaging.request = ["shop/stock"]',
            "messaging:subscribe": 'messaging.subscribe = ["orders.*"]',
            "messaging:schedule": 'messaging.schedule = ["local/it"]',
        }),
        (
            'storage.read = ["count"]\nmessaging.publish = ["everything"]\n'
            'messaging.send = ["shop/*"]\nmessaging.schedule = ["local/*"]\n'
            'messaging.subscribe = ["orders.new"]\n',
            {
                "storage:read": 'storage.read = ["count", "orders/**"]',
                "storage:write": 'storage.write = ["orders/**"]',
                "messaging:subscribe": 'messaging.subscribe = ["orders.new", "orders.*"]',
            },
        ),
        (
            'storage.read = ["everything"]\nmessaging.publish = ["shop.*"]\n'
            'messaging.request = ["shop/stock"]\nmessaging.schedule = ["local/it"]\n'
            'messaging.subscribe = ["orders.*"]\n',
            {},
        ),
    ],
)  # fmt: skip
def test_a_build_knows_the_lines_that_the_class_of_a_component_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: str, lacking: dict[str, str]
) -> None:
    monkeypatch.setattr(Blocks, "find", classmethod(lambda _cls: OURS))
    folder = write(tmp_path, **{"app.py": CLASS})
    with (folder / MANIFEST_NAME).open("a", encoding="utf-8") as file:
        file.write(f"\n[capabilities]\n{asked}")
    made = build_project(folder)
    assert made.lines == lacking
    assert made.unasked == tuple(lacking)
    if asked:  # what is imported with an interface is not what is used of it
        assert inspect_component(folder).unasked == ()


def test_an_inspection_shows_what_a_component_of_sources_is_made_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: PrivateKey
) -> None:
    """The same of a folder and of a package; of the index alone, what it tells."""
    monkeypatch.setattr(Blocks, "find", classmethod(lambda _cls: OURS))
    folder = write(tmp_path, **{"app.py": HANDLER + "import deep\n", "deep.py": ""})
    made = build_project(folder)
    sign_project(folder, key)
    alone = inspect_component(made.path)
    assert (alone.interpreter, alone.sources) == ("python-3.14-1", {})
    for each in (folder, pack_project(folder)):
        found = inspect_component(each)
        assert list(found.sources) == ["app.py", "deep.py"]
        assert (found.size_bytes, found.interpreter) == (made.size_bytes, "python-3.14-1")
        assert f"export {GUEST_HANDLER};" in found.wit
        assert found.wit == alone.wit
