"""The modules of a component, which the host has: one call for each."""

import importlib.util
import marshal

from wit_world.imports import sources

ROOT = "/app/"


class SourceFinder:
    """Finds the modules among the sources of the component."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        """Return the module's specification; None where the component has no such module."""
        stem = name.replace(".", "/")
        for file, is_package in ((f"{stem}.py", False), (f"{stem}/__init__.py", True)):
            code = sources.code(file)
            if code is not None:
                return importlib.util.spec_from_file_location(
                    name,
                    ROOT + file,
                    loader=SourceLoader(file, code),
                    submodule_search_locations=[ROOT + stem] if is_package else None,
                )
        return None


class SourceLoader:
    """Runs a module, and has its text for tracebacks and its package's data files."""

    def __init__(self, file, code):
        self._file, self._code = file, code

    def create_module(self, spec):
        """Leave it to the import system."""
        return

    def exec_module(self, module):
        """Run the module."""
        code, self._code = self._code, None
        exec(marshal.loads(code), module.__dict__)

    def is_package(self, name):
        """Return whether the module is a package."""
        return self._file.endswith("/__init__.py")

    def get_filename(self, name):
        """Return the module's file, as tracebacks have it."""
        return ROOT + self._file

    def get_source(self, name):
        """Return the module's text."""
        return self.get_data(ROOT + self._file).decode()

    def get_data(self, path):
        """Return a file of the component."""
        data = sources.text(path.removeprefix(ROOT))
        if data is None:
            raise FileNotFoundError(path)
        return data


def find_entry():
    """Return the name of the module to start with."""
    return sources.entry().removesuffix(".py").replace("/", ".")
