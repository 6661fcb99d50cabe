"""The forbidden list: what no component may touch on any host, whatever it was granted.

It is asked first, and no grant, trust level or role makes up for it. Blocks declare what is on it
(`Block.forbidden`), because only they know how their resources are spelled; `[security] forbidden`
of config.toml adds to it. Nothing takes an entry away: what an operator may want to allow belongs
on no list that a development host relies on.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from airswasm.wit import Forbidden

from .._kinds.grants import Grants
from .._kinds.kinds import Kinds, Rules
from .._kinds.spelling import Reach, Resource
from .layers import Verdict

__all__ = ("ForbiddenLayer",)


_RUN = re.compile(r"[\w.:-]+", re.ASCII)


class ForbiddenLayer:
    """The forbidden list of one host, as a layer of its guard.

    Every uncached call passes it, so it looks for a run of letters of each pattern in the resource
    before it matches any pattern.

    Args:
        kinds: The capabilities of the host.
        entries: The list.

    Raises:
        InvalidPattern: A pattern cannot be read by its capability's spelling.
    """

    name = "forbidden"

    def __init__(self, kinds: Kinds, entries: Iterable[Forbidden]) -> None:
        self._kinds = kinds
        self._names: dict[tuple[str, str], str] = {}
        self._by_run: dict[str, dict[str, dict[str, None]]] = {}
        self._rules: dict[str, dict[str, Rules]] = {}
        self.extend(entries)

    def extend(self, entries: Iterable[Forbidden]) -> None:
        """Add to the list; tell the guard to forget its decisions afterwards."""
        for each in entries:
            for kind in self._kinds:
                if each.capability in (kind.name, kind.name.partition(".")[0]):
                    self._add(kind.annotation, each)

    def _add(self, capability: str, entry: Forbidden) -> None:
        spelling = self._kinds.spelling(capability)
        by_run = self._by_run.setdefault(capability, {})
        for text in entry.patterns:
            pattern = spelling.pattern(text)
            self._names.setdefault((capability, pattern.text), entry.name)
            by_run.setdefault(_run_of(pattern.text), {})[text] = None
        self._rules[capability] = {
            run: self._kinds.rules(Grants(deny={capability: tuple(texts)}))
            for run, texts in by_run.items()
        }

    def judge(self, component: str, capability: str, resource: Resource) -> Verdict | None:
        """Refuse what is on the list."""
        del component
        by_run = self._rules.get(capability)
        if by_run is None:
            return None
        text = resource.text.lower()
        is_searched = resource.reach is Reach.EXACT and text.isascii()
        for run, rules in by_run.items():
            if is_searched and run not in text:
                continue
            pattern = rules.denying(capability, resource)
            if pattern is not None:
                name = self._names.get((capability, pattern), "")
                rule = f"the forbidden list has {pattern}" + (f" ({name})" if name else "")
                return Verdict(self.name, is_allowed=False, rule=rule, is_explicit=True)
        return None

    def effort(self, component: str, capability: str) -> int:
        """Return the effort of the search; what it finds pays for a denial, too."""
        del component
        return len(self._rules.get(capability, ()))


def _run_of(pattern: str) -> str:
    """Return the longest run of letters that every resource of a pattern has, in small letters.

    None is taken of a pattern with sets of characters, or with several words.
    """
    is_set = "[" in pattern and ":" not in pattern.partition("[")[2].partition("]")[0]
    if is_set or " " in pattern or not pattern.isascii():
        return ""
    return max(_RUN.findall(pattern), key=len, default="").strip(":").lower()
