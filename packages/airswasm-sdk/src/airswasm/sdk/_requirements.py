"""Pure-Python packages of a component: resolved by pip, locked with their hashes, unpacked.

`[python] requires` names them as pip does. `python.lock` beside the manifest has what that came to:
each wheel with its SHA-256. As long as both fit each other, a build resolves nothing, and needs a
network only for wheels that are not in the cache.

The shared interpreter runs Python and no native code, so pip is asked for wheels of any platform
only (`py3-none-any`). Rejected: uv, which cannot be asked for these alone; and an installer of our
own: a wheel that is pure is an archive that needs no more than to be unpacked.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from airswasm.security import judge_path

from ._tool import run_tool
from .errors import LockUnusable, RequirementUnusable, ToolMissing

__all__ = ("LOCK_NAME", "LockedWheel", "unpack_requirements")

LOCK_NAME = "python.lock"
_FORMAT = "airswasm-python-lock/1"
_WHEEL = re.compile(r"([A-Za-z0-9_.]+)-([A-Za-z0-9_.!+]+)(-[^-]+)?-py[0-9.py]*-none-any\.whl")
_PURE = ("--only-binary=:all:", "--platform=any", "--implementation=py", "--abi=none")
_MOST_BYTES = 64 * 2**20
_UNREACHABLE = (
    "check the network, or PIP_INDEX_URL; with the packages of python.lock in its cache, a build "
    "needs no network"
)
_SPELLING = 'write it under [python] requires as pip names packages: "attrs>=24"'
_INVALID = re.compile(r"Invalid requirement: (['\"].+?['\"])(?: \(from|: |$)", re.MULTILINE)
_UNFOUND = re.compile(r"not find a version that satisfies the requirement ([^\s(]+)")


@dataclass(frozen=True, slots=True)
class LockedWheel:
    """One package of a lock.

    Attributes:
        file: The name of the wheel.
        sha256: Its digest.
    """

    file: str
    sha256: str

    @property
    def requirement(self) -> str:
        """The requirement that only this wheel meets."""
        matched = _WHEEL.fullmatch(self.file)
        assert matched is not None  # it was read so
        return f"{matched[1]}=={matched[2]} --hash=sha256:{self.sha256}"


def unpack_requirements(
    folder: Path,
    requires: Sequence[str],
    python: str,
    target: Path,
    *,
    timeout: float = 600.0,
    is_offline: bool = False,
) -> None:
    """Unpack the packages of a project, and lock what was not locked before.

    Args:
        folder: The project.
        requires: The packages, as `[python] requires` names them.
        python: The version of Python that runs them, `3.14`.
        target: An empty folder for their files.
        timeout: Seconds that pip may take.
        is_offline: Whether pip must not run: what is not locked and in the cache is refused.

    Raises:
        RequirementUnusable: There is no such package, or no version of it is pure Python.
        LockUnusable: The lock is damaged, or a wheel is another one than was locked.
        ToolMissing: pip is not installed.
    """
    for line in requires:
        if line.lstrip().startswith("-") or "\n" in line:
            reason = "it has options for pip, and is no package"
            raise RequirementUnusable(repr(line), reason, hint=_SPELLING)
    lock = _read_lock(folder / LOCK_NAME)
    download = _refuse_download if is_offline else _download
    if lock is not None and lock[0] == tuple(requires) and lock[1] == python:
        wheels = lock[2]
        missing = [each for each in wheels if not (_cache() / each.sha256).is_file()]
        if missing:
            pinned = [each.requirement for each in missing]
            download(pinned, python, timeout, "--no-deps", "--require-hashes")
    else:
        wheels = download(list(requires), python, timeout)
        _write_lock(folder / LOCK_NAME, requires, python, wheels)
    for each in wheels:
        _unpack(_cache() / each.sha256, each, target)


def _download(
    requirements: Sequence[str], python: str, timeout: float, *arguments: str
) -> tuple[LockedWheel, ...]:
    """Let pip download wheels, and put them into the cache by their digest."""
    with tempfile.TemporaryDirectory(prefix="airswasm-wheels-") as scratch:
        listed, wheels = Path(scratch, "requirements.txt"), Path(scratch, "wheels")
        listed.write_text("".join(f"{each}\n" for each in requirements), encoding="utf-8")
        command = (
            *_pip(), "download", "--quiet", "--disable-pip-version-check", "--no-input",
            f"--dest={wheels}", f"--python-version={python}", *_PURE, *arguments,
            f"--requirement={listed}",
        )  # fmt: skip
        ended = run_tool(
            "pip", command, folder=Path(scratch), timeout=timeout, tick=lambda _seconds: None
        )
        if ended.exit_code != 0:
            raise _refusal(ended.output)
        return tuple(_keep(each) for each in sorted(wheels.iterdir()))


def _refuse_download(
    requirements: Sequence[str], _python: str, _timeout: float, *_arguments: str
) -> tuple[LockedWheel, ...]:
    reason = "a build from source has no network, and the cache has no such package"
    raise RequirementUnusable(requirements[0].partition(" ")[0], reason)


def _refusal(output: str) -> RequirementUnusable | LockUnusable:
    if "DO NOT MATCH THE HASHES" in output:
        return LockUnusable(LOCK_NAME, "a package is another one than was locked")
    unfound = _UNFOUND.search(output)
    if unfound is not None and "after connection broken by" in output:
        return RequirementUnusable(unfound[1], "pip cannot reach its index", hint=_UNREACHABLE)
    if unfound is not None:
        return RequirementUnusable(unfound[1], "no version of it is pure Python, or there is none")
    invalid = _INVALID.search(output)
    if invalid is not None:
        return RequirementUnusable(invalid[1], "pip cannot read it", hint=_SPELLING)
    errors = [line for line in output.splitlines() if line.startswith("ERROR: ")]
    last = errors[-1].removeprefix("ERROR: ") if errors else output.strip()[-300:]
    return RequirementUnusable("[python] requires", last)


def _keep(wheel: Path) -> LockedWheel:
    if _WHEEL.fullmatch(wheel.name) is None:
        raise RequirementUnusable(wheel.name, "it is not a wheel of pure Python")
    content = wheel.read_bytes()
    kept = LockedWheel(wheel.name, hashlib.sha256(content).hexdigest())
    cache = _cache()
    cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = cache / f".{kept.sha256}-{os.getpid()}"
    part.write_bytes(content)
    part.replace(cache / kept.sha256)
    return kept


def _unpack(wheel: Path, locked: LockedWheel, target: Path) -> None:
    content = wheel.read_bytes()
    if hashlib.sha256(content).hexdigest() != locked.sha256:
        wheel.unlink()
        raise LockUnusable(LOCK_NAME, f"{locked.file} was damaged in the cache; build again")
    with zipfile.ZipFile(wheel) as archive:
        members = [each for each in archive.infolist() if not each.is_dir()]
        if sum(each.file_size for each in members) > _MOST_BYTES:
            raise RequirementUnusable(locked.file, f"it unpacks to more than {_MOST_BYTES:,} bytes")
        for member in members:
            if ".data/" in member.filename or judge_path(member.filename) is not None:
                continue  # scripts and headers; and what no package of ours may be called
            path = target / PurePosixPath(member.filename)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(archive.read(member))


def _pip() -> tuple[str, ...]:
    if importlib.util.find_spec("pip") is not None:
        return (sys.executable, "-m", "pip")
    found = shutil.which("pip3") or shutil.which("pip")
    if found is None:
        command = f"{sys.executable} -m ensurepip"
        raise ToolMissing("pip", command, needed_for="a component with [python] requires")
    return (found,)


def _cache() -> Path:
    """Return the folder of wheels, by their digests: each is as good wherever it came from."""
    given = os.environ.get("XDG_CACHE_HOME")
    return (Path(given) if given else Path.home() / ".cache") / "airswasm" / "wheels"


def _read_lock(path: Path) -> tuple[tuple[str, ...], str, tuple[LockedWheel, ...]] | None:
    try:
        document = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise LockUnusable(str(path), f"it cannot be read: {error}") from error
    try:
        if document["format"] != _FORMAT:
            raise ValueError(f"its format is not {_FORMAT}")
        wheels = tuple(LockedWheel(str(f), str(d)) for f, d in document["wheels"].items())
        for each in wheels:
            if not (_WHEEL.fullmatch(each.file) and re.fullmatch("[0-9a-f]{64}", each.sha256)):
                raise ValueError(f"{each.file[:100]!a} is no pure wheel with its digest")
        return tuple(map(str, document["requires"])), str(document["python"]), wheels
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise LockUnusable(str(path), f"it is no lock ({error})") from error


def _write_lock(
    path: Path, requires: Sequence[str], python: str, wheels: Sequence[LockedWheel]
) -> None:
    document = {
        "format": _FORMAT,
        "python": python,
        "requires": list(requires),
        "wheels": {each.file: each.sha256 for each in wheels},
    }
    part = path.with_name(f".{path.name}")
    part.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    part.replace(path)
