"""The changes that a contract may make."""

from pathlib import Path

import pytest
from airswasm.wit import check_component, contract, read_wit, read_wit_text, wit_folder
from airswasm.wit._evolution import check_version, compare_packages
from airswasm.wit._tool import run_wasm_tools
from airswasm.wit.model import Package

RELEASED = Path(__file__).parent / "released"

BASE = """\
package acme:thing@0.1.0;
interface host {
    variant failed { one }
    /// @requires host:go(to)
    go: func(to: string) -> result<_, failed>;
    /// @requires nothing "it is free"
    free: func(to: string);
}
interface guest { run: func(); stop: func(); }
interface other {}
world w { import host; export guest; }
"""


def package(*replacements: tuple[str, str]) -> Package:
    text = BASE
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new)
    return read_wit_text(text).main


@pytest.mark.parametrize(
    ("replacement", "said", "breaks"),
    [
        (("go: func(to: string)", "go: func(to: u32)"), "parameter 1 (to) is `u32`", True),
        (("{ one }", "{ one, two }"), "variant failed { one, two }", True),
        (("free: func(to: string);", ""), "host#free: the function is gone", True),
        (("free: func", "more: func();\nfree: func"), "host#more: the function is new", False),
        (("run: func();", ""), "guest#run: the function is gone", False),
        (("run: func();", "run: func(); walk: func();"), "guest#walk: the function is new", True),
        (("host:go(to)", "host:fly(to)"), "requires host:fly(to), not host:go(to)", True),
        (('nothing "it is free"', "host:go(to)"), "requires host:go(to), not nothing", True),
        (("interface other {}", ""), "other: the interface is gone", True),
        (("interface other {}", "interface other {} interface x {}"), "x: the interface", False),
        (("import host; ", ""), "w: the world does not import host any more", True),
        (("export guest", "export other; export guest"), "w: the world now exports other", True),
        (
            ("world w { import host; export guest; }", "world v { import host; export guest; }"),
            "w: the world is gone",
            True,
        ),
    ],
)
def test_changes_are_told_with_what_they_break(
    replacement: tuple[str, str], said: str, breaks: bool
) -> None:
    """A host may offer more and a guest may be asked for less, and nothing else is compatible."""
    changes = [
        change
        for change in compare_packages(package(), package(replacement))
        if said in str(change)
    ]
    assert [change.breaks for change in changes] == [breaks]


def test_less_demanding_is_compatible() -> None:
    """A permission that is not needed any more breaks no component; docs never do."""
    freed = package(("host:go(to)", 'nothing "now free"'))
    assert compare_packages(package(), freed) == ()
    assert (
        compare_packages(package(), package(("interface other", "/// D.\ninterface other"))) == ()
    )


@pytest.mark.parametrize(
    ("version", "breaking", "complaint"),
    [
        ("0.1.0", False, "the version is still 0.1.0"),
        ("0.1.1", False, None),
        ("0.1.1", True, "0.1.1 promises to be compatible with 0.1.0"),
        ("0.2.0", True, None),
        ("1.0.0", True, None),
    ],
)
def test_the_version_must_say_what_changed(
    version: str, breaking: bool, complaint: str | None
) -> None:
    """Semver: before 1.0 the minor number is the one that breaks."""
    change = ("free: func(to: string);", "" if breaking else "free: func(to: string); new: func();")
    changed = package(change, ("@0.1.0", f"@{version}"))
    complaints = check_version(package(), changed)
    assert bool(complaints) == (complaint is not None)
    if complaint:
        assert complaint in complaints[0]


def latest_release() -> Path:
    versions = {tuple(map(int, path.name.split("."))): path for path in RELEASED.iterdir()}
    return versions[max(versions)]


def test_the_contract_in_git_keeps_what_the_released_one_promised() -> None:
    """Change the version with the contract; the copies in `released/` never change."""
    released, current = read_wit(latest_release()).main, read_wit(wit_folder()).main
    assert check_version(released, current) == ()


@pytest.mark.parametrize("world", ["minimal", "full", "everything"])
def test_components_of_the_released_contract_still_fit(world: str, tmp_path: Path) -> None:
    """The second opinion: wasm-tools' own check of a component built from the released WIT."""
    core, component = tmp_path / "core.wasm", tmp_path / "component.wasm"
    embed = ["component", "embed", str(latest_release()), "--world", world, "--dummy"]
    for command in (
        [*embed, "-o", str(core)],
        ["component", "new", str(core), "-o", str(component)],
        ["component", "targets", str(wit_folder()), "--world", world, str(component)],
    ):
        output = run_wasm_tools(command)
        assert output.exit_code == 0, output.stderr
    check_component(component, offered=contract().host_interfaces).raise_for_problems()


def test_the_worlds_are_semver_compatible_with_each_other() -> None:
    """A world that imports and exports less can stand in for a larger one, says wasm-tools."""
    check = ["component", "semver-check", str(wit_folder())]
    for smaller, larger in (("full", "everything"),):
        output = run_wasm_tools([*check, "--prev", smaller, "--new", larger])
        assert output.exit_code == 0, output.stderr
