"""The gate `interface`: what others use of a component is still there, and means the same.

It compares the exports of the two versions (`airswasm.wit.compare_exports`) and the terms on which
messages are taken (`terms`). A change that breaks blocks where it hits a user; without one it is
said, and nothing more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import anyio.to_thread
from airswasm.runtime import Services
from airswasm.wit import Alteration, Contract, World, compare_exports
from airswasm.wit.names import CONTRACT_PACKAGE

from .._packages.sources import read_world
from .._verdicts import Reason, Verdict
from ..errors import ArtifactCorrupt
from .gate import VersionChange, VersionSide
from .terms import Term, compare_terms, lost_interfaces
from .users import User

__all__ = ("InterfaceGate", "interface_gate")

_MOST_NAMED = 20


class InterfaceGate:
    """Compares what two versions offer."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract

    async def judge(self, change: VersionChange) -> Verdict:
        """Return `blocked` if a change hits a user."""
        old = change.old
        if old is None:
            return _not_comparable("the files of the version before are lost")
        try:
            before, now = await old.read_wasm(), await change.new.read_wasm()
        except ArtifactCorrupt as error:
            return _not_comparable(str(error))
        terms = list(compare_terms(old.manifest, change.new.manifest))
        alterations: Sequence[Alteration] = ()
        if before != now:
            one, other = await self._world(before), await self._world(now)
            alterations = _of_others(compare_exports(one, other))
            terms += lost_interfaces(one.exports, other.exports)
        breaking = [each for each in alterations if each.breaks]
        users = await change.users.of(change.name) if breaking or terms else ()
        reasons = [
            *[_broken(each, _callers(users, each)) for each in breaking],
            *[_changed(each, await _hit(change, each, users)) for each in terms],
        ]
        hits = any(each.affected for each in reasons)
        if not hits:
            reasons += _harmless(alterations, change.new)
        return Verdict("blocked" if hits else "passed", tuple(reasons))

    async def _world(self, artifact: bytes) -> World:
        return await anyio.to_thread.run_sync(
            read_world, artifact, self._contract, abandon_on_cancel=True
        )


def interface_gate(services: Services) -> InterfaceGate:
    """Set the gate up for a host."""
    return InterfaceGate(services.get(Contract))


def _of_others(found: Iterable[Alteration]) -> list[Alteration]:
    """Leave out the contract's own interfaces, whose types the host checks by itself."""
    return [each for each in found if not each.interface.startswith(f"{CONTRACT_PACKAGE}/")]


def _callers(users: Iterable[User], alteration: Alteration) -> list[str]:
    return [
        each.name for each in users if each.interface == alteration.interface and each.is_caller
    ]


async def _hit(change: VersionChange, term: Term, users: Iterable[User]) -> list[str]:
    if term.code == "topic-abandoned":
        subscribers = await change.users.subscribers(term.subject)
        return [each for each in subscribers if each != change.name]
    return [str(each) for each in users if not each.is_caller] if term.hits_senders else []


def _broken(alteration: Alteration, callers: Sequence[str]) -> Reason:
    return _reason(alteration.code, str(alteration), alteration.subject, callers)


def _changed(term: Term, hit: Sequence[str]) -> Reason:
    return _reason(term.code, term.text, term.subject, hit)


def _reason(code: str, text: str, subject: str, hit: Sequence[str]) -> Reason:
    named = tuple(hit[:_MOST_NAMED])
    more = f" and {len(hit) - len(named):,} more" if len(hit) > len(named) else ""
    whom = f"; this hits {', '.join(named)}{more}" if hit else "; this host knows no user of it"
    return Reason(code, text + whom, subject, named, {"users": len(hit)})


def _harmless(alterations: Sequence[Alteration], new: VersionSide) -> Iterator[Reason]:
    kept = [each for each in alterations if not each.breaks]
    if kept:
        first = f"{kept[0]}" + (f", and {len(kept) - 1} more" if len(kept) > 1 else "")
        text = f"{new.version} stays compatible: {first}"
        yield Reason("compatible", text, detail={"changes": len(kept)})


def _not_comparable(why: str) -> Verdict:
    return Verdict("not comparable", (Reason("no-earlier-version", why),))
