"""The section `[alerts]` of config.toml."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from difflib import get_close_matches
from ipaddress import ip_network
from typing import Literal
from urllib.parse import urlsplit

from .defaults import DEFAULT_RULES
from .rules import AlertRule, Severity

__all__ = ("AlertSettings", "Webhook")

_MOST_RULES = 200
_MOST_WEBHOOKS = 20
_HOST = re.compile(r"[A-Za-z0-9.-]{1,253}|\[[0-9a-fA-F:.]+\]", re.ASCII)


@dataclass(frozen=True, slots=True)
class Webhook:
    """One `[[alerts.webhooks]]`: a receiver of alerts.

    Attributes:
        name: By which it is shown.
        url: Where alerts are posted; https.
        secret_file: The file with the secret of the HMAC that signs them, `whsec_` and base64,
            relative to the home; empty for none.
        key_file: The file with an Ed25519 key that signs them, likewise.
        severities: The severities that it is told of; all if empty.
    """

    name: str
    url: str
    secret_file: str = ""
    key_file: str = ""
    severities: tuple[Severity, ...] = ()

    def __post_init__(self) -> None:
        if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", self.name) is None:
            raise ValueError(f"{self.name[:80]!r} is no name of a receiver: letters, digits, ._-")
        if re.fullmatch(r"[!-~]{1,2000}", self.url) is None:
            raise ValueError("url has spaces or other characters that a URL has not")
        parts = urlsplit(self.url)
        try:
            is_good = parts.scheme == "https" and parts.port != 0 and "@" not in parts.netloc
        except ValueError:
            is_good = False
        if not is_good or _HOST.fullmatch(self.url[8:].split("/")[0].rsplit(":", 1)[0]) is None:
            raise ValueError("url must be https://HOST/…, without a login")


@dataclass(frozen=True, slots=True)
class AlertSettings:
    """`[alerts]`: rules by which the host judges itself, and who is told.

    Attributes:
        evaluate: `off` evaluates no rules.
        interval_seconds: Seconds between two evaluations.
        off: Names of rules that are not evaluated, such as those that a host has by default.
        rules: Further rules, or others in place of those of the same name: `[[alerts.rules]]` with
            `name`, `when`, `for_seconds`, `clear`, `severity`, `labels`, `annotations`.
        log: Whether alerts that fire and end are written to the program's log.
        webhooks: Receivers of alerts: `[[alerts.webhooks]]` with `name`, `url`, `secret_file`,
            `key_file`, `severities`.
        internal_networks: Networks whose addresses receivers may have, such as "10.0.0.0/8"; others
            inside this host and its networks are refused.
        ca_file: A PEM file of certificates to trust beside the system's; empty for none.
    """

    evaluate: Literal["on", "off"] = "on"
    interval_seconds: float = 15.0
    off: tuple[str, ...] = ()
    rules: tuple[AlertRule, ...] = ()
    log: bool = True
    webhooks: tuple[Webhook, ...] = ()
    internal_networks: tuple[str, ...] = ()
    ca_file: str = ""

    def __post_init__(self) -> None:
        if not 1 <= self.interval_seconds <= 300:
            raise ValueError("interval_seconds must be from 1 to 300")
        if len(self.rules) > _MOST_RULES or len(self.webhooks) > _MOST_WEBHOOKS:
            raise ValueError(f"at most {_MOST_RULES} rules and {_MOST_WEBHOOKS} webhooks")
        for kind, names in (
            ("rules", [each.name for each in self.rules]),
            ("webhooks", [each.name for each in self.webhooks]),
        ):
            twice = [name for name, count in Counter(names).items() if count > 1]
            if twice:
                raise ValueError(f"two {kind} have the name {twice[0]}")
        known = [each.name for each in (*DEFAULT_RULES, *self.rules)]
        for name in self.off:
            if name not in known:
                near = get_close_matches(name, known, 1)
                hint = f"; did you mean {near[0]}?" if near else ""
                raise ValueError(f"off: there is no rule {name[:64]!a}{hint}")
        for network in self.internal_networks:
            try:
                ip_network(network)
            except ValueError:
                raise ValueError(
                    f"internal_networks must be networks such as 10.0.0.0/8: {network!r}"
                ) from None

    @property
    def all_rules(self) -> tuple[AlertRule, ...]:
        """The rules that there are, also those that are off; the default ones first."""
        own = {each.name: each for each in self.rules}
        defaults = [own.pop(each.name, each) for each in DEFAULT_RULES]
        return (*defaults, *own.values())

    @property
    def rules_in_force(self) -> tuple[AlertRule, ...]:
        """The rules that are evaluated."""
        return tuple(each for each in self.all_rules if each.name not in self.off)
