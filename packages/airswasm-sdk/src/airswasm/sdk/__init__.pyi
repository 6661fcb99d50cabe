from ._block import BLOCK
from ._build import Artifact, BuildProgress, build_project
from ._diagnostic import Diagnostic
from ._pack import cosign_package, next_sequence, pack_project, sign_project
from ._project import Project, init_project
from ._template import Template, find_template, languages, templates
from ._toolchain import WORLD, BuildPlan, Step, Toolchain, toolchain_of
from .errors import (
    ArtifactInTheWay,
    ArtifactMissing,
    BuildFailed,
    BuildTimedOut,
    ComponentRefused,
    FolderNotEmpty,
    InvalidProjectName,
    LanguageNotSupported,
    NotAProject,
    SdkError,
    TemplateNotFound,
    ToolMissing,
)

__all__ = (
    "BLOCK",
    "WORLD",
    "Artifact",
    "ArtifactInTheWay",
    "ArtifactMissing",
    "BuildFailed",
    "BuildPlan",
    "BuildProgress",
    "BuildTimedOut",
    "ComponentRefused",
    "Diagnostic",
    "FolderNotEmpty",
    "InvalidProjectName",
    "LanguageNotSupported",
    "NotAProject",
    "Project",
    "SdkError",
    "Step",
    "Template",
    "TemplateNotFound",
    "ToolMissing",
    "Toolchain",
    "build_project",
    "cosign_package",
    "find_template",
    "init_project",
    "languages",
    "next_sequence",
    "pack_project",
    "sign_project",
    "templates",
    "toolchain_of",
)
