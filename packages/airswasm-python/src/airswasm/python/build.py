"""Build the interpreter: `python -m airswasm.python.build`, and the hook of the wheel.

The file is the component, compressed, behind a head with the digest of what it was made of: the
sources of the guest, the WIT and the version of componentize-py. Where that digest is the same,
nothing is built. This module stands alone, because the hook runs it before anything is installed.

The WIT of the contract lies in `wit/deps`; in the repository that is a link.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

__all__ = ("FILE_NAME", "build", "read_interpreter")

FILE_NAME = "interpreter.wasm.zst"
_MAGIC = b"airswasm-interpreter-1\n"
_DIGEST_LENGTH = 64
_ENTRY = "airswasm_interpreter"
_LEVEL = 9
_SECONDS = 900


def build(folder: Path, *, force: bool = False) -> Path:
    """Build the interpreter, unless it is there and made of the same.

    Args:
        folder: The package, with `guest` and `wit`; the file is written there.
        force: Build it in any case.

    Raises:
        RuntimeError: componentize-py failed; the error has its words.
    """
    target, made_of = folder / FILE_NAME, _digest(folder)
    if not force and target.is_file() and _head(target) == made_of:
        return target
    with tempfile.TemporaryDirectory(prefix="airswasm-interpreter-") as scratch:
        wasm = Path(scratch, "interpreter.wasm")
        _componentize(folder, wasm)
        content = zstd.compress(wasm.read_bytes(), level=_LEVEL)
    part = target.with_suffix(".part")
    part.write_bytes(_MAGIC + made_of.encode() + content)
    part.replace(target)
    return target


def read_interpreter(folder: Path) -> bytes:
    """Return the component.

    Raises:
        OSError: It was not built.
    """
    content = (folder / FILE_NAME).read_bytes()
    return zstd.decompress(content[len(_MAGIC) + _DIGEST_LENGTH :])


def _componentize(folder: Path, output: Path) -> None:
    beside = shutil.which("componentize-py", path=sysconfig.get_path("scripts"))
    tool = beside or shutil.which("componentize-py")
    if tool is None:
        raise RuntimeError("componentize-py is not installed: pip install componentize-py")
    world = (tool, "-q", "-d", str(folder / "wit"), "-w", "python")
    command = (*world, "componentize", _ENTRY, "-p", str(folder / "guest"), "-o", str(output))
    done = subprocess.run(
        command, capture_output=True, text=True, errors="replace", timeout=_SECONDS, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"componentize-py failed:\n{done.stderr[-4_000:]}")


def _digest(folder: Path) -> str:
    found = hashlib.sha256(f"{version('componentize-py')} {_LEVEL}".encode())
    for path in _inputs(folder):
        found.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return found.hexdigest()


def _inputs(folder: Path) -> Iterator[Path]:
    yield from sorted((folder / "guest").glob("*.py"))
    yield from sorted((folder / "wit").glob("*.wit"))
    yield from sorted((folder / "wit" / "deps").glob("*/*.wit"))


def _head(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(len(_MAGIC) + _DIGEST_LENGTH)
    return head.removeprefix(_MAGIC).decode("ascii", "replace") if head.startswith(_MAGIC) else ""


def _main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m airswasm.python.build", description="Build the shared interpreter."
    )
    parser.add_argument("--force", action="store_true", help="build it even if nothing changed")
    path = build(Path(__file__).parent, force=parser.parse_args().force)
    print(f"{path}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    _main()
