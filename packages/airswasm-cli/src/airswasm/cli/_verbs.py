"""All verbs: the command's own, and those of other installed blocks."""

from __future__ import annotations

from collections.abc import Mapping

from airswasm.wit import Verb

from ._block import BLOCK, GROUPS

__all__ = ("all_verbs", "find_verb", "groups")


def find_verb(name: str) -> Verb | None:
    """Return the verb of that name; the installed packages are read only for foreign ones."""
    own = next((verb for verb in BLOCK.verbs if verb.name == name), None)
    return own or all_verbs().get(name)


def all_verbs() -> Mapping[str, Verb]:
    """Return every verb by its name: the command's own first, then those of other blocks.

    This omits the verbs of a block whose declaration fails or that claims an existing verb;
    `doctor` names that block.
    """
    from airswasm.wit import Blocks

    own = {verb.name: verb for verb in BLOCK.verbs}
    others = Blocks.find().verbs
    return own | {name: verb for name, verb in others.items() if name not in own}


def groups(verbs: Mapping[str, Verb]) -> tuple[str, ...]:
    """Return the headings in the order of the help."""
    return tuple(dict.fromkeys((*GROUPS, *(verb.group for verb in verbs.values()))))
