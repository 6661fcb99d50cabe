"""Write a home as today's version does, for the tests of later versions.

    python make_home.py FILE.tar.xz PACKAGES

Run it with the version whose home is to be kept: the fixture `2026-11-29.tar.xz` was made with the
commit 46097cb3. `PACKAGES` is a folder with `hello-0.1.0.airswasm` and `hello-0.2.0.airswasm`,
those of the tests' `Workshop`, signed by the key of the seed of 32 bytes 0, 1, 2, …, 31.
"""

import sys
import tarfile
import tempfile
from pathlib import Path

import anyio
from airswasm.lifecycle import Package, System

NAME = "local/hello"
LEFT_OUT = ("host.lock", "LOG")


async def fill(home: Path, packages: Path) -> None:
    async with System(home) as system:
        for version in ("0.1.0", "0.2.0"):
            content = await anyio.Path(packages / f"hello-{version}.airswasm").read_bytes()
            package = Package.from_bytes(content, source="hello", signature="required")
            change = system.install if version == "0.1.0" else system.update
            await change(package, approve=lambda _plan: True)
            await system.send(NAME, b"c")
        await system.grants.deny(NAME, "storage.write", ["secret/**"], reason="an incident")
        await system.trust.allow("ab" * 32, label="a vendor")


def main(file: Path, packages: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        home.mkdir()
        (home / "config.toml").write_text("[install]\nretain = 4\n")
        anyio.run(fill, home, packages)
        with tarfile.open(file, "w:xz") as archive:
            for path in sorted(home.rglob("*")):
                if path.is_file() and path.name not in LEFT_OUT and "cache" not in path.parts:
                    archive.add(path, str(path.relative_to(home)), recursive=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
