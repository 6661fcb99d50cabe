"""The host's alert rules, and a configuration that scrapes it, as Prometheus' files."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import cast

from .._alerts.rules import AlertRule

__all__ = ("rule_file", "scrape_file")

_HEAD = "# Written by `airswasm dashboards`; a further call writes it anew.\n"


def rule_file(rules: Iterable[AlertRule], *, interval_seconds: float = 15.0) -> str:
    """Return a rule file for Prometheus, YAML.

    Args:
        rules: The rules of the host.
        interval_seconds: Between two evaluations.
    """
    own = [
        {
            "alert": rule.name,
            "expr": rule.promql,
            "for": f"{round(rule.for_seconds * 1_000)}ms",
            "labels": {**rule.labels, "severity": rule.severity},
            "annotations": dict(rule.annotations),
        }
        for rule in rules
    ]
    down = {
        "alert": "HostDown",
        "expr": 'up{job="airswasm"} == 0',
        "for": "60000ms",
        "labels": {"severity": "critical"},
        "annotations": {"summary": "{{ $labels.instance }} does not answer to scrapes"},
    }
    groups = [
        {"name": "airswasm", "interval": f"{round(interval_seconds * 1_000)}ms", "rules": own},
        {"name": "airswasm-scrape", "rules": [down]},
    ]
    return _HEAD + _yaml({"groups": groups})


def scrape_file(targets: Sequence[str], *, token_file: str, rules: str) -> str:
    """Return a configuration for Prometheus, YAML.

    Args:
        targets: Addresses, `host:port`.
        token_file: The file with a token of the scope `monitoring`.
        rules: The path of the rule file.
    """
    job = {
        "job_name": "airswasm",
        "authorization": {"credentials_file": token_file},
        "static_configs": [{"targets": list(targets)}],
    }
    document = {
        "global": {"scrape_interval": "15s", "evaluation_interval": "15s"},
        "rule_files": [rules],
        "scrape_configs": [job],
    }
    return _HEAD + _yaml(document)


def _yaml(value: object, indent: int = 0) -> str:
    """Return mappings and lists as YAML; texts are quoted as in JSON, which YAML contains."""
    space = " " * indent
    lines: list[str] = []
    if isinstance(value, Mapping):
        for key, each in cast("Mapping[str, object]", value).items():
            lines.append(f"{space}{key}:{_nested(each, indent + 2)}")
    else:
        for each in cast("Sequence[object]", value):
            text = _nested(each, indent + 2)
            lines.append(f"{space}-{' ' + text.lstrip() if text.startswith(chr(10)) else text}")
    return "\n".join(lines) + ("" if indent else "\n")


def _nested(value: object, indent: int) -> str:
    if isinstance(value, Mapping | list | tuple) and value:
        return f"\n{_yaml(cast('object', value), indent)}"
    return f" {json.dumps(value, ensure_ascii=False)}"
