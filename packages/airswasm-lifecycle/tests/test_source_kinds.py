"""The sources of a host: which one a text names, what is allowed, and what is recorded."""

import json
import os
import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
from airswasm.lifecycle import (
    ExtraMissing,
    Fetched,
    PackageInvalid,
    SourceRefused,
    Sources,
    SourceSettings,
    SourceTooLarge,
    SourceUnknown,
    System,
)
from airswasm.lifecycle._sources.finding import kind_of

pytestmark = pytest.mark.anyio
Workshop = Any
Approve = Callable[[Any], bool]


class Depot:
    """A stranger's kind of source."""

    def __init__(self, settings: SourceSettings) -> None:
        self.settings = settings

    def canonical(self, text: str) -> str:
        return text

    def pinned(self, text: str, pin: str) -> str:
        return f"{text}@{pin}"

    async def fetch(self, text: str, arrived: Callable[[int], object]) -> Fetched:
        arrived(4)
        return Fetched(b"four", text, "4")


def points(**values: str) -> Callable[[], tuple[EntryPoint, ...]]:
    return lambda: tuple(EntryPoint(k, v, "airswasm.sources") for k, v in values.items())


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (".", "path"), ("a/b.airswasm", "path"), ("-", "path"), ("./git+https:x", "path"),
        ("C:\\x", "path"), ("c:/x", "path"), ("/a:b", "path"), ("git+https://h/p", "git"),
        ("GIT+ssh://h/p", "git"), ("git+file:x", "git"), ("https://h/p", "https"),
        ("oci://h/p", "oci"), ("http://h", "http"), ("depot:x", "depot"),
    ],
)  # fmt: skip
async def test_the_beginning_names_the_kind(text: str, kind: str) -> None:
    """A drive is no scheme, and a dot before it makes a path of any text."""
    assert kind_of(text) == kind


async def test_a_stranger_adds_a_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    """By an entry point; an operator allows it."""
    monkeypatch.setitem(sys.modules, "acme_depot", sys.modules[__name__])
    found = points(depot="acme_depot:Depot")
    sources = Sources(SourceSettings(kinds=("path", "depot")), found)
    assert await sources.fetch("depot://x") == Fetched(b"four", "depot://x", "4")
    assert sources.pinned("depot://x", "4") == "depot://x@4"
    with pytest.raises(SourceRefused) as caught:
        await Sources(SourceSettings(), found).fetch("depot://x")
    assert '"depot"' in caught.value.hint
    with pytest.raises(SourceUnknown, match="did you mean"):
        await Sources(SourceSettings(), found).fetch("depott://x")


async def test_a_kind_that_is_not_allowed_is_refused(tmp_path: Path) -> None:
    """Paths too, and before anything is read."""
    for text in ("git+https://h/p", "https://h/p", "oci://h/p", str(tmp_path)):
        with pytest.raises(SourceRefused):
            await Sources(SourceSettings(kinds=())).fetch(text)
    with pytest.raises(SourceRefused):
        await Sources(SourceSettings(kinds=("git",))).fetch(tmp_path)


async def test_a_missing_library_is_named_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra of the distribution that has the kind."""
    for kind, extra in (("https", "http"), ("oci", "oci")):
        sources = Sources(SourceSettings(), points(**{kind: "no_such_library:X"}))
        with pytest.raises(ExtraMissing) as caught:
            await sources.fetch(f"{kind}://h/p")
        assert caught.value.hint == f"pip install 'airswasm-lifecycle[{extra}]'"
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(ExtraMissing) as caught:
        await Sources(SourceSettings()).fetch("git+https://h/p")
    assert caught.value.hint == "pip install 'airswasm-lifecycle[git]'"


async def test_standard_input_is_a_source(
    workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Read to its end, up to the limit; an empty one is no package."""
    content = workshop.package().to_archive()
    for given, error in ((content, None), (b"", PackageInvalid), (bytes(2**20), SourceTooLarge)):
        file = tmp_path / "input"
        file.write_bytes(given)
        with file.open() as stdin:
            monkeypatch.setattr(sys, "stdin", stdin)
            sources = Sources(SourceSettings(most_bytes=2**19))
            if error is None:
                assert (await sources.fetch("-")).content == content
            else:
                with pytest.raises(error):
                    await sources.fetch("-")


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs a pseudo-terminal")
async def test_a_terminal_is_no_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is refused at once: waiting for one would end after `sources.timeout`."""
    ours, theirs = os.openpty()
    try:
        with os.fdopen(theirs) as stdin:
            monkeypatch.setattr(sys, "stdin", stdin)
            with pytest.raises(PackageInvalid, match="is a terminal") as caught:
                await Sources(SourceSettings()).fetch("-")
        assert "airswasm install - --yes <" in caught.value.hint
    finally:
        os.close(ours)


async def test_a_source_and_its_pin_are_recorded(
    workshop: Workshop, tmp_path: Path, yes: Approve
) -> None:
    """In the registry, the plan and the audit log, whatever the host does in between."""
    pygit2 = pytest.importorskip("pygit2")
    package = workshop.package()
    repository = pygit2.init_repository(str(tmp_path / "r.git"), bare=True, initial_head="main")
    author = pygit2.Signature("a", "a@example.org", 1_700_000_000, 0)
    builder = repository.TreeBuilder()
    for name, content in {**package.files, "component.sig": package.signature}.items():
        builder.insert(name, repository.create_blob(content), 0o100644)
    made = repository.create_commit("refs/heads/main", author, author, "", builder.write(), [])
    source = f"git+file:{(tmp_path / 'r.git').resolve()}@main"
    async with System(tmp_path / "home", mode="offline") as system:
        plan = await system.plan(source)
        assert (plan.source, plan.pin) == (source, str(made))
        await system.install(source, approve=yes)
    async with System(tmp_path / "home", mode="readonly") as system:
        (version,) = system.info("local/hello").versions
        assert (version.source, version.pin) == (source, str(made))
    lines = [
        json.loads(line)
        for file in sorted((tmp_path / "home" / "audit").glob("*"))
        for line in file.read_text().splitlines()
        if '"install"' in line
    ]
    assert any(source in json.dumps(line) and str(made) in json.dumps(line) for line in lines)


@pytest.mark.parametrize(
    "wrong",
    [{"most_bytes": 0}, {"timeout": 0.0}, {"least_rate": -1}, {"internal_networks": ("10.1",)}],
)
async def test_wrong_settings_are_refused(wrong: dict[str, Any]) -> None:
    """With the key's name first, as config.toml's errors want it."""
    with pytest.raises(ValueError, match=next(iter(wrong))):
        SourceSettings(**wrong)
