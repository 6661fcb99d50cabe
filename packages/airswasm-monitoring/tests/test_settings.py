"""The section `[monitoring]` of config.toml."""

import pytest
from airswasm.monitoring import MonitoringSettings, Thresholds


def test_settings_that_were_not_changed_are_the_thresholds_own() -> None:
    """A default is written in two places; both say the same."""
    assert MonitoringSettings().thresholds == Thresholds()


def test_every_setting_reaches_its_threshold() -> None:
    """In the order of the fields, which have one type."""
    settings = MonitoringSettings(oldest_message=1.0, mailbox_fill=0.5, recent_failure=2.0)
    thresholds = settings.thresholds
    assert (thresholds.oldest_message, thresholds.mailbox_fill, thresholds.recent_failure) == (
        1.0, 0.5, 2.0,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("oldest_message", -1),
        ("mailbox_fill", -0.1),
        ("mailbox_fill", 1.1),
        ("recent_failure", -1),
        ("series", 0),
        ("histograms", 0),
    ],
)
def test_a_setting_that_cannot_work_names_itself(name: str, value: float) -> None:
    """The operator reads which key to correct."""
    with pytest.raises(ValueError, match=name):
        MonitoringSettings(**{name: value})  # type: ignore[arg-type]
