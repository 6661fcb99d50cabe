from ._block import BLOCK
from ._build import Artifact, BuildProgress, build_project
from ._confinement import BuildLimits, missing_protections
from ._diagnostic import Diagnostic
from ._pack import cosign_package, next_sequence, pack_project, sign_project
from ._project import Project, init_project
from ._source_build import SourceBuild, building_from
from ._template import Template, find_template, languages, templates
from ._toolchain import WORLD, BuildPlan, Step, Toolchain, toolchain_of
from .errors import (
    ArtifactInTheWay,
    ArtifactMissing,
    BuildFailed,
    BuildNotConfined,
    BuildTimedOut,
    BuildTooLarge,
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
    "BuildLimits",
    "BuildNotConfined",
    "BuildPlan",
    "BuildProgress",
    "BuildTimedOut",
    "BuildTooLarge",
    "ComponentRefused",
    "Diagnostic",
    "FolderNotEmpty",
    "InvalidProjectName",
    "LanguageNotSupported",
    "NotAProject",
    "Project",
    "SdkError",
    "SourceBuild",
    "Step",
    "Template",
    "TemplateNotFound",
    "ToolMissing",
    "Toolchain",
    "build_project",
    "building_from",
    "cosign_package",
    "find_template",
    "init_project",
    "languages",
    "missing_protections",
    "next_sequence",
    "pack_project",
    "sign_project",
    "templates",
    "toolchain_of",
)
