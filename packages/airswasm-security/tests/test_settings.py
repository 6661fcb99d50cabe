"""What this block declares, and its section of config.toml."""

import pytest
from airswasm.security import (
    BLOCK,
    CAPABILITIES_INTERFACE,
    AuditSettings,
    Grants,
    InvalidCapability,
    InvalidPattern,
    SecuritySettings,
    TrustSettings,
    provide,
)
from airswasm.wit import Blocks, load_part


def test_the_block_is_found() -> None:
    """One entry point is all that the package has."""
    (found,) = (each for each in Blocks.find() if each.distribution == "airswasm-security")
    assert found.block is BLOCK
    assert BLOCK.interfaces == (CAPABILITIES_INTERFACE,)
    assert load_part(BLOCK.provide) is provide
    assert {load_part(section.model) for section in BLOCK.sections} >= {
        SecuritySettings,
        AuditSettings,
    }


def test_without_a_setting_there_is_no_policy() -> None:
    """Nothing is bounded and nothing denied until the operator says so."""
    assert SecuritySettings().policy == Grants()


def test_the_tables_are_grants() -> None:
    """Domain, verb, patterns: as in Component.toml."""
    settings = SecuritySettings(
        allow={"storage": {"read": ("**",), "write": ("a/**",)}}, deny={"tcp": {"connect": ("**",)}}
    )
    assert settings.policy == Grants(
        {"storage:read": ("**",), "storage:write": ("a/**",)}, {"tcp:connect": ("**",)}
    )


def test_a_slip_in_the_policy_is_an_error() -> None:
    """A policy that silently forbids nothing is worse than none."""
    with pytest.raises(InvalidCapability):
        _ = SecuritySettings(deny={"Storage": {"read": ("**",)}}).policy
    with pytest.raises(InvalidPattern):
        _ = SecuritySettings(deny={"storage": {"read": "**"}}).policy  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("file_bytes", 65_535),
        ("files", -1),
        ("burst", -1),
        ("lines_per_second", -0.1),
        ("head_lines", 0),
        ("head_seconds", float("nan")),
        ("sink_lines", 0),
    ],
)
def test_a_setting_that_cannot_work_names_itself(name: str, value: float) -> None:
    """The operator reads which key to correct."""
    with pytest.raises(ValueError, match=name):
        AuditSettings(**{name: value})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"threshold": 0}, "within 1 to 8"),
        ({"threshold": 9}, "within 1 to 8"),
        ({"keys": ("F" * 64,)}, "lower-case hex"),
        ({"keys": ("f" * 63,)}, "lower-case hex"),
        ({"sources": ("../packages/**",)}, "packages"),
        ({"sources": ("https://host/[",)}, "no ]"),
    ],
)
def test_a_rule_of_trust_that_cannot_be_meant_is_refused(
    options: dict[str, object], reason: str
) -> None:
    """The sentence names the setting's fault."""
    with pytest.raises(ValueError, match=reason):
        TrustSettings(**options)  # type: ignore[arg-type]


def test_rules_of_trust_are_kept_as_they_are_written() -> None:
    """The largest of each."""
    settings = TrustSettings(("f" * 64,), ("/srv/packages/**", "https://host/folder/**"), 8)
    assert settings.threshold == 8
