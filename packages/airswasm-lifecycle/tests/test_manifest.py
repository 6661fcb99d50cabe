"""Component.toml is read strictly, and everything that is wrong with it is said at once."""

from pathlib import Path
from typing import Any

import pytest
from airswasm.lifecycle import (
    DEFAULT_MEMORY_BYTES,
    Configuration,
    ConfigurationInvalid,
    Manifest,
    ManifestInvalid,
    is_component_name,
)
from airswasm.lifecycle._toml.positions import line_of, scan_positions
from airswasm.security import PLAIN, Kinds
from airswasm.wit import Blocks
from hypothesis import given
from hypothesis import strategies as st

LEAST = '[component]\nname = "local/hello"\nversion = "0.1.0"\n'
KNOWN = Kinds.of(storage_read=PLAIN, storage_write=PLAIN, messaging_send=PLAIN)


def problems(text: str | bytes, **options: Any) -> list[str]:
    with pytest.raises(ManifestInvalid) as caught:
        Manifest.parse(text, **options)
    return [f"{each.line}:{each.key}: {each.text}" for each in caught.value.problems]


def test_the_least_manifest_has_every_default() -> None:
    """Name and version are all that has to be said."""
    manifest = Manifest.parse(LEAST)
    assert (manifest.name, manifest.version) == ("local/hello", "0.1.0")
    assert manifest.limits.memory == DEFAULT_MEMORY_BYTES == 4 * 1024 * 1024
    assert manifest.supervision.restart == "permanent"
    assert manifest.health is None
    assert not manifest.grants


@pytest.mark.parametrize(
    ("written", "expected"),
    [('"4 MiB"', 4 * 2**20), ("4194304", 4 * 2**20), ('"512KiB"', 2**19), ('"1.5 MB"', 1_500_000)],
)
def test_sizes_are_read_as_people_write_them(written: str, expected: int) -> None:
    """A unit in the text, or a plain number of bytes."""
    assert Manifest.parse(f"{LEAST}[limits]\nmemory = {written}\n").limits.memory == expected


@pytest.mark.parametrize(
    ("written", "expected"), [("5", 5.0), ('"500 ms"', 0.5), ('"2 min"', 120.0), ("0.25", 0.25)]
)
def test_durations_are_seconds(written: str, expected: float) -> None:
    """A unit in the text, or a plain number of seconds."""
    assert Manifest.parse(f"{LEAST}[limits]\ntimeout = {written}\n").limits.timeout == expected


def test_capabilities_are_dotted_keys_with_patterns() -> None:
    """`storage.read` under [capabilities] and [capabilities.storage] say the same."""
    dotted = Manifest.parse(f'{LEAST}[capabilities]\nstorage.read = ["everything"]\n', kinds=KNOWN)
    nested = Manifest.parse(f'{LEAST}[capabilities.storage]\nread = "everything"\n', kinds=KNOWN)
    assert dotted.capabilities == nested.capabilities == {"storage.read": ("everything",)}
    assert dotted.grants.allow == {"storage:read": ("everything",)}


def test_a_mistyped_capability_is_no_silent_denial() -> None:
    """In a part of the contract every name is known; other blocks may bring parts of their own."""
    text = f'{LEAST}[capabilities]\nstorage.raed = ["x"]\nstorge.read = ["x"]\n'
    assert problems(text, kinds=KNOWN, is_strict=False) == [
        "5:capabilities.storage.raed: no block of this host offers it; "
        "did you mean `storage.read`?",
        "6:capabilities.storge.read: no block of this host offers it; did you mean `storage.read`?",
    ]
    other = f'{LEAST}[capabilities]\ngraphics.draw = ["everything"]\n'
    assert problems(other, kinds=KNOWN) != []
    other = Manifest.parse(other, kinds=KNOWN, is_strict=False)
    assert other.grants.allow == {"graphics:draw": ("everything",)}


def test_denials_are_capabilities_too() -> None:
    """`deny.` in front turns a grant into a denial."""
    text = (
        f'{LEAST}[capabilities]\nstorage.write = ["everything"]\ndeny.storage.write = ["locked"]\n'
    )
    grants = Manifest.parse(text, kinds=KNOWN).grants
    assert grants.deny == {"storage:write": ("locked",)}


def test_every_problem_is_reported_with_its_line() -> None:
    """Not only the first; each with file, line, key and what to write."""
    text = """
[component]
name = "hello"
vershion = "0.1.0"
authors = '''
[x]
y = 2
'''
[limits]
memory = "64 Mib"
fuel = "x"
mailbox = true
[capabilities]
storage.raed = ["everything"]
storage.write = ["a", 3]
[supervision]
restart = "always"
backoff.inital = 3
[config]
since = 2020-01-01
[limts]
[health]
"""
    assert problems(text, kinds=KNOWN) == [
        "2:component.version: is missing",
        "3:component.name: the namespace is missing; write \"local/hello\", not 'hello'",
        "4:component.vershion: unknown key; did you mean `version`?",
        "10:limits.memory: unknown unit 'Mib'; units are B, kB, KB, MB, GB, KiB, MiB, GiB, "
        "not '64 Mib'",
        "11:limits.fuel: expected a valid integer, not 'x'",
        "12:limits.mailbox: expected a valid integer, not True",
        "14:capabilities.storage.raed: no block of this host offers it; "
        "did you mean `storage.read`?",
        "15:capabilities.storage.write: expected a list of patterns, "
        'such as ["users/**"], or "everything"',
        "17:supervision.restart: 'always' is none of 'permanent', 'transient' or 'temporary'",
        "18:supervision.backoff.inital: unknown key; did you mean `initial`?",
        "20:config.since: dates have no JSON form; write it as a string",
        "21:limts: unknown key; did you mean `limits`?",
        "22:health.interval: is missing",
    ]


@pytest.mark.parametrize(
    ("text", "line", "word"),
    [
        ("a = 1\nb = [", 2, "not TOML"),
        ("x = 1\nx = 2", 2, "overwrite"),
        (b"# fine\n\xff", 2, "UTF-8"),
        ("component = 3", 1, "expected a table"),
        ("[[component]]", 1, "expected a table"),
        ("", 1, "missing"),
        ("# " + "x" * 300_000, 1, "longer"),
    ],
)
def test_what_is_no_manifest_at_all_is_one_clear_line(
    text: str | bytes, line: int, word: str
) -> None:
    """Syntax errors have their line as well."""
    first = problems(text)[0]
    assert first.startswith(f"{line}:")
    assert word in first


@pytest.mark.parametrize("path", ["../x.wasm", "/x.wasm", "a//b", "a\\b", "", "C:/x"])
def test_the_artifact_lies_below_the_folder(path: str) -> None:
    """A manifest cannot make the build read or write elsewhere."""
    assert problems(f"{LEAST}[build]\nartifact = '{path}'\n")[0].startswith("5:build.artifact")


def test_memory_below_the_least_is_refused() -> None:
    """No component works in less than 512 KiB."""
    assert "512 KiB" in problems(f"{LEAST}[limits]\nmemory = 1000\n")[0]


def test_config_becomes_the_json_that_init_is_given() -> None:
    """Nested tables and lists keep their form."""
    manifest = Manifest.parse(f'{LEAST}[config]\na = [1, {{ b = "ü" }}]\nc.d = true\n')
    assert manifest.config_json == '{"a":[1,{"b":"ü"}],"c":{"d":true}}'


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20))
def test_the_encodings_of_editors(text: str) -> None:
    """A byte order mark is no character of the document; another encoding says what to do."""
    document = f"# {text}ß\n{LEAST}"
    plain = Manifest.parse(document)
    assert Manifest.parse(f"\ufeff{document}") == plain
    assert Manifest.parse(document.encode("utf-8-sig")) == plain
    for encoding in ("utf-16", "utf-32", "latin-1"):
        found = problems(document.encode(encoding, "replace"))
        assert found[0].endswith(":file: not UTF-8; save it in that encoding")


def test_a_file_that_cannot_be_read_is_a_manifest_error(tmp_path: Path) -> None:
    """The path is in the message."""
    with pytest.raises(ManifestInvalid, match="cannot be read"):
        Manifest.load(tmp_path / "Component.toml")


@pytest.mark.parametrize(
    "name", ["hello", "a/b/c", "A/b", "a/B", "1/b", "a/-b", "/", "a/", "a/b\n", f"a/{'b' * 64}"]
)
def test_only_namespace_slash_name_is_a_name(name: str) -> None:
    """Two parts, each a-z, 0-9 and -, starting with a letter, at most 63 characters."""
    assert not is_component_name(name)
    assert is_component_name("a/b-1")
    assert is_component_name(f"a/{'b' * 63}")


def test_positions_are_right_among_strings_arrays_and_comments() -> None:
    """What looks like a key inside a value is none."""
    text = (
        'a = "[x]" # [y]\n'
        "b = [\n  '#', # ]\n  { c = \"]\" },\n]\n"
        'd = """\n[e]\nf = 1\\"""\n"""\n'
        "[ g . 'h i' ]\n"
        '"j.k".l = 1\n'
    )
    positions = scan_positions(text)
    assert positions[("a",)] == 1
    assert positions[("b",)] == 2
    assert positions[("d",)] == 6
    assert positions[("g", "h i")] == 10
    assert positions[("g", "h i", "j.k", "l")] == 11
    assert ("e",) not in positions
    assert line_of(positions, ("b", "0", "c")) == 2
    assert line_of(positions, ("nowhere",)) == 1


@given(st.text(max_size=300))
def test_any_text_is_a_manifest_or_a_manifest_error(text: str) -> None:
    """Nothing else comes out, whatever comes in."""
    try:
        Manifest.parse(text)
    except ManifestInvalid as caught:
        error = caught
    else:
        return
    assert error.problems


HEAD = '[component]\nname = "local/a"\nversion = "1.0.0"\n'
LONG_KEYS = (
    "[config]\n{key} = 1",
    "[config]\n\t{key}=1",
    "[{key}]\nx = 1",
    "[[{key}]]\nx = 1",
    "[config]\nx = {{{key} = 1}}",
    "[config]\nx = {{b = 1, {key} = 1}}",
    "[config]\nx = [{{{key} = 1}}]",
)


@pytest.mark.parametrize("form", LONG_KEYS)
@pytest.mark.parametrize("part", ["a", "a1-_", '"a b"', "'a.b'"])
@pytest.mark.parametrize("dot", [".", " . ", "\t.\t"])
def test_a_key_of_thousands_of_parts_is_refused_at_once(form: str, part: str, dot: str) -> None:
    """A parser that keeps every prefix of one takes 14 GB for 120 KiB of manifest."""
    key = dot.join([part] * 10_000)
    with pytest.raises(ManifestInvalid, match="a key has more than 128 parts") as caught:
        Manifest.parse(HEAD + form.format(key=key))
    assert caught.value.problems[0].line > 1


@pytest.mark.parametrize(
    "line",
    [
        'x = "' + ".".join(["a"] * 500) + '"',
        "x = " + "[" * 20 + "1" + "]" * 20,
        "x = [" + "1.5," * 1_000 + "]",
        ".".join(["a"] * 100) + " = 1",
        "# " + ".".join(["a"] * 500),
    ],
)
def test_text_with_many_dots_is_no_key(line: str) -> None:
    """Only keys are counted: hosts, versions and sentences may have dots."""
    Manifest.parse(f"{HEAD}[config]\n{line}\n")


@pytest.mark.parametrize(
    ("text", "place", "reason"),
    [
        ("a = 1\nb = " + "7" * 5_000, 2, "an integer has more than 4300 digits"),
        ("a = 1\nb = 0x" + "f" * 4_000, 2, "an integer has more than 4300 digits"),
        ("a = 1\n[b]\nc = [{d = 0b" + "1" * 20_000 + "}]", 3, "an integer has more than 4300"),
        ("a = 1\n\nb = [1, -" + "7_" * 5_000 + "7]", 3, "an integer has more than 4300 digits"),
        ("a = " + "[" * 5_000, 1, "nested too deep"),
        ("a = 1\na = 2", 2, "not TOML"),
        ("a = 1\n" + ".".join("k" * 200) + " = 1", 2, "a key has more than 128 parts"),
    ],
)
def test_a_mistake_has_its_line_in_each_reader(text: str, place: int, reason: str) -> None:
    """A manifest and a config.toml are read alike; the message is one line without Python's."""
    with pytest.raises(ManifestInvalid) as caught:
        Manifest.parse(text)
    (problem,) = caught.value.problems
    with pytest.raises(ConfigurationInvalid) as refused:
        Configuration.parse(text, Blocks(()))
    (other,) = refused.value.problems
    assert problem.line == other.line == place
    assert problem.text == other.text
    assert reason in problem.text
    assert "sys." not in problem.text
    assert "\n" not in problem.text


@pytest.mark.parametrize(
    "line",
    [
        "fuel = 0x" + "f" * 3_400,
        "mailbox = [" + "1, " * 9_000 + "]",
        'timeout = "' + "9" * 9_000 + '"',
    ],
)
def test_a_wrong_value_of_any_length_is_a_short_line(line: str) -> None:
    """It may be a stranger's: it is shown cut, and converting it raises nothing else."""
    with pytest.raises(ManifestInvalid) as caught:
        Manifest.parse(f"{HEAD}[limits]\n{line}\n")
    assert all(len(each.text) < 300 for each in caught.value.problems)
