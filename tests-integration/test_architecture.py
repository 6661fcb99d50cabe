"""The structure of the whole: what the blocks may know of each other.

The dependencies between the packages are the build order, so they are held to three rules: an
import never points up, a block imports exactly the siblings that it declares, and it reaches them
only through their public face. grimp reads the imports of the installed packages; entry points
(text in pyproject.toml) are the only way to be used by a block below.
"""

from __future__ import annotations

import ast
import re
import tomllib
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

import grimp
import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ROOT / "packages"


def _read_projects() -> dict[str, dict[str, Any]]:
    """Return each distribution's pyproject.toml, by its name without `airswasm-`."""
    return {
        path.parent.name.removeprefix("airswasm-"): tomllib.loads(path.read_text(encoding="utf-8"))
        for path in sorted(PACKAGES.glob("*/pyproject.toml"))
    }


PROJECTS = _read_projects()
LAYER_OF = {name: project["tool"]["airswasm"]["layer"] for name, project in PROJECTS.items()}
BLOCKS = tuple(name for name, layer in LAYER_OF.items() if layer != "extra")

pytestmark = pytest.mark.architecture


@pytest.fixture(scope="session")
def graph() -> grimp.ImportGraph:
    packages = [f"airswasm.{block}" for block in BLOCKS]
    return grimp.build_graph(*packages, cache_dir=None)


def siblings_imported(graph: grimp.ImportGraph, block: str) -> dict[str, set[str]]:
    """For each other block: the modules of it that `block` imports."""
    own = f"airswasm.{block}"
    found: dict[str, set[str]] = {}
    for module in {own} | graph.find_descendants(own):
        for imported in graph.find_modules_directly_imported_by(module):
            _, sibling, *_ = imported.split(".")
            if sibling != block:
                found.setdefault(sibling, set()).add(imported)
    return found


def siblings_declared(name: str) -> set[str]:
    return _siblings_among(PROJECTS[name]["project"].get("dependencies", [])) | extra_siblings(name)


def extra_siblings(name: str) -> set[str]:
    """Return the siblings that a block uses only where one of its extras is installed."""
    if name == "cli":  # a distribution for people: its extras install more than it imports
        return set()
    extras = PROJECTS[name]["project"].get("optional-dependencies", {})
    found = _siblings_among([each for extra in extras.values() for each in extra])
    return found - _siblings_among(PROJECTS[name]["project"].get("dependencies", []))


def _siblings_among(requirements: list[str]) -> set[str]:
    names = (re.match(r"airswasm-([a-z-]+)", requirement) for requirement in requirements)
    return {match.group(1) for match in names if match}


def test_declared_siblings_have_an_order() -> None:
    """The blocks can be built one after the other, a layer after the layer below it."""
    order = tuple(TopologicalSorter({b: siblings_declared(b) for b in BLOCKS}).static_order())
    assert set(order) == set(BLOCKS), "a block may not need an extra distribution"
    for block in BLOCKS:
        higher = {sib for sib in siblings_declared(block) if LAYER_OF[sib] > LAYER_OF[block]}
        assert higher == set(), f"{block} points up"


@pytest.mark.parametrize("block", BLOCKS)
def test_declared_siblings_are_the_used_ones(graph: grimp.ImportGraph, block: str) -> None:
    """pip installs what a block imports, and nothing that it does not."""
    used = set(siblings_imported(graph, block))
    assert siblings_declared(block) == used | extra_siblings(block)


#: The wings that need an extra's sibling, by block. The block without the extra does without them.
WINGS_OF_EXTRAS = {"messaging": {"_durable", "_dead_letters"}}


@pytest.mark.parametrize("block", BLOCKS)
def test_siblings_of_an_extra_are_imported_by_its_wings(
    graph: grimp.ImportGraph, block: str
) -> None:
    """A block imports without its extras: a sibling of one is for some wings, and they for it."""
    own, wings = f"airswasm.{block}", WINGS_OF_EXTRAS.get(block, set())
    extra = {f"airswasm.{sibling}" for sibling in extra_siblings(block)}
    inside = {f"{own}.{wing}" for wing in wings}
    assert bool(extra) == bool(wings)
    strays = set[str]()
    for module in graph.find_descendants(own):
        if _first_parts(module, 3) in inside:
            continue
        for imported in graph.find_modules_directly_imported_by(module):
            if _first_parts(imported, 2) in extra or _first_parts(imported, 3) in inside:
                strays.add(f"{module} imports {imported}")
    assert strays == set()


@pytest.mark.parametrize("block", BLOCKS)
def test_siblings_are_reached_through_their_public_face(
    graph: grimp.ImportGraph, block: str
) -> None:
    """A module without an underscore is an interface; everything else may move."""
    for modules in siblings_imported(graph, block).values():
        private = {module for module in modules if "._" in module}
        assert private == set(), f"{block} reaches into a sibling"


#: Blocks whose parts know each other. In the runtime a call, its instance and the engine are
#: one mechanism, and a protocol between them would cost time in each call; in storage a namespace
#: makes what works on it.
IN_CIRCLES = frozenset({"runtime", "storage"})


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("of", ["modules", "wings"])
def test_a_block_has_floors(graph: grimp.ImportGraph, block: str, of: str) -> None:
    """Imports within a block lead one way, those under TYPE_CHECKING and in functions included.

    A module that cannot be named without another one cannot be understood without it. A lower floor
    gets what it needs of a higher one as a protocol, a callback, or a method that a class above
    overrides. The same holds for wings, the sub-packages of a block.
    """
    face = f"airswasm.{block}"
    parts = 3 if of == "wings" else None
    below: dict[str, set[str]] = {}
    for module in graph.find_descendants(face):
        name = _first_parts(module, parts)
        known = {
            _first_parts(imported, parts)
            for imported in graph.find_modules_directly_imported_by(module)
            if imported.startswith(f"{face}.")
        }
        below.setdefault(name, set()).update(known - {name})
    circle: list[str] = []
    try:
        TopologicalSorter(below).prepare()
    except CycleError as error:
        circle = error.args[1]
    assert bool(circle) == (block in IN_CIRCLES), " -> ".join(circle) or f"{block} has none now"


def _first_parts(module: str, count: int | None) -> str:
    return ".".join(module.split(".")[:count])


#: Packages that a block's wheel ships for guests: they know no block (docs/adr/0089).
FOR_GUESTS = {"sdk": "component"}


def test_packages_for_guests_know_no_block() -> None:
    """They run where no block is; the standard library is all that they have."""
    for block, name in FOR_GUESTS.items():
        guests = grimp.build_graph(
            f"airswasm.{name}", cache_dir=None, include_external_packages=True
        )
        imported = {
            each
            for module in guests.find_descendants(f"airswasm.{name}") | {f"airswasm.{name}"}
            for each in guests.find_modules_directly_imported_by(module)
        }
        assert not [each for each in imported if re.match(rf"airswasm(?!\.{name}\b)", each)]
        assert (PACKAGES / f"airswasm-{block}" / "src" / "airswasm" / name / "py.typed").is_file()


@pytest.mark.parametrize("block", BLOCKS)
def test_each_wing_says_what_is_in_it(block: str) -> None:
    """The docstring of a sub-package names its modules; in a public one, those that are private."""
    source = PACKAGES / f"airswasm-{block}" / "src" / "airswasm" / block
    for face in source.glob("*/__init__.py"):
        text = ast.get_docstring(ast.parse(face.read_text(encoding="utf-8"))) or ""
        is_private = face.parent.name.startswith("_")
        inside = {path.stem for path in face.parent.glob("*.py" if is_private else "_*.py")}
        unnamed = {name for name in inside - {"__init__"} if f"`{name}`" not in text}
        assert unnamed == set(), face.parent.name


def test_the_namespace_has_no_owner() -> None:
    """One `airswasm/__init__.py` anywhere would hide every other block."""
    assert list(ROOT.glob("packages/*/src/airswasm/__init__.py")) == []


def test_eleven_blocks_in_four_layers() -> None:
    """Each pyproject.toml says its layer; what is not a block says that it is extra."""
    assert len(BLOCKS) == 11
    assert set(LAYER_OF.values()) - {"extra"} == {1, 2, 3, 4}


@pytest.mark.parametrize("block", BLOCKS)
def test_every_block_promises_ratios(block: str) -> None:
    """A block without a budget could slow down unseen."""
    folder = PACKAGES / f"airswasm-{block}" / "bench"
    assert {path.name for path in folder.glob("*")} >= {"budget.toml", "promises.py"}


@pytest.mark.parametrize("block", BLOCKS)
def test_public_names_exist(block: str) -> None:
    """`__all__` has no repeats, and each name in it can be imported."""
    module = __import__(f"airswasm.{block}", fromlist=["__all__"])
    assert len(set(module.__all__)) == len(module.__all__)
    assert [name for name in module.__all__ if not hasattr(module, name)] == []


@pytest.mark.parametrize("block", BLOCKS)
def test_engine_bindings_stay_in_one_module(block: str) -> None:
    """wasmtime's private bindings are used by one private module of the runtime."""
    source = ROOT / "packages" / f"airswasm-{block}" / "src"
    users = {path.name for path in source.rglob("*.py") if _imports_private_wasmtime(path)}
    assert len(users) <= (1 if block == "runtime" else 0), users


def _imports_private_wasmtime(path: Path) -> bool:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("wasmtime"):
            names = {alias.name for alias in node.names}
            if "_ffi" in names or "_ffi" in (node.module or ""):
                return True
        if isinstance(node, ast.Import) and any("wasmtime._" in a.name for a in node.names):
            return True
    return False


_KNOW_OTHERS = {("_wasmtime", "bindings.py"), ("runtime", "_scopes.py")}


@pytest.mark.parametrize("block", BLOCKS)
def test_underscored_attributes_are_the_blocks_own(block: str) -> None:
    """A block uses no underscored attribute of a sibling or a library; `os._exit` is public.

    Only two modules may: the one that knows wasmtime's C interface, and the one that knows the
    stacks of scopes of anyio and trio (docs/adr). pyright leaves this to us (see
    `reportPrivateUsage` in pyproject.toml): it would refuse the names between a block's modules.
    """
    used: dict[str, str] = {}
    own: set[str] = set()
    for path in (PACKAGES / f"airswasm-{block}" / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and not _is_of_self(node):
                if path.parts[-2:] not in _KNOW_OTHERS:
                    used[node.attr] = f"{ast.unparse(node)} in {path.name}"
            else:
                own |= _names_made_by(node)
    strange = {name for name in used if name.startswith("_") and not name.startswith("__")} - own
    assert [used[name] for name in strange if not used[name].startswith("os._exit ")] == []


def _is_of_self(node: ast.Attribute) -> bool:
    return isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")


def _names_made_by(node: ast.AST) -> set[str]:
    match node:
        case ast.Attribute(attr=name) | ast.Name(id=name, ctx=ast.Store()):
            return {name}
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return {name}
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            return {alias.asname or alias.name for alias in names}
        case _:
            return set()


DECISIONS = sorted((ROOT / "docs" / "adr").glob("0*.md"))
STATUS = (
    r"\d{4}-\d\d-\d\d · "
    r"(accepted(, extended by \d+|; extends \d+|, supersedes \d+)*|superseded by \d+)"
)


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.name[:4])
def test_each_decision_has_a_date_and_a_status(path: Path) -> None:
    """The line under a decision's title says when it was taken and whether it holds."""
    title, status, *_ = path.read_text(encoding="utf-8").splitlines()
    assert title.startswith(f"# {int(path.name[:4])}. ")
    assert re.fullmatch(STATUS, status), f"{status!r} is no date and status"
