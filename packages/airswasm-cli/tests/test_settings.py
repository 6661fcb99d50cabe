from __future__ import annotations

import os
from pathlib import Path

import pytest
from airswasm.cli._session.settings import default_home, read_settings
from airswasm.cli.errors import SettingInvalid


def test_a_flag_wins_over_the_environment_and_that_over_the_default(tmp_path: Path) -> None:
    """The home: --home, AIRSWASM_HOME, the platform's data folder."""
    environment = {"AIRSWASM_HOME": str(tmp_path / "variable")}
    assert read_settings(environment, home=tmp_path / "flag").home == tmp_path / "flag"
    assert read_settings(environment).home == tmp_path / "variable"
    assert read_settings({}, use_config=False).home == default_home()


def test_the_environment_wins_over_the_file_and_that_over_the_default(tmp_path: Path) -> None:
    """Any other setting: AIRSWASM_NAME, [cli] of config.toml, the default."""
    (tmp_path / "config.toml").write_text("[cli]\ntimeout = 5\n")
    assert read_settings({"AIRSWASM_TIMEOUT": "7"}, home=tmp_path).timeout == 7
    assert read_settings({}, home=tmp_path).timeout == 5
    assert read_settings({}, home=tmp_path, use_config=False).timeout == 30


def test_every_setting_says_where_it_comes_from(tmp_path: Path) -> None:
    """`config show --origin` answers the question that follows every surprise."""
    (tmp_path / "config.toml").write_text("[cli]\ntimeout = 5\n")
    settings = read_settings({"AIRSWASM_COLOR": "never"}, home=tmp_path)
    origins = {each.name: each.origin for each in settings.all}
    assert origins == {
        "home": "flag",
        "key": "default",
        "timeout": f"{tmp_path / 'config.toml'}: [cli] timeout",
        "color": "AIRSWASM_COLOR",
    }


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("[cli]\ntimout = 5\n", "did you mean 'timeout'"),
        ("[cli]\ntimeout = 'soon'\n", "expected a number > 0"),
        ("[cli]\nhome = '/'\n", "unknown setting"),
        ("cli = 3\n", "expected a table"),
        ("[cli\n", "not TOML"),
        ("a = " + "[" * 100_000, "not TOML"),
        ("a = " + "9" * 5000, "not TOML"),
    ],
)
def test_a_wrong_setting_is_named_with_its_file(tmp_path: Path, content: str, problem: str) -> None:
    """A typo in a setting must not pass as `not set`."""
    (tmp_path / "config.toml").write_text(content)
    with pytest.raises(SettingInvalid, match=problem) as caught:
        read_settings({}, home=tmp_path)
    assert "config.toml" in str(caught.value)


def test_a_byte_order_mark_is_no_character_of_the_file(tmp_path: Path) -> None:
    """Notepad writes one."""
    (tmp_path / "config.toml").write_text("[cli]\ntimeout = 5\n", encoding="utf-8-sig")
    assert read_settings({}, home=tmp_path).timeout == 5


@pytest.mark.skipif(os.name != "posix", reason="pipes with a path are POSIX")
def test_a_pipe_in_the_place_of_the_file_is_refused_at_once(tmp_path: Path) -> None:
    """To read it would wait for ever."""
    os.mkfifo(tmp_path / "config.toml")
    with pytest.raises(SettingInvalid, match="not a regular file"):
        read_settings({}, home=tmp_path)
