"""The modules of the standard library: those that are imported before the snapshot, and the rest.

The interpreter has no file system, so every module has to be in its memory. What components use
most is imported before the snapshot and shared by all of them. The rest lies there as compressed
code, which `LibraryFinder` imports when it is asked for.
"""

import importlib.util
import json
import marshal
import os
import sys
import zlib

IMPORTED = """
abc argparse array ast asyncio base64 binascii bisect calendar cmath codecs collections
collections.abc concurrent.futures configparser contextlib contextvars copy csv dataclasses datetime
decimal difflib email email.message email.parser email.policy encodings.ascii encodings.latin_1
encodings.idna encodings.cp1252 encodings.utf_16 encodings.utf_8_sig encodings.hex_codec enum errno
fnmatch fractions functools gc getopt glob graphlib gzip hashlib heapq hmac html html.parser
html.entities http http.client http.cookies importlib importlib.resources importlib.metadata inspect
io ipaddress itertools json keyword linecache locale logging logging.handlers marshal math mimetypes
numbers operator os pathlib pickle platform pprint queue random re reprlib sched secrets selectors
shlex shutil signal socket sqlite3 stat statistics string stringprep struct tempfile textwrap
threading time timeit token tokenize tomllib traceback types typing unicodedata unittest
unittest.mock urllib urllib.parse urllib.request urllib.error uuid warnings weakref
xml.etree.ElementTree zipfile zlib zoneinfo _strptime
""".split()

_LEFT_OUT = (
    "__phello__", "_pyrepl", "antigravity", "ensurepip", "idlelib", "lib2to3", "pydoc_data",
    "site-packages", "test", "this", "tkinter", "turtle", "turtledemo", "venv",
)  # fmt: skip

_OTHER_WAYS = {
    "_ssl": "TLS is the host's: use wit_world.imports.http",
    "_ctypes": "there is no native code to call",
    "_bz2": "use zlib",
    "_lzma": "use zlib",
    "_curses": "there is no terminal",
    "_multiprocessing": "a component is one process",
    "_posixsubprocess": "use wit_world.imports.process",
    "mmap": "use wit_world.imports.filesystem",
    "fcntl": "use wit_world.imports.filesystem",
    "termios": "there is no terminal",
    "tkinter": "there is no screen",
    "readline": "there is no terminal",
    "resource": "limits are the host's: see [limits] of Component.toml",
}

CODE = {}
"""Compressed code by module name, with whether it is a package."""


def import_most():
    """Import what components use most, as far as this build of CPython has it."""
    for name in IMPORTED:
        try:
            __import__(name)
        except ImportError:
            continue


def keep_rest():
    """Keep the code of all other modules of the standard library."""
    root = os.path.dirname(os.path.dirname(json.__file__))
    for folder, folders, names in os.walk(root):
        within = os.path.relpath(folder, root)
        package = "" if within == "." else within.replace(os.sep, ".")
        folders[:] = [
            each
            for each in folders
            if each != "__pycache__" and not (package == "" and each in _LEFT_OUT)
        ]
        for name in names:
            if name.endswith(".py"):
                _keep(package, name[:-3], os.path.join(folder, name))


def _keep(package, stem, path):
    is_package = stem == "__init__"
    name = package if is_package else f"{package}.{stem}" if package else stem
    if not name or name in sys.modules or name in _LEFT_OUT:
        return
    with open(path, "rb") as file:
        source = file.read()
    try:
        code = compile(source, f"/lib/{name}.py", "exec", dont_inherit=True, optimize=2)
    except SyntaxError:
        return
    CODE[name] = is_package, zlib.compress(marshal.dumps(code), 9)


class LibraryFinder:
    """Imports a module of the standard library that was not imported before the snapshot."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        """Return the module's specification; None for a module that is not of the library."""
        found = CODE.get(name)
        if found is None:
            return None
        loader = _LibraryLoader(found)
        return importlib.util.spec_from_loader(name, loader, is_package=found[0])


class _LibraryLoader:
    def __init__(self, found):
        self._found = found

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        code = marshal.loads(zlib.decompress(self._found[1]))
        module.__file__ = code.co_filename
        exec(code, module.__dict__)

    def is_package(self, name):
        return self._found[0]


class AbsenceFinder:
    """The last finder: says of a module that no interpreter here has what to use instead."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        """Raise for a known module; return None for any other."""
        instead = _OTHER_WAYS.get(name)
        if instead is not None:
            module = name.removeprefix("_")
            raise ModuleNotFoundError(
                f"No module named {name!r}: the shared interpreter has no {module}; {instead}",
                name=name,
            )
