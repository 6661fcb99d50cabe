"""The audit lines about settings: which keys changed, and the values that may be shown.

A text, a list or a table may have a secret in it, so none of them is shown; where two starts of a
host are compared, a salted hash stands for it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

from airswasm.security import AuditEvent

from .configuration import Setting

__all__ = ("compared", "edit_event", "settings_event", "shown")

_HIDDEN = "(not shown)"
_SHOWN_FORMS = ("one of ", "true or false", "a whole number", "a number", "a size", "a duration")


def edit_event(name: str, after: Setting | None, *, is_set: bool) -> AuditEvent:
    """Return the line about one key of config.toml that is about to change."""
    act = "set" if is_set else "unset"
    value = shown(after) if after is not None else "gone"
    detail = {"act": act, "key": name, "value": value}
    return AuditEvent("config", outcome="done", reason=name, detail=detail)


def settings_event(
    changed: Iterable[str],
    before: Mapping[str, str],
    now: Mapping[str, Setting],
    *,
    than: str,
) -> AuditEvent:
    """Return the line about settings that differ from others, such as those of the last start."""
    names = list(changed)
    detail = {
        name: f"{_shown_mark(before.get(name))} -> {shown(now[name]) if name in now else 'gone'}"
        for name in names
    }
    reason = f"settings that differ from {than}: {', '.join(names)}"
    return AuditEvent("config", outcome="done", reason=reason, detail=detail)


def shown(setting: Setting) -> str:
    """Return a value for the log; only one of a form that holds no secret and no free text."""
    return setting.value if setting.form.startswith(_SHOWN_FORMS) else _HIDDEN


def compared(setting: Setting, salt: str) -> str:
    """Return what a value is compared by: itself where it may be shown, else its hash."""
    if shown(setting) == setting.value:
        return setting.value
    return f"sha256:{hashlib.sha256(f'{salt}{setting.value}'.encode()).hexdigest()}"


def _shown_mark(mark: str | None) -> str:
    if mark is None:
        return "default"
    return _HIDDEN if mark.startswith("sha256:") else mark
