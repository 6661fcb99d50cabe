"""Real components for the tests: a few lines of WAT, made with wasm-tools once for each variant."""

import re
import shutil
import ssl
import subprocess
import sys
import sysconfig
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import anyio
import anyio.abc
import pytest
import trustme
from airswasm.lifecycle import Home, InstallPlan, Package, SourceSettings
from airswasm.lifecycle._sources.dialing import Dialer
from airswasm.runtime.wasi import wit_files
from airswasm.security import PrivateKey, generate_key
from airswasm.wit import c_header_folder, wit_folder
from anyio.streams.tls import TLSListener
from hypothesis import settings

settings.register_profile("busy", deadline=None, max_examples=50)  # machines are shared
settings.load_profile("busy")

GUESTS = Path(__file__).parent / "guests"
WORLD = """package airswasm:component@0.1.0;
world tested {
    import storage;
    import logging;
    export handler;
    export lifecycle;
    export health;
    export migration;
}
"""


PLAIN_WORLD = """package airswasm:component@0.1.0;
world plain {
    import storage;
    import logging;
    export handler;
    export lifecycle;
    export health;
}
"""


ATTACKS_WORLD = """package airswasm:component@0.1.0;
world attacks {
    import storage;
    import logging;
    import capabilities;
    import wasi:http/types@0.2.12;
    import wasi:io/streams@0.2.12;
    import wasi:io/poll@0.2.12;
    import wasi:clocks/monotonic-clock@0.2.12;
    export handler;
}
"""


BOOKS_CAPABILITIES = """storage.read = ["everything"]
storage.write = ["everything"]
storage.delete = ["everything"]
messaging.send = ["local/*"]
messaging.request = ["local/*"]
messaging.subscribe = ["news.*"]"""
BOOKS_WORLD = """package airswasm:component@0.1.0;
world books {
    import wasi:clocks/wall-clock@0.2.12;
    import wasi:clocks/monotonic-clock@0.2.12;
    import wasi:random/random@0.2.12;
}
"""


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Every async test runs on both loops."""
    return str(request.param)


def wasm_tools(*arguments: str | Path) -> None:
    name = "wasm-tools.exe" if sys.platform == "win32" else "wasm-tools"
    program = shutil.which(name, path=sysconfig.get_path("scripts")) or shutil.which(name)
    assert program is not None, "wasm-tools comes with airswasm-wit"
    subprocess.run([program, *map(str, arguments)], check=True)


_OWN_CACHE = Home.__dict__["cache_folder"]


@pytest.fixture
def own_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each home have its own compiled code: for a test that counts it."""
    monkeypatch.setattr(Home, "cache_folder", _OWN_CACHE)


@pytest.fixture(autouse=True, scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let all homes of this process, and of its children, have one folder of compiled code.

    Else each home compiles the same guests again, which is most of the time of most tests.
    """
    folder = tmp_path_factory.mktemp("compiled")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TESTS_COMPILED", str(folder))  # compiled.py reads it
        patch.setattr(Home, "cache_folder", property(lambda _home: folder))
        yield


@dataclass(frozen=True)
class Workshop:
    """Makes guests and packages of them."""

    folder: Path
    key: PrivateKey

    def guest(
        self, version: str = "0.1.0", *, init: int = 0, migrate: int = 0, health: int = 0,
        eager: int = 0, pages: int = 1, migrates: bool = True,
    ) -> bytes:  # fmt: skip
        """A component; 1 for `init`, `migrate` or `health` makes that function fail.

        2 for `init` makes it loop, 3 trap, 4 hoard memory; 2 for `health` makes it trap, 3 loop,
        4 fail at the second check. An eager one uses its capabilities when it is instantiated.
        """
        world = "tested" if migrates else "unmoved"
        name = f"{version}-{init}{migrate}{health}{eager}-{pages}-{world}"
        made = self.folder / f"{name}.wasm"
        if not made.exists():
            text = (GUESTS / "guest.wat").read_text()
            for word, value in (
                ("VERSION", version), ("INIT", init), ("MIGRATE", migrate), ("HEALTH", health),
                ("EAGER", eager), ("PAGES", pages),
            ):  # fmt: skip
                text = text.replace(f"@{word}@", str(value))
            core = self.folder / f"{name}.wat"
            core.write_text(text)
            self._make(core, world, made)
        return made.read_bytes()

    def books(self, *defects: str) -> bytes:
        """A component in C that stores, sends, and asks for the time; with defects compiled in."""
        made = self.folder / f"books-{'-'.join(defects)}.wasm"
        if not made.exists():
            pytest.importorskip("ziglang", reason="no C compiler for wasm: pip install ziglang")
            core = made.with_suffix(".core")
            command = [sys.executable, "-m", "ziglang", "cc", "-target", "wasm32-freestanding"]
            command += ["-Os", "-nostdlib", "-s", "-Wl,--no-entry", "-Wl,-z,stack-size=65536"]
            command += [f"-D{each}" for each in defects]
            command += ["-I", str(c_header_folder()), "-o", str(core)]
            command += [str(GUESTS / "books.c"), str(c_header_folder() / "airswasm.c")]
            subprocess.run(command, check=True, timeout=300)
            self._make(core, "books", made)
        return made.read_bytes()

    def books_package(self, *defects: str, version: str = "0.1.0", **options: str) -> Package:
        """A signed package of it, with all that it needs."""
        wasm = self.books(*defects)
        return self.package(version, wasm=wasm, capabilities=BOOKS_CAPABILITIES, **options)  # type: ignore[arg-type]

    def typed_guest(self, version: str, functions: str) -> bytes:
        """A component with exports of its own: `acme:plugin/words`, with functions of no body.

        Args:
            version: Its version.
            functions: The interface in WIT, such as `count: func(text: string) -> u32;`, of
                functions whose results are numbers; empty for none.
        """
        made = self.folder / f"typed-{version}-{sha256(functions.encode()).hexdigest()[:12]}.wasm"
        if made.exists():
            return made.read_bytes()
        text = (GUESTS / "guest.wat").read_text()
        for word, value in (("VERSION", version), ("PAGES", "1")):
            text = text.replace(f"@{word}@", value)
        text = re.sub(r"@[A-Z]+@", "0", text).rstrip().removesuffix(")")
        wit = self.folder / f"{made.stem}-wit"
        shutil.copytree(self.wit(), wit)
        (wit / "deps" / "plugin").mkdir()
        name = "acme:plugin/words@1.0.0"
        for line in functions.split(";")[:-1]:
            function, arguments = line.split(":", 1)
            flat = 2 * arguments.count("string")
            text += f'(func (export "{name}#{function.strip()}")'
            text += f" (param {'i32 ' * flat}) (result i32) (i32.const 7))\n"
        (wit / "deps" / "plugin" / "words.wit").write_text(
            f"package acme:plugin@1.0.0; interface words {{ {functions} }}"
        )
        exports = f"export {name};" if functions else ""
        world = WORLD.partition(";")[2].replace("}", f"{exports} }}")
        (wit / "tested.wit").write_text(f"package airswasm:component@0.1.0;{world}")
        core = made.with_suffix(".wat")
        core.write_text(f"{text})")
        self._make(core, "tested", made, wit)
        return made.read_bytes()

    def plain(self, version: str) -> bytes:
        """A component that takes over no data: it does not export `migration`."""
        made = self.folder / f"{version}-plain.wasm"
        if not made.exists():
            self.guest(version)  # fills its text in
            text = (self.folder / f"{version}-0000-1-tested.wat").read_text()
            core = self.folder / f"{version}-plain.wat"
            core.write_text(text[: text.index("  ;; keeps the version")] + ")")
            self._make(core, "plain", made)
        return made.read_bytes()

    def attacker(self) -> bytes:
        """A component that makes its host work for ever, in the way that a message says."""
        made = self.folder / "attacks.wasm"
        if not made.exists():
            self._make(GUESTS / "attacks.wat", "attacks", made)
        return made.read_bytes()

    def plugin(self, *flags: str, interface: str = "1.0.0", world: str = "plugin") -> bytes:
        """A component with functions of its own; each flag is a macro of `plugin.c`."""
        made = self.folder / f"plugin-{world}-{interface}-{'-'.join(flags)}.wasm".replace('"', "")
        if not made.exists():
            folder = made.with_suffix("")
            (folder / "wit" / "deps").mkdir(parents=True)
            shutil.copytree(wit_folder(), folder / "wit" / "deps" / "airswasm-component")
            text = (GUESTS / "plugin.wit").read_text()
            (folder / "wit" / "plugin.wit").write_text(text.replace("@1.0.0", f"@{interface}"))
            core, embedded = folder / "core.wasm", folder / "embedded.wasm"
            options = ["-target", "wasm32-freestanding", "-O1", "-nostdlib", "-Wl,--no-entry", "-w"]
            macros = [f"-D{each}" for each in (*flags, f'INTERFACE="{interface}"')]
            command = [sys.executable, "-m", "ziglang", "cc", *options, "-Wl,--export-dynamic"]
            stack = "-Wl,-z,stack-size=65536"
            source = GUESTS / "plugin.c"
            subprocess.run([*command, stack, *macros, "-o", core, source], check=True)
            wasm_tools("component", "embed", folder / "wit", "-w", world, core, "-o", embedded)
            wasm_tools("component", "new", embedded, "-o", made)
        return made.read_bytes()

    def _make(self, core: Path, world: str, made: Path, wit: Path | None = None) -> None:
        embedded = made.with_suffix(".core")
        wasm_tools("component", "embed", wit or self.wit(), "-w", world, core, "-o", embedded)
        wasm_tools("component", "new", embedded, "-o", made)

    def wit(self) -> Path:
        """The contract with a world for the tests beside it."""
        folder = self.folder / "wit"
        if not folder.exists():
            shutil.copytree(wit_folder(), folder)
            (folder / "tested.wit").write_text(WORLD)
            unmoved = WORLD.replace("tested", "unmoved").replace("export migration;", "")
            (folder / "unmoved.wit").write_text(unmoved)
            (folder / "plain.wit").write_text(PLAIN_WORLD)
            (folder / "attacks.wit").write_text(ATTACKS_WORLD)
            (folder / "books.wit").write_text(BOOKS_WORLD)
            for each in wit_files():
                (folder / "deps" / each.stem).mkdir(parents=True)
                shutil.copy(each, folder / "deps" / each.stem)
        return folder

    def package(
        self,
        version: str = "0.1.0",
        *,
        wasm: bytes | None = None,
        name: str = "local/hello",
        capabilities: str = 'storage.read = ["everything"]\nstorage.write = ["count", "migrated"]',
        extra: str = "",
        limits: str = 'memory = "1 MiB"',
        timeout: str = "2 s",
        fuel: int = 50_000_000,
        sequence: int | None = None,
        key: PrivateKey | None = None,
        more: tuple[PrivateKey, ...] = (),
        backoff: float = 0.001,
        needs: tuple[str, ...] = (),
    ) -> Package:
        """A signed package of a guest."""
        manifest = f"""
[component]
name = "{name}"
version = "{version}"
needs = [{", ".join(f'"{each}"' for each in needs)}]
[limits]
{limits}
timeout = "{timeout}"
fuel = {fuel}
[capabilities]
{capabilities}
[supervision]
backoff.initial = {backoff}
{extra}
"""
        files = {
            "Component.toml": manifest.encode(),
            "component.wasm": wasm if wasm is not None else self.guest(version),
        }
        number = sequence if sequence is not None else int(version.replace(".", ""))
        return Package.from_files(files).sign(key or self.key, *more, sequence=number)


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    return Workshop(tmp_path_factory.mktemp("guests"), generate_key())


@pytest.fixture(scope="session")
def notebook() -> ModuleType:
    """A stranger's block, which a process of its own can import, too."""
    spec = spec_from_file_location("notebook", Path(__file__).parent / "notebook.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def yes() -> Callable[[InstallPlan], bool]:
    """Approves everything."""
    return lambda _plan: True


@dataclass(frozen=True)
class Request:
    """What a server of the tests was asked."""

    host: str
    target: str
    headers: dict[str, str]


Answer = bytes | Callable[[Request, anyio.abc.ByteStream], Awaitable[None]]


MISSING = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"


@dataclass
class WebServer:
    """A real https server on loopback, whose answers are bytes that a test wrote.

    Every name of `.example` leads to it, as if it were out in the world.
    """

    ca_file: Path
    tls: ssl.SSLContext
    answers: dict[str, Answer] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    looked_up: list[str] = field(default_factory=list)
    port: int = 0

    @property
    def settings(self) -> SourceSettings:
        """Those that open the loopback network and trust the server's certificate."""
        return SourceSettings(
            ca_file=str(self.ca_file), internal_networks=("127.0.0.0/8",), most_bytes=2**20
        )

    def dialer(self, settings: SourceSettings | None = None) -> Dialer:
        return Dialer(settings or self.settings, self.resolve)

    def url(self, path: str = "/p.airswasm", host: str = "one.example") -> str:
        return f"https://{host}:{self.port}{path}"

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        del port
        self.looked_up.append(host)
        if not host.endswith(".example"):
            raise OSError("unknown")
        return ["127.0.0.1"]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
        self.port = listener.extra(anyio.abc.SocketAttribute.local_port)
        secured = TLSListener(listener, self.tls, standard_compatible=False)
        async with secured, anyio.create_task_group() as group:
            group.start_soon(secured.serve, self._serve)
            yield
            group.cancel_scope.cancel()

    async def _serve(self, stream: anyio.abc.ByteStream) -> None:
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream):
            async with stream:
                head = b""
                while b"\r\n\r\n" not in head:
                    head += await stream.receive()
                first, *lines = head.decode("latin-1").split("\r\n\r\n")[0].split("\r\n")
                headers = {k.lower(): v for k, _, v in (each.partition(": ") for each in lines)}
                request = Request(headers["host"], first.split(" ")[1], headers)
                self.requests.append(request)
                answer = self.answers.get(request.target.partition("?")[0], MISSING)
                if callable(answer):
                    await answer(request, stream)
                else:
                    await stream.send(answer)


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[trustme.CA, Path]:
    """An authority that only the tests trust, and its certificate's file."""
    made = trustme.CA()
    file = tmp_path_factory.mktemp("ca") / "ca.pem"
    made.cert_pem.write_to_path(str(file))
    return made, file


@pytest.fixture
def web_server(authority: tuple[trustme.CA, Path]) -> WebServer:
    made, file = authority
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.issue_cert("*.example", "one.example", "two.example", "127.0.0.1").configure_cert(context)
    return WebServer(file, context)


@pytest.fixture(autouse=True)
def no_credentials(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """No test finds the credentials of the one who runs it; returns the place for its own."""
    folder = tmp_path_factory.mktemp("user")
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("USERPROFILE", str(folder))
    for name in ("NETRC", "DOCKER_CONFIG", "SSH_AUTH_SOCK"):
        monkeypatch.delenv(name, raising=False)
    return folder
