"""The public face of the block."""

import importlib
import inspect
import pkgutil
import subprocess
import sys

import airswasm.wit
import pytest

MODULES = [
    name for _, name, _ in pkgutil.iter_modules(airswasm.wit.__path__) if not name.startswith("_")
]


@pytest.mark.parametrize("name", MODULES)
def test_all_names_what_a_module_defines(name: str) -> None:
    """Nothing public is missing from `__all__`, and nothing in it is missing."""
    module = importlib.import_module(f"airswasm.wit.{name}")
    for public in module.__all__:
        assert hasattr(module, public), public
    defined = {
        key
        for key, value in vars(module).items()
        if (inspect.isclass(value) or inspect.isfunction(value))
        and value.__module__ == module.__name__
        and not key.startswith("_")
    }
    assert defined <= set(module.__all__)


def test_every_error_is_exported() -> None:
    """A caller that catches one imports it from the block."""
    assert set(airswasm.wit.errors.__all__) - {"show_line"} <= set(airswasm.wit.__all__)
    for name in airswasm.wit.errors.__all__:
        error = getattr(airswasm.wit, name, None)
        assert name == "show_line" or issubclass(error, airswasm.wit.WitError)


def test_importing_runs_nothing_and_warns_of_nothing() -> None:
    """The import starts no child process, nor does the contract; commands start quietly."""
    code = (
        "import sys\nsys.addaudithook(lambda event, _: event == 'subprocess.Popen' and sys.exit(3))"
        "\nimport airswasm.wit; print(airswasm.wit.contract().version)"
    )
    for command in (["-c", code], ["-m", "airswasm.wit.reference"]):
        done = subprocess.run(
            [sys.executable, "-W", "error", *command], capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")
