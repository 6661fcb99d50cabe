"""Build a Python component for the shared interpreter: its sources, listed with their digests.

Nothing is compiled and nothing is run: a build finds the modules that the entry imports, copies
those that are not the project's own into its `build` folder, and writes the index that the package
has in the place of wasm. So it takes a fraction of a second, and gives the same bytes everywhere.

A module is found by the imports in the text. What is imported by a computed name, and data files,
are named in `[build] include`.
"""

from __future__ import annotations

import ast
import hashlib
import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from airswasm.component.world import ENTRY
from airswasm.lifecycle import LOGGING_INTERFACE, Manifest, SourceFile, SourceIndex
from airswasm.wit import Blocks, Interpreter, guest_folder, read_wit
from airswasm.wit.names import (
    GUEST_CALLBACKS,
    GUEST_HANDLER,
    GUEST_HEALTH,
    GUEST_LIFECYCLE,
    GUEST_MIGRATION,
)

from ._diagnostic import Diagnostic
from ._toolchain import WORLD
from .errors import BuildFailed, NotAProject, NotShareable, ToolMissing

__all__ = ("LEAST_MEMORY_BYTES", "build_index", "find_interpreter", "python_of")

LEAST_MEMORY_BYTES = 32 * 2**20
"""The interpreter starts with 29 MiB, which all instances share until they write to it."""

_ENTRY = "app.py"
_VENDORED = PurePosixPath("build/python")
_CLASSES = {
    "Handler": GUEST_HANDLER,
    "Lifecycle": GUEST_LIFECYCLE,
    "Callbacks": GUEST_CALLBACKS,
    "Health": GUEST_HEALTH,
    "Migration": GUEST_MIGRATION,
}
_GIVEN = frozenset({"wit_world", "componentize_py_types", "componentize_py_async_support"})


def find_interpreter(blocks: Blocks) -> Interpreter:
    """Return the newest interpreter for Python that an installed block brings.

    Raises:
        ToolMissing: None does.
    """
    found = [each for each in blocks.interpreters.values() if each.language == "python"]
    if not found:
        raise ToolMissing(
            "airswasm-python",
            "pip install airswasm-python",
            needed_for='a Python component with mode = "shared"',
        )
    return max(found, key=lambda each: [int(n) if n.isdecimal() else 0 for n in _parts(each.abi)])


def python_of(interpreter: Interpreter) -> str:
    """Return the version of Python that an interpreter runs: `3.14` of `python-3.14-1`."""
    return interpreter.abi.split("-")[1]


def _parts(abi: str) -> list[str]:
    return abi.replace(".", "-").split("-")


def build_index(
    folder: Path,
    manifest: Manifest,
    blocks: Blocks,
    libraries: Sequence[Path] = (),
    *,
    described: Path | None = None,
) -> SourceIndex:
    """Collect the sources of a project, and return their index.

    Args:
        folder: The project.
        manifest: Its manifest.
        blocks: The installed blocks.
        libraries: Folders with modules that are not the project's own.
        described: What `airswasm.component` has written about the project's class, if it has one.

    Raises:
        ToolMissing: No interpreter is installed.
        NotAProject: There is no app.py.
        NotShareable: The project asks for what the shared interpreter has not.
        BuildFailed: A source is no Python; the error has file and line.
    """
    interpreter = find_interpreter(blocks)
    if not (folder / _ENTRY).is_file():
        raise NotAProject(folder, _ENTRY, hint="a Python component starts in app.py")
    if manifest.limits.memory < LEAST_MEMORY_BYTES:
        raise NotShareable(
            "[limits] memory",
            f"the shared interpreter needs at least {LEAST_MEMORY_BYTES // 2**20} MiB",
            'write memory = "64 MiB" under [limits] of Component.toml',
        )
    entry, root = _ENTRY, folder
    if described is not None:
        entry, root = f"{ENTRY}.py", described / "entry"
        libraries = (*libraries, root)
    collected = _Collected(folder, (*libraries, guest_folder("python")))
    collected.add_closure(entry, root)
    for each in manifest.build.include:
        collected.add_own(each)
    collected.vendor()
    if described is None:
        exports, imports = _world(folder, collected, blocks)
    else:
        exports, imports = _described_world(described)
    _check_world(exports, imports, blocks)
    imports = (*imports, LOGGING_INTERFACE)  # the interpreter logs what the component raises
    return SourceIndex(
        interpreter.abi, entry, exports, tuple(dict.fromkeys(imports)), collected.files
    )


@dataclass(slots=True)
class _Collected:
    """The files of a component, by the paths under which the interpreter asks for them."""

    folder: Path
    libraries: Sequence[Path]
    files: dict[str, SourceFile] = field(default_factory=dict[str, SourceFile])
    imported: set[str] = field(default_factory=set[str])
    """The absolute names that any of the sources imports."""
    entry: ast.Module = field(default_factory=lambda: ast.Module([], []))
    _vendored: dict[str, bytes] = field(default_factory=dict[str, bytes])
    _seen: set[str] = field(default_factory=set[str])

    def add_closure(self, entry: str, root: Path) -> None:
        """Add a module, and all that it imports, and so on."""
        self._seen.add(entry.removesuffix(".py"))
        self.entry = self._add_source(entry, root, is_own=root is self.folder)
        waiting = list(_imported(self.entry))
        while waiting:
            name = waiting.pop()
            top = name.partition(".")[0]
            key = name if _is_namespace(top, self.libraries) else top
            if key in self._seen or top in _GIVEN:
                continue
            self._seen.add(key)
            for path, root, is_own in self._find(key):
                if top in sys.stdlib_module_names:
                    raise NotShareable(
                        path,
                        f"the standard library has a module {top}, which the shared interpreter "
                        "has imported already",
                        "give the module another name",
                    )
                if path.endswith(".py"):
                    waiting += _imported(self._add_source(path, root, is_own=is_own))
                else:
                    self._add(path, (root / path).read_bytes(), is_own=is_own)

    def add_own(self, path: str) -> None:
        """Add a file of the project by its path."""
        if path not in self.files:
            try:
                content = (self.folder / path).read_bytes()
            except OSError as error:
                raise NotAProject(self.folder, path, hint="[build] include names it") from error
            self._add(path, content, is_own=True)

    def vendor(self) -> None:
        """Write what is not the project's own into its build folder, and nothing else."""
        target = self.folder / _VENDORED
        shutil.rmtree(target, ignore_errors=True)
        for path, content in self._vendored.items():
            file = target / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)

    def _find(self, name: str) -> Iterator[tuple[str, Path, bool]]:
        """Yield the files of a module or package: path, folder, whether it is the project's."""
        stem = name.replace(".", "/")
        for root in (self.folder, *self.libraries):
            is_own = root is self.folder
            if (root / f"{stem}.py").is_file():
                yield f"{stem}.py", root, is_own
                break
            if (root / stem / "__init__.py").is_file():
                for file in sorted((root / stem).rglob("*")):
                    if file.is_file() and file.suffix != ".pyc":
                        yield file.relative_to(root).as_posix(), root, is_own
                break
        else:
            return
        for parent in PurePosixPath(stem).parents:
            path = f"{parent}/__init__.py"
            if str(parent) != "." and path not in self.files:
                self._add(path, b"", is_own=False)

    def _add_source(self, path: str, root: Path, *, is_own: bool) -> ast.Module:
        content = (root / path).read_bytes()
        if len(content) > SourceIndex.MOST_SOURCE_BYTES:
            reason = f"a source has at most {SourceIndex.MOST_SOURCE_BYTES:,} bytes"
            raise NotShareable(path, reason, "read large data from a file that is included")
        self._add(path, content, is_own=is_own)
        try:
            module = ast.parse(content, path)
            self.imported.update(_imported(module))
            return module
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            line = getattr(error, "lineno", None)
            found = Diagnostic(getattr(error, "msg", None) or str(error), path, line,
                               getattr(error, "offset", None))  # fmt: skip
            raise BuildFailed("python", 1, (found,), f"{path}:{line}: {error}") from error

    def _add(self, path: str, content: bytes, *, is_own: bool) -> None:
        digest = hashlib.sha256(content).hexdigest()
        if is_own:
            self.files[path] = SourceFile(path, digest)
        else:
            self.files[path] = SourceFile(str(_VENDORED / path), digest)
            self._vendored[path] = content


def _is_namespace(top: str, libraries: Sequence[Path]) -> bool:
    return any(
        (each / top).is_dir() and not (each / top / "__init__.py").is_file() for each in libraries
    )


def _imported(module: ast.Module) -> Iterator[str]:
    """Yield the absolute names that a module imports anywhere in its text."""
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{each.name}" for each in node.names)


def _described_world(described: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the exports and imports that the class of a component needs."""
    world = json.loads((described / "world.json").read_text(encoding="utf-8"))
    if world["own"] is not None:
        raise NotShareable(
            f"wit: {world['own']}",
            "the shared interpreter has the interfaces of the contract, and no others",
            'write mode = "standalone" under [build] of Component.toml',
        )
    return tuple(world["exports"]), tuple(world["imports"])


def _world(
    folder: Path, collected: _Collected, blocks: Blocks
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the exports and imports: those of the project's world, or those of its sources."""
    if any((folder / "wit").glob("*.wit")):
        world = read_wit(folder / "wit").main.worlds.get(WORLD)
        if world is None:
            raise NotAProject(folder, f"wit: world {WORLD}")
        exports = (*world.exports, *world.exported_functions)
        return exports, (*world.imports, *world.imported_functions)
    offered = blocks.contract.host_interfaces.values()
    names = {
        f"wit_world.imports.{each.short_name.replace('-', '_')}": each.name for each in offered
    }
    imports = (interface for name, interface in names.items() if name in collected.imported)
    return tuple(_exported(collected.entry)), tuple(imports)


def _exported(entry: ast.Module) -> Iterator[str]:
    names: set[str] = {"Lifecycle"}  # an interpreter imports the component there
    for node in entry.body:
        if isinstance(node, ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.ImportFrom):
            names |= {each.asname or each.name for each in node.names}
        elif isinstance(node, ast.Assign):
            names |= {each.id for each in node.targets if isinstance(each, ast.Name)}
    return (interface for name, interface in _CLASSES.items() if name in names)


def _check_world(exports: Sequence[str], imports: Sequence[str], blocks: Blocks) -> None:
    known = {each.name for each in blocks.contract.package.interfaces.values()}
    for name in (*exports, *imports):
        if name not in known and not name.startswith("wasi:"):
            raise NotShareable(
                f"wit: {name}",
                "the shared interpreter has the interfaces of the contract, and no others",
                'write mode = "standalone" under [build] of Component.toml',
            )
