"""Errors between a package on disk and a running component.

The tree follows the steps of an install: read the manifest, read the package, judge it, record it,
run it. Every class carries a stable ``code`` and a ``hint``, so a command line or an API can map a
failure without parsing text. Messages say what happened and where; hints say what to do next.

`_tree` has the base; the classes stand in `_packages`, `_versions`, `_data`, `_running`, `_home`,
`_sources` and `_trials`. Each belongs to this module all the same: a pickle or a traceback names no
private one.
"""

from ._data import CheckpointFailed, DataNotRestored, DataUndecided, NoCheckpoint
from ._home import (
    BackupInvalid,
    ConfigurationInvalid,
    HomeNotEmpty,
    HomeUnusable,
    NoSuchSetting,
    SettingsGiven,
    StoreMissing,
    TemporaryFolderMissing,
)
from ._packages import (
    ApprovalRefused,
    ArtifactCorrupt,
    ArtifactsDamaged,
    LimitAbovePolicy,
    ManifestInvalid,
    MemoryTooSmall,
    OwnerChanged,
    PackageInvalid,
    PackageUnsigned,
    SequenceJumped,
    SequenceTooOld,
    WrongPackage,
)
from ._running import (
    ArgumentUnfit,
    EndedForMemory,
    GrantInPast,
    HostIsRunning,
    HostOffline,
    LearningRefused,
    NotMeasured,
    NotRunning,
    ProviderFailed,
    RestoreIsRunning,
    StartFailed,
    StopNeeded,
    SwapRefused,
    TooManyRunning,
)
from ._sources import (
    ComponentsInvalid,
    ExtraMissing,
    LockMismatch,
    LockMissing,
    NoRecordedSource,
    SourceChanged,
    SourceFailed,
    SourceRefused,
    SourceTooLarge,
    SourceUnknown,
)
from ._tree import LifecycleError, ManifestProblem
from ._trials import NothingRecorded, RecordingUnreadable, ReplayDiverged
from ._versions import (
    AlreadyInstalled,
    GateUnknown,
    NotInstalled,
    OverrideUnexplained,
    PurgeIncomplete,
    RegistryCorrupt,
    RolledBackPast,
    UpdateBlocked,
    UpdateFailed,
    VersionActive,
    VersionNotNewer,
    VersionNotRetained,
)

__all__ = (
    "SwapRefused",
    "ArgumentUnfit",
    "SettingsGiven",
    "AlreadyInstalled",
    "ApprovalRefused",
    "ArtifactCorrupt",
    "ArtifactsDamaged",
    "BackupInvalid",
    "CheckpointFailed",
    "ComponentsInvalid",
    "ConfigurationInvalid",
    "DataNotRestored",
    "DataUndecided",
    "EndedForMemory",
    "ExtraMissing",
    "GateUnknown",
    "GrantInPast",
    "HomeNotEmpty",
    "HomeUnusable",
    "HostIsRunning",
    "HostOffline",
    "LearningRefused",
    "LifecycleError",
    "LimitAbovePolicy",
    "LockMismatch",
    "LockMissing",
    "ManifestInvalid",
    "ManifestProblem",
    "MemoryTooSmall",
    "NoCheckpoint",
    "NoRecordedSource",
    "NoSuchSetting",
    "NotInstalled",
    "NotMeasured",
    "NotRunning",
    "NothingRecorded",
    "OverrideUnexplained",
    "OwnerChanged",
    "PackageInvalid",
    "PackageUnsigned",
    "ProviderFailed",
    "PurgeIncomplete",
    "RecordingUnreadable",
    "RegistryCorrupt",
    "ReplayDiverged",
    "RestoreIsRunning",
    "RolledBackPast",
    "SequenceJumped",
    "SequenceTooOld",
    "SourceChanged",
    "SourceFailed",
    "SourceRefused",
    "SourceTooLarge",
    "SourceUnknown",
    "StartFailed",
    "StopNeeded",
    "StoreMissing",
    "TemporaryFolderMissing",
    "TooManyRunning",
    "UpdateBlocked",
    "UpdateFailed",
    "VersionActive",
    "VersionNotNewer",
    "VersionNotRetained",
    "WrongPackage",
)


for _name in __all__:
    globals()[_name].__module__ = __name__
del _name
