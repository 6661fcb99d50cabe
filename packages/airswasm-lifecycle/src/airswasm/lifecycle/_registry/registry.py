"""Record durably what is installed: one record for each name, one batch for each change.

A record holds everything that decides what runs under a name: the retained versions with the
digests of their files, the active version, the sequence floor, the owner's key, whether it should
run, and the grant record. It is one value in the host's store, written in one atomic
synced batch, so a change is whole or absent and an update needs no journal. The host stores
artifacts before the record that names them, and sweeps those that no record names.

All records also stay in memory. One scan reads ten thousand of them, and `put` writes any number in
one batch. A stored record does not repeat its name, so the records of one artifact's names are the
same bytes: they are parsed once and share their parts.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Literal, Protocol, TypeAlias, cast

from airswasm.security import GrantOrigin, GrantRecord, SecurityError

from .._packages.requests import read_grants
from ..errors import HostOffline, NotInstalled, RegistryCorrupt, RegistryTooNew
from .checkpoint import DataCheckpoint

__all__ = (
    "REGISTRY_NAMESPACE",
    "Beside",
    "ComponentRecord",
    "RegistryTable",
    "Registry",
    "VersionRecord",
    "Wanted",
)

Wanted = Literal["running", "stopped"]
FORMAT = 3
"""The format that is written. Earlier ones are read:

- 1 had no decisions about grants: all that was asked for was granted.
- 2 did not know when a version was replaced, whether it is pinned, and which checkpoint it has.
"""
FORMATS = (1, 2, FORMAT)
_CURRENT = f'"format":{FORMAT},'.encode()
_WITHOUT_GRANTS = 1
Beside: TypeAlias = Mapping[str, Mapping[str, bytes | None]]
"""Namespaces of the host, with the rows of each that change together with a record."""
_NOTHING: Beside = MappingProxyType({})
REGISTRY_NAMESPACE = "airswasm-registry"
"""Of the host's store. No slash: no component has this name."""


@dataclass(frozen=True, slots=True)
class VersionRecord:
    """One installed version of a component."""

    version: str
    sequence: int
    wasm_digest: str
    files: Mapping[str, str]
    """Path in the package to SHA-256; `component.sig` included if it is signed."""
    asked: Mapping[str, tuple[str, ...]]
    """The capabilities that it asks for, as in the manifest."""
    signer: str | None
    """The public key, hex; None for an unsigned package."""
    installed_at: float
    """Seconds since 1970."""
    source: str = ""
    """Where it came from, in canonical form; empty if it has no source to go back to."""
    pin: str = ""
    """The source's name for exactly this version: a commit, a digest."""
    is_pinned: bool = False
    """Whether an operator keeps it, however old it is."""
    replaced_at: float | None = None
    """When it stopped being active, in seconds since 1970; None if it is, or if not known."""
    overridden: Mapping[str, str] = field(default_factory=dict[str, str])
    """The gates that would have stopped it, with an operator's reasons to override them."""
    checkpoint: DataCheckpoint | None = None
    """The copy of its data, taken as it was replaced; None if there is none."""
    data_format: str = ""
    """The version whose `migrate` made the data what this one works on; empty for none."""
    is_swapped: bool = False
    """Whether it is a development build that was swapped in."""
    needs: tuple[str, ...] = ()
    """Components that must be ready before it starts, as in the manifest."""
    is_untried: bool = False
    """Whether it was replaced before its first start, and has yet to take over stored data."""

    def to_document(self) -> dict[str, object]:
        """Return the version in its stored form; it has only those later fields that are set."""
        document: dict[str, object] = {
            "version": self.version,
            "sequence": self.sequence,
            "wasm": self.wasm_digest,
            "files": dict(self.files),
            "asked": {name: list(patterns) for name, patterns in self.asked.items()},
            "signer": self.signer,
            "installed_at": self.installed_at,
        }
        if self.source:
            document |= {"source": self.source, "pin": self.pin}
        if self.is_pinned:
            document["pinned"] = True
        if self.replaced_at is not None:
            document["replaced_at"] = self.replaced_at
        if self.overridden:
            document["overridden"] = dict(self.overridden)
        if self.checkpoint is not None:
            document["checkpoint"] = self.checkpoint.to_document()
        if self.data_format:
            document["data_format"] = self.data_format
        if self.is_swapped:
            document["swapped"] = True
        if self.needs:
            document["needs"] = list(self.needs)
        if self.is_untried:
            document["untried"] = True
        return document


@dataclass(frozen=True, slots=True)
class ComponentRecord:
    """The versions installed under one name."""

    name: str
    package_name: str
    """The name in the package; differs if it was installed under another one."""
    owner: str | None
    """The public key, as text, that must sign updates; None if unsigned."""
    floor: int
    """The highest sequence ever installed; an update needs a higher one."""
    active: str
    """The version that runs, or would."""
    versions: tuple[VersionRecord, ...]
    """The retained versions, in the order of their installation."""
    wanted: Wanted = "running"
    migrate_from: str | None = None
    """The version whose data the active one has yet to take over."""
    grants: GrantRecord = field(default_factory=GrantRecord)
    """The decisions about what its versions ask for."""
    data_format: str = ""
    """The version whose `migrate` made the present data what it is; empty for none."""
    set_aside: str = ""
    """While another version works on a copy: the label of the data that the active one has left."""

    @property
    def labels(self) -> frozenset[str]:
        """The labels of all copies of its data that it names."""
        found = {each.checkpoint.label for each in self.versions if each.checkpoint is not None}
        return frozenset(found | {self.set_aside} - {""})

    @property
    def active_version(self) -> VersionRecord:
        """The record of the active version."""
        return self.version(self.active)

    def version(self, version: str) -> VersionRecord:
        """Return the record of a retained version.

        Raises:
            KeyError: The record does not retain that version.
        """
        for candidate in self.versions:
            if candidate.version == version:
                return candidate
        raise KeyError(version)

    def is_untried(self, version: VersionRecord) -> bool:
        """Return whether a retained version has never started over the data of another one."""
        is_waiting = version.version == self.active and self.migrate_from is not None
        return version.is_untried or is_waiting

    def has_version(self, version: str) -> bool:
        """Return whether the record retains that version."""
        return any(candidate.version == version for candidate in self.versions)

    def with_version(self, added: VersionRecord) -> ComponentRecord:
        """Return a record with a version added and active."""
        before = self._replaced(added.installed_at)
        others = (each for each in before if each.version != added.version)
        return replace(
            self,
            active=added.version,
            versions=(*others, added),
            floor=max(self.floor, added.sequence),
        )

    def with_pin(self, version: str, *, is_pinned: bool) -> ComponentRecord:
        """Return a record in which a retained version is pinned, or not any more."""
        return replace(
            self,
            versions=tuple(
                replace(each, is_pinned=is_pinned) if each.version == version else each
                for each in self.versions
            ),
        )

    def with_active(self, version: str, now: float) -> ComponentRecord:
        """Return a record in which another retained version is active, since now."""
        versions = tuple(
            replace(each, replaced_at=None, is_untried=False) if each.version == version else each
            for each in self._replaced(now)
        )
        return replace(self, active=version, versions=versions)

    def with_overridden(self, overridden: Mapping[str, str]) -> ComponentRecord:
        """Return a record whose active version got there past some gates."""
        versions = tuple(
            replace(each, overridden=dict(overridden)) if each.version == self.active else each
            for each in self.versions
        )
        return replace(self, versions=versions)

    def with_checkpoint(self, version: str, taken: DataCheckpoint | None) -> ComponentRecord:
        """Return a record in which a version has another checkpoint, if it is retained."""
        versions = tuple(
            replace(each, checkpoint=taken) if each.version == version else each
            for each in self.versions
        )
        return replace(self, versions=versions)

    def with_data_format(self, data_format: str) -> ComponentRecord:
        """Return a record whose active version works on data of another format."""
        versions = tuple(
            replace(each, data_format=data_format) if each.version == self.active else each
            for each in self.versions
        )
        return replace(self, versions=versions, data_format=data_format)

    def _replaced(self, now: float) -> tuple[VersionRecord, ...]:
        """Return the versions with the active one replaced now, after all that were before.

        A clock that was set back must not make the way back the oldest of them.
        """
        earlier = [each.replaced_at for each in self.versions if each.replaced_at is not None]
        now = max(now, math.nextafter(max(earlier), math.inf)) if earlier else now
        return tuple(
            replace(each, replaced_at=now, is_untried=self.is_untried(each))
            if each.version == self.active
            else each
            for each in self.versions
        )

    def to_json(self) -> bytes:
        """Return the record in its stored form."""
        document = {
            "format": FORMAT,
            "package_name": self.package_name,
            "owner": self.owner,
            "floor": self.floor,
            "active": self.active,
            "wanted": self.wanted,
            "migrate_from": self.migrate_from,
            "grants": self.grants.to_documents(),
            "versions": [each.to_document() for each in self.versions],
        }
        if self.data_format:
            document["data_format"] = self.data_format
        if self.set_aside:
            document["set_aside"] = self.set_aside
        return json.dumps(document, separators=(",", ":"), sort_keys=True).encode()

    @classmethod
    def from_json(cls, name: str, content: bytes) -> ComponentRecord:
        """Parse a stored record.

        Raises:
            RegistryCorrupt: The content is not a record, or has a later format.
        """
        try:
            document = json.loads(content)
            form = document["format"]
            if isinstance(form, int) and form > FORMAT:
                raise RegistryTooNew(name, form, FORMAT)
            if form not in FORMATS:
                raise RegistryCorrupt(name, f"it has format {form}, not {FORMAT}")
            versions = tuple(_read_version(each) for each in document["versions"])
            record = cls(
                name=name,
                package_name=str(document["package_name"]),
                owner=document["owner"],
                floor=int(document["floor"]),
                active=str(document["active"]),
                versions=versions,
                wanted="running" if document["wanted"] == "running" else "stopped",
                migrate_from=document["migrate_from"],
                data_format=str(document.get("data_format", "")),
                set_aside=str(document.get("set_aside", "")),
            )
            active = record.active_version
            grants = (
                GrantRecord.from_documents(document["grants"])
                if form != _WITHOUT_GRANTS
                else _all_granted(active)
            )
            record = replace(record, grants=grants)
        except (ValueError, KeyError, TypeError, AttributeError, SecurityError) as error:
            raise RegistryCorrupt(name, f"{type(error).__name__}: {error}") from error
        return record


def _read_version(document: Mapping[str, object]) -> VersionRecord:
    files = cast("Mapping[str, str]", document["files"])
    asked = document["asked"] if "asked" in document else document["grants"]
    patterns = cast("Mapping[str, list[str]]", asked)
    signer, replaced_at = document["signer"], document.get("replaced_at")
    overridden = cast("Mapping[str, str]", document.get("overridden", {}))
    return VersionRecord(
        version=str(document["version"]),
        sequence=int(str(document["sequence"])),
        wasm_digest=str(document["wasm"]),
        files={str(path): str(digest) for path, digest in files.items()},
        asked={str(name): tuple(texts) for name, texts in patterns.items()},
        signer=None if signer is None else str(signer),
        installed_at=float(str(document["installed_at"])),
        source=str(document.get("source", "")),
        pin=str(document.get("pin", "")),
        is_pinned=document.get("pinned") is True,
        replaced_at=None if replaced_at is None else float(str(replaced_at)),
        overridden={str(gate): str(why) for gate, why in overridden.items()},
        checkpoint=DataCheckpoint.from_document(document.get("checkpoint")),
        data_format=str(document.get("data_format", "")),
        is_swapped=document.get("swapped") is True,
        needs=tuple(cast("list[str]", document.get("needs", []))),
        is_untried=document.get("untried") is True,
    )


def _all_granted(version: VersionRecord) -> GrantRecord:
    """Return the grant record of a format that had none: what was approved is granted."""
    origin = GrantOrigin("operator", version.installed_at, version.version)
    return GrantRecord.of(read_grants(version.asked), origin)


def _digests(record: ComponentRecord) -> Iterator[str]:
    for version in record.versions:
        yield from version.files.values()


def _earlier(rows: Mapping[str, bytes]) -> dict[int, dict[str, bytes]]:
    """Return the rows of each earlier format."""
    found: dict[int, dict[str, bytes]] = {}
    for name, content in rows.items():
        if _CURRENT not in content:  # the keys of a record are sorted, without spaces
            form = int(json.loads(content)["format"])
            if form != FORMAT:
                found.setdefault(form, {})[name] = content
    return found


def _read_records(rows: Mapping[str, bytes]) -> Iterator[ComponentRecord]:
    known: dict[bytes, ComponentRecord] = {}
    for name, content in rows.items():
        alike = known.get(content)
        if alike is None:
            alike = known[content] = ComponentRecord.from_json(name, content)
            yield alike
        else:
            yield replace(alike, name=name)


class RegistryTable(Protocol):
    """The registry's view of a store: ordered pairs, and one atomic write."""

    async def read_all(self) -> Mapping[str, bytes]:
        """Return every key with its value."""
        ...

    async def write(self, changes: Mapping[str, bytes | None], beside: Beside) -> None:
        """Set keys, or remove those with None, in one atomic and durable batch.

        Args:
            changes: Names with their records.
            beside: The rows that change with them, of other namespaces of the host.
        """
        ...


class Registry:
    """All records of a host.

    Reads come from memory. A change is durable when the call returns; a call that raises changes
    nothing. Make one with `open`.
    """

    def __init__(
        self,
        table: RegistryTable,
        records: Iterable[ComponentRecord],
        checkpoint: Callable[[str], None] = lambda _step: None,
    ) -> None:
        self._table = table
        self._records: dict[str, ComponentRecord] = {}
        self._uses: Counter[str] = Counter()
        self._released: set[str] = set()
        for record in records:
            self._records[record.name] = record
            self._uses.update(_digests(record))
        self._checkpoint = checkpoint
        self.changed: Callable[[str, frozenset[str]], None] = lambda _name, _labels: None
        """Called after each write, with the copies of data that a record named and does no more."""

    @classmethod
    async def open(
        cls,
        table: RegistryTable,
        *,
        checkpoint: Callable[[str], None] = lambda _step: None,
        keep: Callable[[int, Mapping[str, bytes]], object] | None = None,
    ) -> Registry:
        """Read every record; write those of an earlier format anew.

        Args:
            table: The stored records.
            checkpoint: Called before and after each write; tests stop the process there.
            keep: Called in a thread with a format and its rows, before they are written anew;
                what it raises leaves them as they are. None leaves them in any case.

        Raises:
            RegistryCorrupt: A record is damaged.
            RegistryTooNew: A later version of airswasm wrote it.
        """
        rows = await table.read_all()
        registry = cls(table, _read_records(rows), checkpoint)
        earlier = _earlier(rows) if keep is not None else {}
        for form, old in earlier.items():
            import anyio.to_thread  # here: verbs read the registry without a loop

            assert keep is not None
            await anyio.to_thread.run_sync(keep, form, old)
        if earlier:
            names = {name for old in earlier.values() for name in old}
            records = {name: registry.get(name).to_json() for name in names}
            await registry._write(records, _NOTHING)
        return registry

    @classmethod
    def of(cls, rows: Mapping[str, bytes]) -> Registry:
        """Return a registry that can only be read.

        Args:
            rows: Every name with its record.

        Raises:
            RegistryCorrupt: A record cannot be understood.
        """
        return cls(_Unchanging(), _read_records(rows))

    def __contains__(self, name: object) -> bool:
        return name in self._records

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[ComponentRecord]:
        return iter(sorted(self._records.values(), key=lambda record: record.name))

    def find(self, name: str) -> ComponentRecord | None:
        """Return the record of a name, or None if it is not installed."""
        return self._records.get(name)

    def get(self, name: str) -> ComponentRecord:
        """Return the record of a name.

        Raises:
            NotInstalled: No such name is installed; the error suggests similar names.
        """
        record = self._records.get(name)
        if record is None:
            raise NotInstalled(name, tuple(self._records))
        return record

    async def put(self, *records: ComponentRecord, beside: Beside = _NOTHING) -> None:
        """Write records, all of them or none, with rows of other namespaces that go with them."""
        added = {record.name: record for record in records}
        await self._write({name: record.to_json() for name, record in added.items()}, beside)
        before = {name: self.labels(name) for name in added}
        for name, record in added.items():
            self._enter(name, record)
            self.changed(name, before[name] - record.labels)

    async def remove(self, name: str, *, beside: Beside = _NOTHING) -> None:
        """Remove the record of a name, with rows of other namespaces that go with it.

        Raises:
            NotInstalled: No such name is installed.
        """
        self.get(name)
        await self._write({name: None}, beside)
        before = self.labels(name)
        self._enter(name, None)
        self.changed(name, before)

    def labels(self, name: str) -> frozenset[str]:
        """Return the labels of all copies of a name's data that its record names."""
        record = self._records.get(name)
        return record.labels if record is not None else frozenset()

    def digests(self) -> Set[str]:
        """Return the digests of all files that a retained version needs, as they are needed."""
        return self._uses.keys()

    def take_released(self) -> frozenset[str]:
        """Return the digests that changes since the last call have left unneeded, only once."""
        released = frozenset(each for each in self._released if each not in self._uses)
        self._released.clear()
        return released

    def _enter(self, name: str, record: ComponentRecord | None) -> None:
        before = self._records.pop(name, None)
        if record is not None:
            self._records[name] = record
            self._uses.update(_digests(record))
        for digest in _digests(before) if before is not None else ():
            self._uses[digest] -= 1
            if not self._uses[digest]:
                del self._uses[digest]
                self._released.add(digest)

    async def _write(self, changes: Mapping[str, bytes | None], beside: Beside) -> None:
        self._checkpoint("registry.before-write")
        await self._table.write(changes, beside)
        self._checkpoint("registry.after-write")


class _Unchanging:
    async def read_all(self) -> Mapping[str, bytes]:
        return {}

    async def write(self, changes: Mapping[str, bytes | None], beside: Beside) -> None:
        del changes, beside
        raise HostOffline("a change")
