"""Run `world` by the path of this folder, where nothing beside it may be read.

A confined build sees this package and no other of the namespace `airswasm`, so that an ordinary
import would not find it.
"""

import importlib.util
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

here = Path(__file__).parent
namespace = ModuleType("airswasm")
namespace.__path__ = [str(here.parent)]
sys.modules["airswasm"] = namespace
spec = importlib.util.spec_from_file_location(
    "airswasm.component", here / "__init__.py", submodule_search_locations=[str(here)]
)
assert spec is not None
assert spec.loader is not None
module = importlib.util.module_from_spec(spec)
sys.modules["airswasm.component"] = module
sys.path.remove(str(here))
sys.dont_write_bytecode = True
spec.loader.exec_module(module)
import_module("airswasm.component.world").main()
