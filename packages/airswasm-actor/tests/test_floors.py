"""The floors of this block: each module knows only modules that stand below it.

Imports under TYPE_CHECKING count, and so do those within functions: a module that cannot be named
without another one cannot be understood without it. A lower floor gets what it needs of a higher
one as a protocol, a callback, or a method that a class above overrides.
"""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

import airswasm.actor
import pytest

SOURCE = Path(airswasm.actor.__file__).parent
BLOCK = "airswasm.actor"

#: From the bottom up. Modules of one floor do not know each other.
FLOORS: tuple[frozenset[str], ...] = tuple(
    frozenset(floor.split())
    for floor in (
        "_block _boundary _foreign",
        "errors",
        "_messages.answering _messages.events _messages.bounds",
        "_messages.request",
        "_messages.message",
        "_messages.dead_letters",
        "_running.phase",
        "_running.cell",
        "_running.mailbox _running.serving",
        "_running.dispatcher _running.posting",
        "_running.asking",
        "_running.reference",
        "_routing.hook _routing.topics _routing.transport _routing.routes",
        "_routing.hand_over _routing.asking_by_name",
        "_routing.broker",
        "_lives.register",
        "_lives.life_cycle",
        "_lives.context",
        "_lives.actor",
        "_supervising.backoff",
        "_supervising.rules",
        "_supervising.children",
        "_supervising.inbox",
        "_supervising.effects",
        "_supervising.restarts",
        "_supervising.node",
        "_checks _component _system",
        "testing",
        "pytest_plugin",
    )
)
#: Users import these by their own names; everything else is private.
PUBLIC = frozenset({"errors", "testing", "pytest_plugin"})


def name_of(path: Path) -> str:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


MODULES = {name_of(path): path for path in SOURCE.rglob("*.py")}
WINGS = {name for name, path in MODULES.items() if path.name == "__init__.py"}


def imports_of(name: str) -> Iterator[str]:
    """The modules of this block that a module imports, whenever it does so."""
    package = name if name in WINGS else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(MODULES[name].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found = [(alias.name, "") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = f"{BLOCK}.{package}".rstrip(".").split(".")
            up = base[: len(base) - node.level + 1] if node.level else []
            module = ".".join([*up, *([node.module] if node.module else [])])
            found = [(module, alias.name) for alias in node.names]
        else:
            continue
        for module, attribute in found:
            if module == BLOCK or module.startswith(BLOCK + "."):
                inner = module.removeprefix(BLOCK).lstrip(".")
                longer = f"{inner}.{attribute}".lstrip(".")
                yield longer if longer in MODULES else inner


def test_each_module_stands_on_one_floor() -> None:
    """The list above names all modules, once."""
    listed = [name for floor in FLOORS for name in floor]
    assert len(listed) == len(set(listed))
    assert set(listed) == MODULES.keys() - WINGS


@pytest.mark.parametrize("name", sorted(MODULES.keys() - WINGS - {"pytest_plugin"}))
def test_a_module_knows_only_what_stands_below(name: str) -> None:
    """Imports point down, by at least one floor; none passes through the public face."""
    floor_of = {module: number for number, floor in enumerate(FLOORS) for module in floor}
    known = set(imports_of(name))
    assert known <= floor_of.keys()
    assert {other for other in known if floor_of[other] >= floor_of[name]} == set()


def test_the_floors_are_seen_through_type_checking() -> None:
    """The reader of imports finds those under TYPE_CHECKING, or the rule above would be void."""
    assert "_lives.life_cycle" in set(imports_of("_lives.context"))


@pytest.mark.parametrize("name", sorted(MODULES.keys() - {""}))
def test_an_underscore_means_private(name: str) -> None:
    """A module is public exactly when users import it by its own name."""
    is_public = not any(part.startswith("_") for part in name.split("."))
    assert is_public == (name in PUBLIC)


def test_phase_and_readiness_are_set_in_one_module() -> None:
    """Every other module calls a transition of `Cell` instead."""
    setters = {
        name
        for name, path in MODULES.items()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Store)
        and node.attr in ("phase", "is_ready")
    }
    assert setters == {"_running.cell"}


def test_each_wing_says_what_is_in_it() -> None:
    """The docstring of a wing names its modules."""
    for wing in WINGS - {""}:
        text = ast.get_docstring(ast.parse(MODULES[wing].read_text(encoding="utf-8"))) or ""
        inside = {name.rpartition(".")[2] for name in MODULES if name.startswith(wing + ".")}
        assert {name for name in inside if f"`{name}`" not in text} == set(), wing


def test_compiled_modules_exist() -> None:
    """The list in pyproject.toml follows a module that moves."""
    block = Path(__file__).parents[1]
    build = tomllib.loads((block / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]
    for name in build["build"]["targets"]["wheel"]["hooks"]["mypyc"]["include"]:
        assert (block / name.lstrip("/")).is_file(), name
