"""The documents do as they say: programs run, commands exist, links lead to a heading.

A fence of a page is checked by its language:

- `python`: a whole program. It runs by itself, in the folder of a user who has a host with the
  component `local/hello`, and its package in `hello.airswasm`.
- `python title="test_x.py"`: a file of tests. pytest runs it.
- `python fragment`: a part of a program. It can be parsed, and what it imports of airswasm exists.
- `toml`: can be parsed. With a table `[component]`, it is a manifest.
- `console`: a line that begins with `$` is a command. Those of `FOLLOWED` are typed as they stand,
  and answer what the page shows.
"""

from __future__ import annotations

import ast
import importlib
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import typer
from airswasm.cli._app import build_app
from airswasm.lifecycle import Manifest
from driving import PATIENCE, Host, Project, Terminal

ROOT = Path(__file__).parents[2]
GENERATED = ("cli.md", "config.md", "control-api.md", "reference.md")
PAGES = [
    page
    for pattern in ("*.md", "docs/**/*.md", "packages/*/README.md")
    for page in sorted(ROOT.glob(pattern))
    if page.parent.name != "adr"
]
WRITTEN = [page for page in PAGES if page.name not in GENERATED]
FOLLOWED = (ROOT / "README.md", ROOT / "docs" / "getting-started.md")
FENCE = re.compile(r"^(?P<indent> *)```(?P<info>[^\n`]*)\n(?P<text>.*?)^ *```$", re.M | re.S)


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


@dataclass(frozen=True, slots=True)
class Fence:
    page: Path
    line: int
    language: str
    words: tuple[str, ...]
    text: str

    def __str__(self) -> str:
        return f"{name_of(self.page)}:{self.line}"

    @property
    def title(self) -> str | None:
        return next((w.removeprefix("title=") for w in self.words if w.startswith("title=")), None)


def fences_of(page: Path) -> Iterator[Fence]:
    text = page.read_text(encoding="utf-8")
    for found in FENCE.finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        language, *words = shlex.split(found["info"]) or [""]
        body = re.sub(rf"^{found['indent']}", "", found["text"], flags=re.MULTILINE)
        yield Fence(page, line, language, tuple(words), body)


FENCES = [fence for page in WRITTEN for fence in fences_of(page)]


def of(language: str, *, fragments: bool = False) -> list[Fence]:
    return [f for f in FENCES if f.language == language and ("fragment" in f.words) is fragments]


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    """A user with a running host, a component in it, and its package beside."""
    folder = tmp_path_factory.mktemp("user")
    terminal = Terminal(folder / "home", folder / "work")
    terminal.folder.mkdir()
    terminal.run("keygen")
    terminal.run("init", "hello", "--lang", "c")
    hello = Project(terminal, terminal.folder / "hello", "local/hello")
    hello.type("build", "sign", "install . --yes", "pack . --output ../hello.airswasm")
    with terminal.host():
        yield terminal


@pytest.mark.parametrize("fence", of("python"), ids=str)
def test_a_program_runs_as_it_stands(fence: Fence, user: Terminal, tmp_path: Path) -> None:
    """In an empty folder but for the package, with warnings as errors."""
    (tmp_path / "hello.airswasm").symlink_to(user.folder / "hello.airswasm")
    file = tmp_path / (fence.title or "program.py")
    file.write_text(fence.text)
    tool = ["-m", "pytest", "-q", "-p", "no:cacheprovider"] if fence.title else []
    ended = subprocess.run(
        [sys.executable, "-W", "error", *tool, str(file)],
        cwd=tmp_path,
        env=user.variables(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert ended.returncode == 0, f"{fence}\n{ended.stdout}\n{ended.stderr}"


@pytest.mark.parametrize("fence", of("python", fragments=True), ids=str)
def test_a_fragment_is_python_and_imports_what_there_is(fence: Fence) -> None:
    """What stands around it is not on the page, so it cannot run; names may still be wrong."""
    tree = ast.parse(fence.text)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("airswasm"):
            module = importlib.import_module(str(node.module))
            missing = [alias.name for alias in node.names if not hasattr(module, alias.name)]
            assert missing == [], f"{fence}: {node.module}"


@pytest.mark.parametrize("fence", of("toml"), ids=str)
def test_toml_can_be_read(fence: Fence) -> None:
    """A manifest is read as the host reads it: strictly."""
    if "component" in tomllib.loads(fence.text):
        Manifest.parse(fence.text)


COMMAND = re.compile(r"(?:^ {4}|^\$ |`|&& |; )(airswasm [^`\n;&#]+)", re.MULTILINE)


def commands_of(page: Path) -> set[str]:
    """Return the command lines of a page, in fences, in indented blocks and within sentences."""
    found = {match[1].strip() for match in COMMAND.finditer(page.read_text(encoding="utf-8"))}
    return {each for each in found if re.match(r"airswasm [a-z-]", each)}


OURS = [page for page in PAGES if "examples" not in page.parts]


@pytest.mark.parametrize("page", OURS, ids=name_of)
def test_each_command_exists_with_its_options(page: Path) -> None:
    """A verb, or an option, that was renamed is renamed on every page."""
    assert [shown for shown in commands_of(page) if not exists(shown)] == []


def exists(shown: str) -> bool:
    """Follow the words of a command line through the command's own tree."""
    command = typer.main.get_command(build_app())
    words = shown.partition("|")[0].replace(",", " ").split()[1:]
    while words and hasattr(command, "commands"):
        following = command.get_command(typer.Context(command), words[0])
        if following is None:
            break
        command, words = following, words[1:]
    options = {option for each in command.params for option in (*each.opts, *each.secondary_opts)}
    used = {word.split("=")[0] for word in words if re.match(r"--?[a-z]", word)}
    is_group = bool(getattr(command, "commands", {}))
    return used <= options | {"--help", "--version"} and (not is_group or not words or bool(used))


PLACE = re.compile(r"`((?:packages|docs|tests-integration|\.ci)/[\w./-]+)`")
INVENTED = {"packages/airswasm-storage-mine", "tests-integration/layer_N"}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_each_path_of_the_repository_is_there(page: Path) -> None:
    """A file that was moved is moved on every page."""
    shown = set(PLACE.findall(page.read_text(encoding="utf-8"))) - INVENTED
    assert [each for each in shown if not (ROOT / each).exists()] == []


LINK = re.compile(r"(?<!\w)\[[^\]]*\]\((?!\w+:)([^)#\s]*)(?:#([^)\s]*))?\)")


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_each_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    """Links within the repository; those to other sites are theirs to keep."""
    dead = []
    for match in LINK.finditer(page.read_text(encoding="utf-8")):
        target = (page.parent / match[1]).resolve() if match[1] else page
        if not target.exists() or (match[2] and match[2] not in anchors_of(target)):
            dead.append(match[0])
    assert dead == []


def anchors_of(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}


@pytest.mark.parametrize("page", FOLLOWED, ids=name_of)
def test_a_newcomer_follows_a_page_from_top_to_bottom(page: Path, terminal: Terminal) -> None:
    """Each command of the page does in its turn what stands below it."""
    newcomer = Newcomer(terminal)
    try:
        for fence in of("console"):
            if fence.page == page:
                newcomer.follow(fence)
    finally:
        newcomer.host.stop()
    assert newcomer.typed >= 10


class Newcomer:
    """Types the commands of a page into a shell, and edits where a sentence says so."""

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal
        self.host = Host(terminal)
        self.folder = terminal.folder
        self.version = 1
        self.typed = 0

    def follow(self, fence: Fence) -> None:
        """Do what the sentence above a fence says, then type its commands one by one."""
        above = fence.page.read_text(encoding="utf-8").splitlines()[: fence.line - 1]
        self.edit("\n".join(above).rstrip().rpartition("\n\n")[2])
        for part in re.split(r"^\$ ", fence.text, flags=re.MULTILINE)[1:]:
            command, _, shown = part.partition("\n")
            said = self.type(re.sub(r"\s+#.*", "", command), fails="error[" in shown)
            assert re.search(as_pattern(shown), said), f"{fence}: {command}\n{said}"

    def edit(self, sentence: str) -> None:
        """Understand two instructions."""
        manifest = self.folder / "Component.toml"
        if "raise the version" in sentence:
            self.version += 1
            raised = f'version = "0.{self.version}.0"'
            text = re.sub(r'^version = ".*"', raised, manifest.read_text(), flags=re.MULTILINE)
            manifest.write_text(text)
        if key := re.search(r"[Rr]emove `([a-z.]+)`", sentence):
            lines = manifest.read_text().splitlines(keepends=True)
            kept = [line for line in lines if not line.startswith(f"{key[1]} =")]
            assert len(kept) < len(lines), f"nothing to remove: {sentence}"
            manifest.write_text("".join(kept))

    def type(self, command: str, *, fails: bool) -> str:
        """Type one line, with the quicker language where the page gives a choice.

        Installing is done, and what would follow or watch looks once.
        """
        if re.match(r"pip |.*\bnox ", command):
            return ""
        self.typed += 1
        if command == "airswasm run":
            self.host.start()
            return self.host.output.read_text()
        command = re.sub(r" --(follow|watch)", "", command).replace("--lang python", "--lang c")
        command = re.sub(r"airswasm (install|update) \.$", r"\g<0> --yes", command)
        run = f'airswasm() {{ {shlex.quote(sys.executable)} -I -m airswasm.cli "$@"; }}'
        place = self.terminal.folder / "folder.txt"
        ended = subprocess.run(
            ["bash", "-e", "-c", f"{run}\n{command}\npwd > {shlex.quote(str(place))}"],
            cwd=self.folder,
            env=self.terminal.variables(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert (ended.returncode != 0) is fails, f"{command}\n{ended.stdout}"
        if not fails:
            self.folder = Path(place.read_text().strip())
        return ended.stdout


KINDS = {r"\b[0-9a-f]{16}\b": "[0-9a-f]{16}", r"\d+": r"\d+", "…": r"\S*"}


def as_pattern(shown: str) -> str:
    """Return what matches the text that is shown, with other numbers, keys and line breaks."""

    def pattern_of(part: str) -> str:
        same = (pattern for kind, pattern in KINDS.items() if re.fullmatch(kind, part))
        return next(same, re.escape(part))

    words = (re.split(f"({'|'.join(KINDS)})", word) for word in shown.split())
    return r"\s+".join("".join(map(pattern_of, parts)) for parts in words)
