"""Rules that hold for every verb, whatever it does."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from airswasm.cli import command_of
from airswasm.cli._block import BLOCK

Airswasm = Callable[..., Any]
RunHost = Callable[..., Any]

# What a user types in an afternoon, in order. `{}` is the temporary folder, `@letter` the last dead
# letter that was listed. `!` fails; to what follows `&`, there is traffic meanwhile.
AFTERNOON = """
keygen --output {}/other.pem
init shop/orders --lang c --folder {}/orders
init --templates
build hello
inspect hello
dev hello --once
sign hello
verify hello
pack hello --output {}/hello.airswasm
install {}/hello.airswasm --yes
lock --file {}/components.toml
list
info local/hello
alerts list --all
alerts show CrashLoop
alerts silence CrashLoop --component local/hello --for 2h --reason known
alerts silence CrashLoop --component local/hello --lift
dashboards --output {}/dashboards
timers list
timers cancel --all local/hello --yes
routes
history local/hello
history
artifacts list
artifacts verify
artifacts pin local/hello 0.1.0
artifacts gc --dry-run
artifacts gc
artifacts unpin local/hello 0.1.0
send local/hello world
send --topic lights.hall on --retain
status
logs local/hello
profile local/hello
traces
traces local/hello
storage list local/hello
storage export local/hello --output {}/hello.export
storage import local/hello {}/hello.export
storage set local/hello note x
storage get local/hello note
storage checkpoints create local/hello noon
storage delete local/hello note --yes
storage checkpoints list local/hello
storage checkpoints diff local/hello noon
storage checkpoints restore local/hello noon --yes
storage checkpoints drop local/hello noon --yes
storage usage
storage quota local/hello --bytes 1MiB --keys 1000
storage quota local/hello --unset
storage verify
backup {}/noon.backup
tokens create prometheus --scope monitoring
tokens list
tokens revoke prometheus
stop local/hello
start local/hello
restart local/hello
grants list
grants list local/hello
grants deny local/hello storage.write secret/** --until 8h --reason incident
grants remove local/hello storage.write --denial
grants add local/hello storage.read archive/**
grants narrow local/hello storage.read archive/2026/**
top --interval 0.1
! page
why local/hello storage.write count
capabilities learn local/hello --for 0.2
sign newer
update newer --yes
rollback local/hello
! swap hello
build frail
sign frail
install frail --yes
! send local/frail boom
dlq list local/frail
dlq show @letter --payload
dlq replay @letter
dlq list local/frail --reason crashed
dlq drop @letter --yes
dlq drop --all local/frail --dry-run
& tap local/frail --limit 1
recordings list
recordings show local/hello
! recordings replay local/hello
recordings forget local/hello --dry-run
uninstall local/hello --purge --yes
trust add shop/orders {}/other.pub
trust list
trust threshold shop/orders 1 --yes
audit verify
audit query
audit tail
audit head
audit accept known --yes
keygen --output {}/third.pem
trust statement shop/orders {}/third.pem --key {}/other.pem --output {}/rotation.sig
trust rotate {}/rotation.sig
trust transfer shop/orders {}/other.pub --yes
trust remove shop/orders --yes
trust allow {}/third.pub --label ours --yes
trust disallow {}/third.pub
trust revoke {}/other.pub --yes
config set limits.memory 64MiB
reload
config get limits.memory
config show limits
config unset limits.memory
config path
explain
explain E0312
completions bash
doctor --quick
"""
# And once the host has stopped.
EVENING = """
storage migrate --to sqlite
restore {}/noon.backup --replace --yes
"""
STREAMS = {
    "dev",
    "history",
    "logs",
    "audit query",
    "audit tail",
    "dlq list",
    "recordings show",
    "tap",
    "storage list",
    "storage checkpoints diff",
    "doctor",
}

EMPTY = {"recordings show"}
"""Streams that end at once: nothing is recorded here."""


def beside(airswasm: Airswasm, words: list[str]) -> Any:
    """Run a verb that waits for traffic, and make some until it ends."""
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(airswasm, *words, "--json")
        while not waiting.done():
            airswasm("send", "local/frail", "x")
        return waiting.result()


def leaves() -> set[str]:
    """Return every verb, and of those with sub-verbs each of these."""
    return {leaf for verb in BLOCK.verbs for leaf in leaves_of(verb.name, command_of(verb))}


def leaves_of(name: str, command: object) -> Iterator[str]:
    inner = getattr(command, "commands", None)
    if not inner:
        yield name
        return
    for each, sub in inner.items():
        yield from leaves_of(f"{name} {each}", sub)


def leaf_of(words: list[str]) -> str:
    return next(leaf for n in (3, 2, 1) if (leaf := " ".join(words[:n])) in leaves())


def test_with_json_a_verb_prints_documents_and_nothing_else(
    airswasm: Airswasm,
    run_host: RunHost,
    project: Path,
    tmp_path: Path,
) -> None:
    """Each line of stdout is a document with a schema of its own verb; most verbs print one."""
    assert airswasm("keygen").code == 0
    newer = Path(shutil.copytree(project, tmp_path / "newer"))
    manifest = newer / "Component.toml"
    manifest.write_text(manifest.read_text().replace('version = "0.1.0"', 'version = "0.2.0"'))
    (tmp_path / "components.toml").write_text('[components]\n"local/hello" = "hello"\n')
    frail = Path(shutil.copytree(project, tmp_path / "frail"))
    for file, old, new in (
        ("Component.toml", "local/hello", "local/frail"),
        ("src/hello.c", "    (void)topic;", "    if (payload.length == 4) __builtin_trap();"),
    ):
        text = (frail / file).read_text()
        assert old in text
        (frail / file).write_text(text.replace(old, new, 1))
    assert airswasm("config", "set", "host.mode", "development").code == 0  # components learn there
    host = run_host()
    typed, letter = set(), ""
    lines = [*AFTERNOON.strip().splitlines(), "", *EVENING.strip().splitlines()]
    for line in lines:
        if not line:
            host.stop()
            continue
        words = [word.replace("{}", str(tmp_path)) for word in line.split()]
        words = [letter if word == "@letter" else word for word in words]
        if words[0] == "!":
            assert airswasm(*words[1:]).code not in (0, 2), line
            typed.add(leaf_of(words[1:]))
            continue
        if words[0] == "&":
            words, ended = words[1:], beside(airswasm, words[1:])
        else:
            ended = airswasm(*words, "--json")
        assert ended.code == 0, (line, ended.err)
        documents = [json.loads(each) for each in ended.out.splitlines()]
        schemas = {each["schema"] for each in documents}
        assert all(schema.startswith("airswasm.") for schema in schemas), line
        leaf = leaf_of(words)
        letter = documents[-1]["id"] if leaf == "dlq list" else letter
        is_stream = leaf in STREAMS and len(schemas) == (leaf not in EMPTY)
        assert len(documents) == 1 or is_stream, (line, ended.out)
        typed.add(leaf)
    assert typed == leaves() - {"run"}


@pytest.mark.parametrize("leaf", sorted(leaves()))
def test_an_unknown_option_is_a_usage_error_with_the_way_to_the_help(
    leaf: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """As text and as JSON, exit code 2, and nothing on stdout."""
    from airswasm.cli._app import run_app

    for words in ([], ["--json"]):
        assert run_app([*leaf.split(), "--no-such-option", *words]) == 2
        said = capsys.readouterr()
        assert said.out == ""
        assert f"airswasm {leaf} --help" in said.err
        assert "E0002" in said.err
        if words:
            assert json.loads(said.err)["schema"] == "airswasm.error/1"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("logs --trace zz", "error[E0854]: 'zz' is not the beginning of a trace's id"),
        ("logs --trace 0AF7", "error[E0854]: '0AF7'"),
        (f"logs --trace {'0' * 33}", "error[E0854]"),
        *(
            (f"dashboards --output {{}} --target {each}", f"'--target': '{each}' is no HOST:PORT")
            for each in (
                "foo",
                "foo:",
                ":9464",
                "http://foo:1",
                "foo:1/x",
                "::1:9464",
                "foo:123456",
            )
        ),
    ],
)
def test_a_malformed_word_is_refused(
    line: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It would match no line, or name no host, without a word about it."""
    from airswasm.cli._app import run_app

    words = line.replace("{}", str(tmp_path / "out")).split()
    assert run_app([*words, "--home", str(tmp_path / "home")]) == 2
    assert said in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "out").exists()


class Screen(io.StringIO):
    """A stream that says that it is a screen."""

    def isatty(self) -> bool:
        return True


LONG = f"{'n' * 63}/{'c' * 63}"
"""A name of the greatest length."""
MISTAKES = """
info {long}x
update {tmp}/nowhere
update nosuch
install {tmp}/hello/Component.toml
start {long}
rollback {long} --to 9.9.9
rollback {long} --with-data
storage get {long} nothing
storage quota {long} --bytes 1GB --unset
send {long} world --function nothing
config set limits.memory lots
config get limits.nothing
config set updates.nothing 1
grants add {long} storage.reed archive/**
why {long} storage.reed count
trust remove {long} --yes
trust disallow 0123456789abcdef
recordings replay {long}
explain E9999
dlq show nothing
"""


def too_wide(shown: str) -> list[str]:
    """Return the lines that a screen of eighty columns would break within a word.

    A word that is longer than a screen has a line of its own, behind its label or mark.
    """
    lines = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown).replace("\r", "\n").splitlines()
    return [
        line
        for line in lines
        if len(line) > 80 and max(map(len, line.split()), default=0) < len(line.strip()) - 32
    ]


def test_no_text_is_wider_than_the_screen(
    run_host: RunHost, project: Path, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a verb says, and whatever goes wrong, with the longest name that there is."""
    from airswasm.cli._app import run_app

    for variable in [each for each in os.environ if each.startswith("AIRSWASM_")]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("AIRSWASM_HOME", str(home))
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)
    manifest = project / "Component.toml"
    manifest.write_text(manifest.read_text().replace("local/hello", LONG))
    newer = Path(shutil.copytree(project, tmp_path / "newer")) / "Component.toml"
    newer.write_text(newer.read_text().replace('version = "0.1.0"', 'version = "0.2.0"'))
    (tmp_path / "components.toml").write_text(f'[components]\n"{LONG}" = "hello"\n')

    def call(*words: str) -> str:
        shown = Screen()
        with redirect_stdout(shown), redirect_stderr(shown):
            run_app(list(words))
        return shown.getvalue()

    call("keygen")
    call("config", "set", "host.mode", "development")
    run_host()
    skipped = ("frail", "@letter", "completions", "top ")  # top draws until Ctrl-C
    lines = [
        line.replace("local/hello", LONG).replace("{}", str(tmp_path)).lstrip("! ")
        for line in AFTERNOON.strip().splitlines()
        if not line.startswith("&") and not any(word in line for word in skipped)
    ]
    lines += MISTAKES.format(long=LONG, tmp=tmp_path).strip().splitlines()
    wide = {line: found for line in lines if (found := too_wide(call(*line.split())))}
    assert wide == {}
