"""JavaScript and TypeScript: componentize-js, with its engine in the component.

A project with `src/app.ts` goes through the TypeScript compiler first, which checks it against the
contract's declarations. `node --check` reads JavaScript before componentize-js does, which says
that a source cannot be parsed, and not where.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from .._diagnostic import read_javascript_output
from .._toolchain import WORLD, BuildPlan, Step
from ..errors import NotAProject, ToolMissing

__all__ = ("JavaScriptToolchain", "find_javascript_tools")

_PACKAGE = "@bytecodealliance/componentize-js"
_ENTRY = "src/app"


class JavaScriptToolchain:
    """componentize-js: the SpiderMonkey engine and the project in one component, of 12 MB."""

    imports_only_calls = False

    def steps(self, plan: BuildPlan) -> Sequence[Step]:
        """Check or compile the sources, then make the component."""
        is_typed = (plan.folder / f"{_ENTRY}.ts").is_file()
        if not is_typed and not (plan.folder / f"{_ENTRY}.js").is_file():
            hint = f"a component starts in {_ENTRY}.js or {_ENTRY}.ts"
            raise NotAProject(plan.folder, f"{_ENTRY}.js", hint=hint)
        language = "a TypeScript component" if is_typed else "a JavaScript component"
        node, componentize = find_javascript_tools(plan.folder, language)
        if is_typed:
            tsc = _find(plan.folder, "tsc", "typescript", language)
            out = plan.scratch / "js"
            command = (tsc, "--pretty", "false", "-p", ".", "--noEmit", "false")
            first = Step("compile", "tsc", (*command, "--outDir", str(out)), read_javascript_output)
            entry = str((out / f"{_ENTRY}.js").relative_to(plan.folder))
        else:
            entry = f"{_ENTRY}.js"
            first = Step("read", "node", (node, "--check", entry), read_javascript_output)
        world = ("--wit", "wit", "-n", WORLD, "--disable", "http", "fetch-event")
        making = (componentize, entry, *world, "-o", str(plan.output))
        return (first, Step("make", "componentize-js", making, read_javascript_output))


def find_javascript_tools(folder: Path, needed_for: str) -> tuple[str, str]:
    """Find Node.js and componentize-js.

    Raises:
        ToolMissing: One of them is not there.
    """
    node = _find(folder, "node", "", needed_for)
    return node, _find(folder, "componentize-js", _PACKAGE, needed_for)


def _find(folder: Path, name: str, package: str, needed_for: str) -> str:
    """Find a program in the project's node_modules, then on PATH."""
    beside = folder / "node_modules" / ".bin"
    found = shutil.which(name, path=str(beside)) or shutil.which(name)
    if found is None:
        command = f"npm install --global {package}" if package else ""
        raise ToolMissing(name, command, needed_for=needed_for)
    return found
