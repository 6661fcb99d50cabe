"""The home: its folders, its store, its settings, its backups."""

from __future__ import annotations

from collections.abc import Sequence

from airswasm.wit import ErrorCode, ExitStatus

from ._tree import LifecycleError, ManifestProblem

__all__ = (
    "BackupInvalid",
    "ConfigurationInvalid",
    "HomeNotEmpty",
    "HomeUnusable",
    "NoSuchSetting",
    "SettingsGiven",
    "StoreMissing",
)


class HomeUnusable(LifecycleError):
    """The home folder cannot be created, read, or written."""

    explanation = ErrorCode(
        "E0324",
        "home unusable",
        "The home folder cannot be created, read or written.",
        "check the folder's owner and mode, or set AIRSWASM_HOME to another one",
    )

    def __init__(self, path: str, reason: str) -> None:
        self.path, self.reason = path, reason
        super().__init__(f"{path}: {reason}")


class StoreMissing(LifecycleError):
    """The home has artifacts of installed components but no store."""

    explanation = ErrorCode(
        "E0330",
        "store missing",
        "The home has files of installed components but no store with their records: its folder "
        "was removed, or its disk is not mounted. Nothing changed.",
        "restore the store from a backup, mount its disk or, after an interrupted `airswasm "
        "storage migrate`, run it again. To start afresh, remove the home's folder `artifacts` too",
    )

    def __init__(self, path: str) -> None:
        self.path = path
        super().__init__(f"{path} is missing, though components were installed in this home")


class BackupInvalid(LifecycleError):
    """A file is not a whole backup of a home."""

    explanation = ErrorCode(
        "E0338",
        "not a backup",
        "The file is cut short, altered, or not a backup of a home. Nothing was restored.",
        "use a file that `airswasm backup` wrote and verified",
        ExitStatus.NOT_AUTHENTIC,
    )

    def __init__(self, source: str, reason: str) -> None:
        self.source, self.reason = source, reason
        super().__init__(f"{source}: {reason}")


class HomeNotEmpty(LifecycleError):
    """A home would be replaced, and that was not asked for."""

    explanation = ErrorCode(
        "E0335",
        "home not empty",
        "A backup is restored into a new home, unless it is to replace the one that is there.",
        "name another folder with --home, or say --replace: the old home is kept beside the new",
        ExitStatus.REFUSED,
    )

    def __init__(self, path: str) -> None:
        self.path = path
        super().__init__(f"{path} is not empty")


class ConfigurationInvalid(LifecycleError):
    """config.toml of the home is wrong; the error lists every problem."""

    explanation = ErrorCode(
        "E0325",
        "config.toml is wrong",
        "config.toml has unknown keys or wrong values.",
        "correct the lines named above",
        ExitStatus.USAGE,
    )

    def __init__(self, file: str, problems: Sequence[ManifestProblem]) -> None:
        self.file = file
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))
        if not any(problem.line for problem in self.problems):
            # A key within a list or table is shown with its setting: `http.routes.path`.
            key = ".".join(next((each.key for each in self.problems), "").split(".")[:2])
            look = "get" if "." in key else "show"
            self.hint = f"`airswasm config {look} {key}` says what it accepts"


class NoSuchSetting(LifecycleError):
    """No installed block has a setting of that name.

    Attributes:
        name: The requested name.
    """

    explanation = ErrorCode(
        "E0331",
        "no such setting",
        "A setting is named section.key, and no installed block has one of that name.",
        "`airswasm config show` lists all of them",
        ExitStatus.USAGE,
    )

    def __init__(self, name: str, suggestion: str) -> None:
        self.name = name
        super().__init__(f"there is no setting {name!r}{suggestion}")


class SettingsGiven(LifecycleError):
    """The program that opened the home gave it its settings, so there is no file to read again.

    Attributes:
        file: The config.toml of the home.
    """

    explanation = ErrorCode(
        "E0381",
        "settings not from a file",
        "A program opened this home with settings of its own. They hold until it opens it again, "
        "and config.toml has no effect.",
        "change the settings where that program makes them, and open the home again",
        ExitStatus.REFUSED,
    )

    def __init__(self, file: str) -> None:
        self.file = file
        super().__init__(f"{file} is not read: the program that hosts it gave other settings")
