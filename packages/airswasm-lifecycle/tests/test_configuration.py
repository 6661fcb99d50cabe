"""config.toml: what the installed blocks' sections say, checked, with the origin of each value."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Literal

import pytest
from airswasm.lifecycle import (
    Configuration,
    ConfigurationInvalid,
    InstallPolicy,
    LimitPolicy,
    ManifestProblem,
    NoSuchSetting,
    describe_settings,
    edit_configuration,
    write_toml,
)
from airswasm.wit import Block, Blocks, Section
from hypothesis import example, given
from hypothesis import strategies as st

MODULE = "a_block_of_this_test"


@dataclass(frozen=True, slots=True)
class Rope:
    """A table within the section.

    Attributes:
        length_bytes: How long it is.
        pull: Seconds of each pull.
    """

    length_bytes: int = 1
    pull: float = 1.0


@dataclass(frozen=True, slots=True)
class BellSettings:
    """A section of a block that only this test knows.

    Attributes:
        tone: How it
            sounds.
        size_bytes: How large it is.
        pause: Seconds between two strokes.
        strokes: How many.
        places: Where it hangs.
        ropes: What it hangs by.
        ringers: The ropes of each ringer.
    """

    tone: Literal["low", "high"] = "low"
    size_bytes: int = 1024
    pause: float = 1.5
    strokes: int = 3
    places: tuple[str, ...] = ("tower",)
    ropes: tuple[Rope, ...] = ()
    ringers: dict[str, Rope] = field(default_factory=dict[str, Rope])

    def __post_init__(self) -> None:
        if self.strokes < 1:
            raise ValueError("strokes must be at least 1")
        if len(set(self.places)) < len(self.places):
            raise ValueError("the same place twice")


BELL = Block(
    name="bell",
    summary="Rings.",
    sections=(Section("bell", f"{MODULE}:BellSettings", "How it rings."),),
)


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """A declaration names its model by path."""
    module = ModuleType(MODULE)
    vars(module)["BellSettings"] = BellSettings
    monkeypatch.setitem(sys.modules, MODULE, module)


def read(text: str, environment: dict[str, str] | None = None) -> BellSettings:
    return Configuration.parse(text, Blocks.of(BELL), environment=environment).get(BellSettings)


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigurationInvalid) as caught:
        read(text)
    return [str(problem) for problem in caught.value.problems]


def test_nothing_written_is_every_default() -> None:
    """A new home needs no file."""
    assert read("") == BellSettings()


def test_values_are_read_in_their_units() -> None:
    """Sizes and durations may be written as people write them."""
    text = """
[bell]
tone = "high"
size_bytes = "4 MiB"
pause = "500 ms"
strokes = 12
places = ["hall", "yard"]
"""
    expected = BellSettings("high", 4 * 2**20, 0.5, 12, ("hall", "yard"))
    assert read(text) == expected


def test_tables_within_a_section_have_units_too() -> None:
    """A route's or a mount's limit is written as the section's own."""
    content = 'ropes = [{ length_bytes = "1 KiB" }]\nringers.ada = { pull = "2 min" }'
    settings = read(f"[bell]\n{content}")
    assert settings.ropes == (Rope(length_bytes=1024),)
    assert settings.ringers == {"ada": Rope(pull=120)}


def test_the_setting_that_holds_a_wrong_table_is_what_config_shows() -> None:
    """`config get bell.ropes.pull` would be told that there is no such setting."""
    inner = ConfigurationInvalid("", [ManifestProblem("", 0, "bell.ropes.pull", "wrong")])
    assert "`airswasm config get bell.ropes`" in inner.hint


def test_the_environment_wins_over_the_file() -> None:
    """AIRSWASM_SECTION_KEY, as TOML or as plain text; an empty one counts as not set."""
    environment = {
        "AIRSWASM_BELL_TONE": "high",
        "AIRSWASM_BELL_PAUSE": "2 s",
        "AIRSWASM_BELL_PLACES": '["yard"]',
        "AIRSWASM_BELL_STROKES": "",
    }
    found = read('[bell]\ntone = "low"\nstrokes = 5', environment)
    assert found == BellSettings("high", pause=2.0, strokes=5, places=("yard",))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[bell]\ntoen = 1", "config.toml:2: bell.toen: unknown key; did you mean `tone`?"),
        ("[blel]\n", "config.toml:1: blel: unknown section; did you mean `bell`?"),
        ("bell = 1", "config.toml:1: bell: expected a table"),
        ('[bell]\ntone = "loud"', "config.toml:2: bell.tone: 'loud' is none of 'low' or 'high'"),
        ('[bell]\nstrokes = "3"', "config.toml:2: bell.strokes: expected a valid integer"),
        ("[bell]\nstrokes = true", "config.toml:2: bell.strokes: expected a valid integer"),
        ('[bell]\nstrokes = "3 MiB"', "config.toml:2: bell.strokes: expected a valid integer"),
        (
            '[bell]\ntone = "low"\nstrokes = 0',
            "config.toml:3: bell.strokes: strokes must be at least 1, not 0",
        ),
        ('[bell]\nsize_bytes = "4 MB/s"', "config.toml:2: bell.size_bytes:"),
        ("[bell]\npause = 2020-01-01", "bell"),
        ("[bell", "not TOML"),
        (
            "[[bell.ropes]]\npul = 1",
            "config.toml:2: bell.ropes.pul: unknown key; did you mean `pull`?",
        ),
        ("[bell]\nropes = [{ pull = 1 }, { x = 1 }]", "bell.ropes.x: unknown key"),
        ("[bell.ringers.ada]\npul = 1", "bell.ringers.ada.pul: unknown key"),
        ('[[bell.ropes]]\nlength_bytes = "1 m"', "config.toml:2: bell.ropes.length_bytes:"),
        ("[bell]\nropes = [1]", "config.toml:2: bell.ropes: expected a table"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, message: str) -> None:
    """A typo in a limit must not pass as `not set`."""
    assert message in problems(text)[0]


@pytest.mark.parametrize("value", ["0", "many"])
def test_a_wrong_variable_is_named_and_not_the_file(value: str) -> None:
    """The operator looks where the value is."""
    with pytest.raises(ConfigurationInvalid) as caught:
        read("[bell]\nstrokes = 4", {"AIRSWASM_BELL_STROKES": value})
    assert str(caught.value).startswith("AIRSWASM_BELL_STROKES: bell.strokes: ")
    assert "config get bell.strokes" in caught.value.hint


def test_a_rule_of_a_whole_section_is_told_without_the_section() -> None:
    """Its text says which value is wrong; Python's form of the table would say it again."""
    twice = 'places = ["a", "a"]'
    assert problems(f"[bell]\n{twice}") == ["config.toml:1: bell: the same place twice"]
    unplaced = ConfigurationInvalid("", [ManifestProblem("a variable", 0, "bell", "wrong")])
    assert "config show bell" in unplaced.hint


def test_every_problem_is_told_at_once() -> None:
    """The operator mends them in one go."""
    found = problems("[bell]\ntone = 1\nsiz_bytes = 2\n[belt]\n")
    assert len(found) == 3


def test_each_setting_knows_where_it_comes_from_and_what_it_means() -> None:
    """`config show --origin` has nothing to guess."""
    configuration = Configuration.parse(
        "[bell]\nstrokes = 4", Blocks.of(BELL), environment={"AIRSWASM_BELL_TONE": "high"}
    )
    found = {each.key: each for each in configuration.settings()}
    assert found["strokes"].origin == "config.toml: [bell] strokes"
    assert found["tone"].origin == "AIRSWASM_BELL_TONE"
    assert found["pause"].origin == "default"
    assert found["tone"].meaning == "How it sounds."
    assert found["tone"].form == 'one of "low", "high"'
    assert (found["strokes"].value, found["strokes"].default) == ("4", "3")
    with pytest.raises(NoSuchSetting, match=r"did you mean `bell\.tone`"):
        configuration.setting("bell.tnoe")


def test_a_section_of_a_block_that_is_not_there_has_its_defaults() -> None:
    """Code that asks for it need not know what is installed."""
    assert Configuration.parse("", Blocks.of()).get(InstallPolicy) == InstallPolicy()


def test_every_setting_of_every_installed_block_is_documented() -> None:
    """The page of all settings is made from the models: one without a meaning would be blank."""
    described = [each for _, settings in describe_settings(Blocks.find()) for each in settings]
    assert len(described) > 30
    assert [each.name for each in described if not each.meaning] == []


@dataclass(frozen=True, slots=True)
class MixedSettings:
    """A section with numbers of several units.

    Attributes:
        part: Fraction, 0 to 1.
        pause: Seconds between two strokes.
        room: Bytes of sound.
        weight_bytes: Weight.
        strokes: Number of strokes.
    """

    part: float = 0.5
    pause: float = 1.5
    room: int = 1024
    weight_bytes: int = 1024
    strokes: int = 3


def test_the_form_of_a_number_follows_from_its_unit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a key that counts bytes is a size, and only one that counts seconds a duration."""
    module = ModuleType(MODULE)
    vars(module)["BellSettings"] = MixedSettings
    monkeypatch.setitem(sys.modules, MODULE, module)
    [(_, settings)] = describe_settings(Blocks.of(BELL))
    assert {each.key: each.form.partition(",")[0] for each in settings} == {
        "part": "a number",
        "pause": "a duration",
        "room": "a size",
        "weight_bytes": "a size",
        "strokes": "a whole number",
    }


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_byte_order_mark_is_no_character_of_the_file(tmp_path: Path, encoding: str) -> None:
    """Notepad writes one; an edit drops it."""
    file = tmp_path / "config.toml"
    file.write_text("[limits]\nmailbox = 7\n", encoding=encoding)
    blocks = Blocks.find()
    assert Configuration.load(file, blocks).find("limits.mailbox").value == "7"
    edit_configuration(tmp_path, "limits.mailbox", "8")
    assert file.read_bytes() == b"[limits]\nmailbox = 8\n"


def make_pipe(file: Path) -> None:
    os.mkfifo(file)


def make_socket(file: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(os.path.relpath(file))


@pytest.mark.skipif(os.name != "posix", reason="pipes and sockets with a path are POSIX")
@pytest.mark.parametrize(
    ("make", "said"),
    [
        (make_pipe, "not a regular file"),
        (make_socket, "not a regular file"),
        (Path.mkdir, "Is a directory"),
        (lambda file: file.symlink_to("/dev/zero"), "not a regular file"),
        (lambda file: file.symlink_to(file), "Too many levels of symbolic links"),
        (lambda file: file.write_bytes(b"#\n" * (5 * 2**20)), "larger than 8 MiB"),
        (lambda file: file.write_text("[a]", "utf-16"), "not UTF-8; save it in that encoding"),
        (lambda file: file.write_bytes(b"#\xff"), "not UTF-8; save it in that encoding"),
        (lambda file: file.write_text("a = " + "[" * 100_000), "not TOML: "),
        (lambda file: file.write_text("[a]\nb = " + "9" * 5000), "more than 4300 digits"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_document_is_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], object], said: str
) -> None:
    """Read or edited: one problem that names it, and no wait."""
    monkeypatch.chdir(tmp_path)  # the path of a socket is short
    file = tmp_path / "config.toml"
    make(file)
    with pytest.raises(ConfigurationInvalid, match=said):
        Configuration.load(file, Blocks.find())
    with pytest.raises(ConfigurationInvalid, match=said):
        edit_configuration(tmp_path, "limits.mailbox", "8")


class TestEditing:
    """`config set` and `unset` change one key and nothing else."""

    def test_comments_and_other_keys_stay(self, tmp_path: Path) -> None:
        """The file belongs to the operator."""
        file = tmp_path / "config.toml"
        file.write_text("# mine\n[limits] # bounds\nmailbox = 7 # few\n")
        edit_configuration(tmp_path, "limits.memory", "64 MiB")
        edit_configuration(tmp_path, "install.retain", "3")
        text = file.read_text()
        assert "# mine" in text
        assert "mailbox = 7 # few" in text
        configuration = Configuration.load(file, Blocks.find())
        assert configuration.get(LimitPolicy) == LimitPolicy(memory=64 * 2**20, mailbox=7)
        edit_configuration(tmp_path, "limits.memory", None)
        assert Configuration.load(file, Blocks.find()).get(LimitPolicy) == LimitPolicy(mailbox=7)
        edit_configuration(tmp_path, "install.retain", None)
        assert "[install]" not in file.read_text()

    @pytest.mark.parametrize(
        ("before", "after"),
        [
            ("[install]\nretain = 3\n", ""),
            ("install.retain = 3\n", ""),
            ("install = {retain = 3}\n", ""),
            ("[install]\n# for later\nretain = 3\n", "[install]\n# for later\n"),
            ("[install]\nretain = 3 # few\n\n[limits]\nmailbox = 7\n", "[limits]\nmailbox = 7\n"),
            ("[install]\nretain = 3\nretain_most = 9\n", "[install]\nretain_most = 9\n"),
        ],
    )
    def test_no_empty_table_is_left(self, tmp_path: Path, before: str, after: str) -> None:
        """But a comment in it stays, and what else the table has."""
        (tmp_path / "config.toml").write_text(before)
        edit_configuration(tmp_path, "install.retain", None)
        assert (tmp_path / "config.toml").read_text() == after

    @pytest.mark.parametrize(
        ("name", "value"),
        [("install.retain", "0"), ("install.retain", "many"), ("updates.warn", '["nosuch"]')],
    )
    def test_a_wrong_value_changes_nothing(self, tmp_path: Path, name: str, value: str) -> None:
        """The file is written after it was found valid."""
        edit_configuration(tmp_path, "install.retain", "4")
        before = (tmp_path / "config.toml").read_text()
        with pytest.raises(ConfigurationInvalid) as caught:
            edit_configuration(tmp_path, name, value)
        assert str(caught.value).startswith(f"{name}: "), "no line of the file has that value"
        assert f"config get {name}" in caught.value.hint
        assert (tmp_path / "config.toml").read_text() == before

    @pytest.mark.parametrize(
        "other",
        [
            "[storage]\nengine = 7\n",
            "[limits]\nmemroy = 1\n",
            "[stranger]\nkey = 1\n",
            "install = 3\n",
            "[audit]\nfile_bytes = 1\n",
            "[audit]\nfiles = -1\n",
        ],
    )
    def test_a_file_with_other_mistakes_is_mended_key_by_key(
        self, tmp_path: Path, other: str
    ) -> None:
        """Who corrects one of two mistakes must not be stopped by the other one."""
        file = tmp_path / "config.toml"
        file.write_text(f"{other}[supervision]\nintensity = 'none'\n")
        with pytest.raises(ConfigurationInvalid) as caught:
            edit_configuration(tmp_path, "supervision.intensity", "some")
        assert [each.key for each in caught.value.problems] == ["supervision.intensity"]
        found = edit_configuration(tmp_path, "supervision.intensity", "4")
        assert found is not None
        assert found.value == "4"
        assert file.read_text().startswith(other), "the other mistake is the operator's to mend"

    @pytest.mark.parametrize("value", ["0", "2"])
    def test_a_value_as_wrong_as_the_one_before_is_refused(
        self, tmp_path: Path, value: str
    ) -> None:
        """The rule that both break names the section and not the value."""
        (tmp_path / "config.toml").write_text("[audit]\nfile_bytes = 1\n")
        with pytest.raises(ConfigurationInvalid, match="at least 64 KiB"):
            edit_configuration(tmp_path, "audit.file_bytes", value)

    def test_a_key_that_no_block_knows_can_be_removed(self, tmp_path: Path) -> None:
        """A typo in the file has a way out."""
        file = tmp_path / "config.toml"
        file.write_text("[limits]\nmemroy = 1\nmailbox = 7\n")
        assert edit_configuration(tmp_path, "limits.memroy", None) is None
        assert file.read_text() == "[limits]\nmailbox = 7\n"
        with pytest.raises(NoSuchSetting):
            edit_configuration(tmp_path, "limits.memroy", None)

    def test_a_file_that_is_not_toml_is_named_with_its_line(self, tmp_path: Path) -> None:
        """No edit can mend it; an editor can."""
        (tmp_path / "config.toml").write_text("[limits\n")
        with pytest.raises(ConfigurationInvalid, match="not TOML"):
            edit_configuration(tmp_path, "limits.mailbox", "7")

    def test_an_unknown_name_is_refused_with_a_suggestion(self, tmp_path: Path) -> None:
        """And no file comes about."""
        with pytest.raises(NoSuchSetting, match=r"install\.retain"):
            edit_configuration(tmp_path, "install.retian", "4")
        assert not (tmp_path / "config.toml").exists()


_VALUES = st.recursive(
    st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab. ", max_size=4), inner),
    max_leaves=6,
)


@given(_VALUES)
@example(dict.fromkeys(("\x7f", '\x00\\"\n'), "\x7f"))
def test_what_is_shown_as_toml_is_toml(value: object) -> None:
    """A value can be copied from `config show` into the file."""
    assert tomllib.loads(f"value = {write_toml(value)}")["value"] == value


TYPED = st.text() | st.sampled_from(
    ["9" * 5000, "[" * 5000, "1\nb = 2", "1\n[bell]\ntone = 'low'", "[1,", "'", "1 # one", ""]
)


@given(TYPED)
@example("9" * 5000)
@example("[" * 5000)
@example("'a'\n[install]\nunsigned = true")
def test_any_text_can_be_typed_as_a_value(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    """It is the setting's value, or a text that the setting refuses; nothing else is set by it."""
    home = tmp_path_factory.mktemp("typed")
    blocks = Blocks.of(BELL)
    try:
        edit_configuration(home, "bell.places", text, blocks=blocks)
    except ConfigurationInvalid:
        assert not (home / "config.toml").exists()
    else:
        written = tomllib.loads((home / "config.toml").read_text())
        assert list(written) == ["bell"]
        assert list(written["bell"]) == ["places"]


@given(TYPED)
@example("9" * 5000)
def test_any_text_can_stand_in_a_variable_and_in_the_file(text: str) -> None:
    """It is read, or refused with its place; the command never fails for another reason."""
    for file, environment in ((text, {}), ("", {"AIRSWASM_BELL_PLACES": text})):
        with contextlib.suppress(ConfigurationInvalid):
            read(file, environment)


@pytest.mark.parametrize(
    ("first", "then"),
    [
        (("host.mode", "production"), ("install.unsigned", "true")),
        (("install.unsigned", "true"), ("host.mode", "production")),
    ],
)
def test_two_settings_with_which_no_host_starts_do_not_meet(
    tmp_path: Path, first: tuple[str, str], then: tuple[str, str]
) -> None:
    """In either order; and the error says how to take the other one away."""
    edit_configuration(tmp_path, *first)
    before = (tmp_path / "config.toml").read_text()
    with pytest.raises(ConfigurationInvalid, match=r"airswasm config unset install\.unsigned"):
        edit_configuration(tmp_path, *then)
    assert (tmp_path / "config.toml").read_text() == before
