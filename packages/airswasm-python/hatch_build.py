"""Build the interpreter into the wheel, and into the sdist, so that a wheel from there has it.

The component is built anew only where what it is made of has changed. An editable install leaves
that to `python -m airswasm.python.build`: it would take a minute of each new checkout.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class InterpreterHook(BuildHookInterface[Any]):
    """Builds the interpreter before hatchling collects the files."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build it, if it is not there as it should be."""
        build_data["pure_python"] = True
        if version == "editable":
            return
        path = Path(self.root, "src", "airswasm", "python", "build.py")
        spec = importlib.util.spec_from_file_location("airswasm_python_build", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        module.build(path.parent)
