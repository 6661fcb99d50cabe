"""Components that are sources, with an interpreter of a few lines: its code is its source."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from airswasm.lifecycle import (
    Home,
    InterpreterMissing,
    Package,
    SourceFile,
    SourceIndex,
    SourcesInvalid,
    System,
    is_compiled,
    load_package,
)
from airswasm.runtime import Caller, Engine, EngineConfig, Ok
from airswasm.wit import Block, Blocks, Interpreter, wit_folder

pytestmark = pytest.mark.anyio
HANDLER = "airswasm:component/handler@0.1.0"
WIT = """package airswasm:interpreter@0.1.0;
interface sources {
    entry: func() -> string;
    code: func(path: string) -> option<list<u8>>;
    text: func(path: string) -> option<list<u8>>;
}
interface compiler { compile: func(source: list<u8>, path: string) -> result<list<u8>, string>; }
"""
WORLD = """package test:interpreter;
world interpreter {
    import airswasm:interpreter/sources@0.1.0;
    export airswasm:component/handler@0.1.0;
    export airswasm:interpreter/compiler@0.1.0;
}
"""
MANIFEST = """[component]
name = "local/it"
version = "{version}"
[build]
language = "python"
mode = "shared"
artifact = "it.json"
"""
MakePackage = Callable[..., Package]


@pytest.fixture(scope="session")
def interpreter(workshop, tmp_path_factory: pytest.TempPathFactory) -> bytes:  # type: ignore[no-untyped-def]
    folder = tmp_path_factory.mktemp("interpreter")
    deps = folder / "wit" / "deps"
    shutil.copytree(wit_folder(), deps / "airswasm-component")
    (deps / "airswasm-interpreter").mkdir()
    (deps / "airswasm-interpreter" / "interpreter.wit").write_text(WIT)
    (folder / "wit" / "world.wit").write_text(WORLD)
    made = folder / "interpreter.wasm"
    core = Path(__file__).parent / "guests" / "interpreter.wat"
    workshop._make(core, "interpreter", made, folder / "wit")
    return made.read_bytes()


@pytest.fixture
def blocks(interpreter: bytes) -> Blocks:
    brought = (Interpreter("toy-1", "python", lambda: interpreter),)
    others = Blocks(each for each in Blocks.find() if not each.block.interpreters)
    return others.joined(Block(name="toy", summary="A toy.", interpreters=brought))


@pytest.fixture
def make(workshop) -> MakePackage:  # type: ignore[no-untyped-def]
    numbers = iter(range(1, 100))

    def package(text: bytes = b"one", *, version: str = "0.1.0", abi: str = "toy-1") -> Package:
        file = SourceFile("app.py", sha256(text).hexdigest())
        index = SourceIndex(abi, "app.py", (HANDLER,), (), {"app.py": file})
        files = {"Component.toml": MANIFEST.format(version=version).encode(), "app.py": text}
        unsigned = Package.from_files({**files, "it.json": index.to_bytes()})
        return unsigned.sign(workshop.key, sequence=next(numbers))

    return package


async def test_it_is_installed_updated_rolled_back_and_removed_as_any_other(
    tmp_path: Path, blocks: Blocks, make: MakePackage
) -> None:
    async with System(tmp_path / "home", blocks=blocks) as system:
        await system.install(make(b"one"), approve=lambda _plan: True)
        assert await system.send("local/it", b"") == b"one"
        await system.update(make(b"two", version="0.2.0"), approve=lambda _plan: True)
        assert await system.send("local/it", b"") == b"two"
        await system.read_world("local/it")
        assert [each.name for each in system.info("local/it").exports] == [HANDLER]
        kinds = {each.kind for each in await system.artifacts.list()}
        assert kinds == {"component", "file", "manifest", "signature"}
    async with System(tmp_path / "home", blocks=blocks) as system:
        await system.rollback("local/it")
        assert await system.send("local/it", b"") == b"one"


async def test_the_interpreter_is_kept_as_long_as_something_needs_it(
    tmp_path: Path, blocks: Blocks, make: MakePackage, interpreter: bytes
) -> None:
    home, none = (
        Home(tmp_path / "home"),
        Blocks(e for e in Blocks.find() if not e.block.interpreters),
    )
    async with System(home, blocks=blocks) as system:
        await system.install(make(), approve=lambda _plan: True)
    assert is_compiled(home.folder, interpreter)
    async with System(home, blocks=none) as system:
        assert await system.send("local/it", b"") == b"one"
        assert (await system.artifacts.gc(dry_run=True)).files == 0
        await system.uninstall("local/it")
        assert (await system.artifacts.gc(dry_run=True)).files == 1
        assert (await system.artifacts.gc()).files == 1
        assert not list(home.interpreters_folder.iterdir())
    async with System(home, blocks=none) as system:
        with pytest.raises(InterpreterMissing, match="toy-1; there is none"):
            await system.install(make(), approve=lambda _plan: True)


async def test_an_interpreter_that_was_not_built_is_missing_unless_one_was_kept(
    tmp_path: Path, blocks: Blocks, make: MakePackage
) -> None:
    """A block that runs from a checkout declares one, and need not have built it."""

    def not_built() -> bytes:
        raise FileNotFoundError("interpreter.wasm")

    home = Home(tmp_path / "home")
    async with System(home, blocks=blocks) as system:
        await system.install(make(), approve=lambda _plan: True)
    others = Blocks(each for each in Blocks.find() if not each.block.interpreters)
    brought = (Interpreter("toy-1", "python", not_built),)
    unbuilt = others.joined(Block(name="toy", summary="A toy.", interpreters=brought))
    async with System(home, blocks=unbuilt) as system:
        assert await system.send("local/it", b"") == b"one"
    async with System(tmp_path / "another", blocks=unbuilt) as system:
        with pytest.raises(InterpreterMissing, match="toy-1"):
            await system.install(make(), approve=lambda _plan: True)


async def test_a_source_that_does_not_compile_is_refused_with_its_place(
    tmp_path: Path, blocks: Blocks, make: MakePackage
) -> None:
    async with System(tmp_path / "home", blocks=blocks) as system:
        for text, line, reason in (
            (b"!", 3, "not like this"),
            (b"#", 1, "unreachable"),
            (b"x" * (SourceIndex.MOST_SOURCE_BYTES + 1), 1, "longer than"),
        ):
            with pytest.raises(SourcesInvalid, match=reason) as caught:
                await system.install(make(text), approve=lambda _plan: pytest.fail("it was asked"))
            assert (caught.value.file, caught.value.line) == ("app.py", line)
        with pytest.raises(InterpreterMissing, match="there is toy-1"):
            await system.install(make(abi="toy-2"), approve=lambda _plan: True)


async def test_code_that_the_disk_has_damaged_is_made_again(
    tmp_path: Path, blocks: Blocks, make: MakePackage
) -> None:
    package, cache = make(b"whole"), tmp_path / "cache"
    for _ in range(2):
        async with Engine(EngineConfig(cache_folder=cache)) as engine:
            component = await load_package(engine, package, blocks)
            instance = await component.link([]).instantiate(caller=Caller("local/it"))
            answer = await instance.call(f"{HANDLER}#handle-message", "host", None, b"")
            assert answer == Ok(b"whole")
        (entry,) = (cache / "code").iterdir()
        entry.write_bytes(entry.read_bytes()[:-1] + b"!")
    (cache / "code" / "other").write_bytes(b"")
    async with Engine(EngineConfig()) as engine:  # no cache: nothing is kept
        assert (await load_package(engine, package, blocks)).digest == package.wasm_digest


async def test_wasm_is_loaded_as_it_is(workshop) -> None:  # type: ignore[no-untyped-def]
    package = workshop.package()
    async with Engine(EngineConfig()) as engine:
        assert (await load_package(engine, package)).digest == package.wasm_digest
