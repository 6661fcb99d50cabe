"""Show the whole way on this machine: run the commands of the README, with real answers.

A key, a component in Python and one in C that listens to it, a host in the background, messages,
an update under load, a rollback, and a component that misbehaves. All files are in a temporary
folder, which the demo removes.

Run it with `nox -s demo`.
"""

from __future__ import annotations

import shlex
import shutil
import sys
import tempfile
import threading
from pathlib import Path

from driving import Host, Project, Terminal

IS_SCREEN = sys.stdout.isatty()
VERIFY_FAILED = 3


def say(text: str) -> None:
    print(f"\n\x1b[1m# {text}\x1b[0m" if IS_SCREEN else f"\n# {text}", flush=True)


def type_in(terminal: Terminal, line: str, folder: Path | None = None, code: int = 0) -> None:
    """Run a command and show its output; `code` is the expected exit code."""
    print(f"\x1b[36m$ airswasm {line}\x1b[0m" if IS_SCREEN else f"$ airswasm {line}", flush=True)
    finished = terminal.run(*shlex.split(line), cwd=folder, code=code)
    print((finished.stdout + finished.stderr).rstrip(), flush=True)


def main() -> None:
    """Run the chapters in order, in a temporary folder."""
    root = Path(tempfile.mkdtemp(prefix="airswasm-demo-"))
    (root / "work").mkdir()
    terminal = Terminal(root / "home", root / "work")
    host = Host(terminal)
    try:
        show(terminal, host)
    finally:
        host.stop()
        shutil.rmtree(root, ignore_errors=True)


def show(terminal: Terminal, host: Host) -> None:
    """Show all chapters."""
    hello = Project(terminal, terminal.folder / "hello", "local/hello")
    ears = Project(terminal, terminal.folder / "ears", "local/ears")
    say("A key, and two components: one in Python that greets, one in C that listens to it")
    type_in(terminal, "keygen")
    type_in(terminal, "init hello --lang python")
    type_in(terminal, "init ears --lang c --template listener")
    for project in (hello, ears):
        for verb in ("build", "sign", "verify .", "install . --yes"):
            type_in(terminal, verb, project.folder)
    say("A host (in another terminal), and messages")
    host.start()
    type_in(terminal, 'send local/hello "world"')
    type_in(terminal, 'send local/hello "and you"')
    type_in(terminal, 'send local/ears "how many?"')
    for line in ("list", "info local/hello", "status", "logs local/hello"):
        type_in(terminal, line)
    say("A new version takes over under load: every message is answered")
    hello.manifest('greeting = "Hello"', 'greeting = "Good morning"')
    hello.manifest('version = "0.1.0"', 'version = "0.2.0"')
    type_in(terminal, "build", hello.folder)
    type_in(terminal, "sign", hello.folder)
    update_while_talking(terminal, hello)
    say("And back again")
    type_in(terminal, "rollback local/hello")
    type_in(terminal, 'send local/hello "world"')
    say("One changed byte, and nothing is installed")
    wasm = ears.folder / "build" / "ears.wasm"
    content = bytearray(wasm.read_bytes())
    content[1000] ^= 1
    wasm.write_bytes(content)
    type_in(terminal, "verify .", ears.folder, code=VERIFY_FAILED)
    say("Gone without a trace but its data, which belongs to the name")
    type_in(terminal, "uninstall local/hello --yes")
    type_in(terminal, "list")


def update_while_talking(terminal: Terminal, hello: Project) -> None:
    """Update, while another terminal sends without a pause."""
    replies: list[str] = []
    is_over = threading.Event()

    def talk() -> None:
        while not is_over.is_set():
            replies.append(terminal.run("send", "local/hello", "there").stdout.strip())

    talking = threading.Thread(target=talk)
    talking.start()
    type_in(terminal, "update . --yes", hello.folder)
    type_in(terminal, 'send local/hello "you"')
    is_over.set()
    talking.join()
    print(f"meanwhile, in another terminal, {len(replies)} messages and {len(replies)} replies:")
    print("\n".join(f"  {reply}" for reply in (*replies[:2], "...", *replies[-2:])))


if __name__ == "__main__":
    main()
