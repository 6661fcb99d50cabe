"""A home as it lies on the disk, read without hosting it.

What is installed, what is known of it, and what it logged: that needs the registry and the files,
and nothing that executes a component. So this module imports neither an engine nor actors nor an
event loop, reads the sections of config.toml that say how, and what it needs for some answers only
(the log files, a manifest, settings that are set) it imports there. `System` does the rest.

Rejected: `System` with its imports moved into its methods. Its parts are one composition, and the
readers are the better for a class that cannot change anything.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from airswasm.storage import StoreReader, has_store, read_store

from ._home.home import OLD_STORE, Home
from ._registry.registry import REGISTRY_NAMESPACE, ComponentRecord, Registry
from ._registry.summary import ComponentSummary
from ._reporting import Reporting
from .errors import StoreMissing

if TYPE_CHECKING:
    from airswasm.messaging import DurableSettings

    from ._home.configuration import Configuration
    from ._home.logfiles import LogFiles
    from ._home.policy import HostPolicy
    from ._hosting.status import ComponentStatus, SystemStatus
    from ._keeping.audit_trail import AuditTrail
    from ._packages.manifest import Manifest
    from ._registry.info import ComponentInfo, RecordingInfo
    from ._registry.registry import VersionRecord
    from ._registry.routes import RouteInfo
    from ._registry.worlds import ComponentWorld

__all__ = ("HomeReader", "find_store")


class HomeReader:
    """The contents of a home; a context manager.

    It takes no lock and changes nothing, and works beside a running host. It shows what was
    there when it was opened.

    Attributes:
        home: Where everything lies.

    Args:
        home: The home, or its folder.
        environment: The variables that win over config.toml.

    Raises:
        ConfigurationInvalid: `[storage]` of config.toml is wrong; other sections are not read.
        HomeUnusable: The path is a file, a link to nothing, or not UTF-8.
        StoreMissing: There was a store.
        RegistryCorrupt: A record cannot be understood.
        StorageError: The store cannot be read.
    """

    def __init__(
        self, home: Home | os.PathLike[str] | str, *, environment: Mapping[str, str] = os.environ
    ) -> None:
        self.home = home if isinstance(home, Home) else Home(Path(home))
        self._environment = environment
        self._exits = ExitStack()
        self._store: StoreReader | None = None

    def __enter__(self) -> Self:
        self.home.check()
        rows: Mapping[str, bytes] = {}
        with ExitStack() as stack:
            if find_store(self.home):
                store = stack.enter_context(self._reader())
                self._store, rows = store, dict(store.entries(REGISTRY_NAMESPACE))
            self._registry = Registry.of(rows)
            self._exits = stack.pop_all()
        self._reporting = Reporting(
            self._registry, self._manifest, self._used_bytes, self._policy, self._durable,
            time.time, self._size_of, self._world_of,
            recording=self._recording,
        )  # fmt: skip
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._exits.close()

    @property
    def audit(self) -> AuditTrail:
        """The audit log, to verify, query and follow."""
        return self._trail(self.home.audit_log)

    @property
    def audited_messages(self) -> AuditTrail:
        """The lines of messages, where a host has kept them (`[audit] messages`)."""
        return self._trail(self.home.message_log)

    def _trail(self, log: Path) -> AuditTrail:
        from ._keeping.audit_memory import AUDIT_NAMESPACE, head_in, head_key
        from ._keeping.audit_trail import AuditTrail

        kept = dict(self._store.entries(AUDIT_NAMESPACE)) if self._store is not None else {}
        return AuditTrail(log, head_in(kept.get(head_key(log))))

    @property
    def logs(self) -> LogFiles:
        """The lines of components, and the events of their lives.

        Raises:
            ConfigurationInvalid: `[logs]` of config.toml is wrong.
        """
        from ._home.logfiles import LogFiles, LogLimits

        limits = self._settings("logs").get(LogLimits) if self._is_set("logs") else LogLimits()
        return LogFiles(self.home.logs_folder, limits)

    def list(self) -> tuple[ComponentSummary, ...]:
        """Return everything that is installed, by name."""
        return self._reporting.summaries()

    def routes(self) -> tuple[RouteInfo, ...]:
        """Return what each name leads to, sorted by name."""
        return self._reporting.routes()

    def info(self, name: str) -> ComponentInfo:
        """Return all that is known of one component.

        Raises:
            NotInstalled: There is none.
            ArtifactCorrupt: Its manifest is damaged on disk.
        """
        return self._reporting.info(name)

    def component_status(self, name: str) -> ComponentStatus:
        """Return how one component does.

        Raises:
            NotInstalled: There is none.
        """
        return self._reporting.status(self._registry.get(name))

    def status(self) -> SystemStatus:
        """Return how the home does; no component runs as far as its reader can tell."""
        from ._hosting.status import SystemStatus

        components = tuple(map(self._reporting.status, self._registry))
        return SystemStatus(
            home=str(self.home.folder),
            is_online=False,
            mode="development" if self._policy().is_development else "production",
            pid=self.home.running_pid(),
            uptime=None,
            installed=len(components),
            running=0,
            components=components,
            lost_writes=self._store.lost_writes if self._store is not None else 0,
        )

    def _reader(self) -> StoreReader:
        if not self._is_set("storage"):
            return read_store(self.home.store_folder)
        from airswasm.storage import StorageSettings

        settings = self._settings("storage").get(StorageSettings)
        return read_store(self.home.store_folder, settings.engine)

    def _is_set(self, section: str) -> bool:
        """Whether a section may have other settings than the defaults.

        Most homes have no config.toml; what reads one is then not imported.
        """
        prefix = f"AIRSWASM_{section}_".upper()
        is_in_environment = any(name.startswith(prefix) for name in self._environment)
        return is_in_environment or not _is_absent(self.home.config_file)

    def _settings(self, *sections: str) -> Configuration:
        from airswasm.messaging import BLOCK as MESSAGING
        from airswasm.runtime import BLOCK as RUNTIME
        from airswasm.storage import BLOCK as STORAGE

        from ._block import BLOCK
        from ._home.configuration import Configuration

        known = (*STORAGE.sections, *RUNTIME.sections, *MESSAGING.sections, *BLOCK.sections)
        wanted = [each for each in known if each.name in sections]
        return Configuration.load_only(self.home.config_file, wanted, self._environment)

    def _policy(self) -> HostPolicy:
        from ._home.policy import HostPolicy

        sections = ("install", "limits", "supervision", "health", "host")
        if not any(map(self._is_set, sections)):
            return HostPolicy()
        return HostPolicy.of(self._settings(*sections))

    def _durable(self) -> DurableSettings:
        from airswasm.messaging import DurableSettings

        if not self._is_set("durable"):
            return DurableSettings()
        return self._settings("durable").get(DurableSettings)

    def _used_bytes(self, name: str) -> int | None:
        return None if self._store is None else self._store.used_bytes(name)

    def _recording(self, name: str) -> RecordingInfo | None:
        from ._registry.info import RECORDINGS_NAMESPACE, RecordingInfo

        is_recording = False
        if self._is_set("replay"):
            from ._trial.settings import ReplaySettings

            is_recording = self._settings("replay").get(ReplaySettings).covers(name)
        kept = dict(self._store.entries(RECORDINGS_NAMESPACE)) if self._store is not None else {}
        line = kept.get(name)
        if line is None:
            return RecordingInfo(name, is_recording) if is_recording else None
        return RecordingInfo.of_line(name, line, is_recording=is_recording)

    def _manifest(self, record: ComponentRecord) -> Manifest:
        from ._home.artifacts import ArtifactStore
        from ._registry.info import read_manifest

        return read_manifest(ArtifactStore(self.home.artifacts_folder), record)

    def _size_of(self, version: VersionRecord) -> int:
        from ._home.artifacts import ArtifactStore

        artifacts = ArtifactStore(self.home.artifacts_folder)
        return sum(artifacts.size(each) or 0 for each in version.files.values())

    def _world_of(self, digest: str) -> ComponentWorld:
        from airswasm.wit import Blocks

        from ._home.artifacts import ArtifactStore
        from ._registry.worlds import Worlds

        worlds = Worlds()
        path = ArtifactStore(self.home.artifacts_folder).path(digest)
        worlds.read(digest, path, Blocks.find().contract)
        return worlds.known(digest)


def find_store(home: Home) -> bool:
    """Return whether a home has a store.

    Raises:
        StoreMissing: It had one; opening a new one would sweep away what that one knew of.
    """
    if has_store(home.store_folder):
        return True
    from ._home.artifacts import ArtifactStore  # here, because most homes have a store

    is_moving = any(home.folder.glob(f"{OLD_STORE}*"))  # and was killed between two renames
    if is_moving or not ArtifactStore(home.artifacts_folder).is_empty():
        raise StoreMissing(str(home.store_folder))
    return False


def _is_absent(file: Path) -> bool:
    try:
        file.stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:  # it is there, and reading it says what is wrong
        return False
    return False
