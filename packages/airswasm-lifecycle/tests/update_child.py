"""A host that is killed while a component is updated and rolled back under load. See its test.

    python update_child.py HOME KEY WASM RUN SENDERS [BACKUPS]

With the folder `BACKUPS` it backs up the home instead, again and again, and prints `to FILE` and
`at FILE` around each. It prints `ready VERSION`, `sent SENDER NUMBER` when the disk has a message,
and around each switch `to VERSION` and `at VERSION`. `RUN` is above 0; 0 sends nothing, waits until
nothing waits, and prints the keys that the component has written, `got SENDER NUMBER`.
"""

from __future__ import annotations

import sys
from contextlib import aclosing
from pathlib import Path

import anyio
import compiled  # noqa: F401 - hosts of one test compile a guest once
from airswasm.actor import ActorSystem
from airswasm.lifecycle import Package, System
from airswasm.messaging import Messenger
from airswasm.security import PrivateKey
from airswasm.storage import Store

NAME = "local/hello"
MANIFEST = """
[component]
name = "local/hello"
version = "0.{number}.0"
[limits]
memory = "1 MiB"
[capabilities]
storage.read = ["everything"]
storage.write = ["everything"]
[delivery]
mode = "durable"
messages = 1_000_000
"""


def say(*words: object) -> None:
    """Print a line in one write, so that a kill tears none."""
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def package(number: int, wasm: bytes, key: PrivateKey) -> Package:
    """A version, of the same code as all others."""
    manifest = MANIFEST.format(number=number).encode()
    files = {"Component.toml": manifest, "component.wasm": wasm}
    return Package.from_files(files).sign(key, sequence=number)


async def main(
    home: Path, key: PrivateKey, wasm: bytes, run: int, senders: int, backups: Path | None
) -> None:
    """Host until the process is killed, or until nothing waits."""
    async with System(home) as system:
        if not system.list():
            await system.install(package(1, wasm, key), approve=lambda _plan: True)
        for version in system._registry.get(NAME).versions:
            assert await system._stored.is_whole(version), version.version
        say("ready", system.info(NAME).version)
        messenger = Messenger(system.services.get(ActorSystem).broker, codec="none")

        async def send(sender: int) -> None:
            number = run * 1_000_000
            while True:
                await messenger.send(NAME, b"n/%d/%d" % (sender, number))
                say("sent", sender, number)
                number += 1

        async def switch() -> None:
            while True:
                following = system.info(NAME).floor + 1
                say("to", f"0.{following}.0")
                await system.update(package(following, wasm, key), approve=lambda _plan: True)
                say("at", system.info(NAME).version)
                before = system.info(NAME).versions[-2].version
                say("to", before)
                await system.rollback(NAME, before)
                say("at", before)

        async def back_up(folder: Path) -> None:
            number = 0
            while True:
                number += 1
                file = folder / f"{run}-{number}"
                say("to", file.name)
                async with aclosing(system.backup()) as chunks:
                    with file.with_suffix(".partial").open("wb") as partial:
                        async for chunk in chunks:
                            partial.write(chunk)
                file.with_suffix(".partial").rename(file)
                say("at", file.name)

        if run:
            async with anyio.create_task_group() as group:
                for sender in range(senders):
                    group.start_soon(send, sender)
                if backups is None:
                    group.start_soon(switch)
                else:
                    group.start_soon(back_up, backups)
        while (status := system.component_status(NAME)).durable_messages:
            assert status.state == "running", status
            await anyio.sleep(0.01)
        space = system.services.get(Store).namespace(NAME)
        async for entry in space.entries("n/"):
            say("got", *entry.key.split("/")[1:])


if __name__ == "__main__":
    _, home_, key_, wasm_, run_, senders_, *rest = sys.argv
    private = PrivateKey.from_pem(Path(key_).read_bytes())
    anyio.run(
        main, Path(home_), private, Path(wasm_).read_bytes(), int(run_), int(senders_),
        Path(*rest) if rest else None,
    )  # fmt: skip
