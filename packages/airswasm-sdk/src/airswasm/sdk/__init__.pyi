from ._block import BLOCK
from ._build import Artifact, BuildProgress, build_project
from ._confinement import BuildLimits, missing_protections
from ._dev import DevEvent, develop
from ._diagnostic import Diagnostic
from ._fault_places import fault_places
from ._inspect import Inspection, inspect_component
from ._languages.known import LANGUAGES, toolchain_of
from ._manifest import ComponentManifest
from ._pack import cosign_package, next_sequence, pack_project, sign_project
from ._project import Project, init_project
from ._source_build import SourceBuild, building_from
from ._template import FolderTemplate, Template, find_template, languages, templates
from ._toolchain import WORLD, BuildPlan, Step, Toolchain
from .errors import (
    ArtifactInTheWay,
    ArtifactMissing,
    BuildFailed,
    BuildNotConfined,
    BuildTimedOut,
    BuildTooLarge,
    ComponentRefused,
    FolderNotEmpty,
    FolderNotWritable,
    InvalidProjectName,
    LanguageNotSupported,
    NoStrategy,
    NotAProject,
    SdkError,
    TemplateNotFound,
    TemplateUnusable,
    ToolMissing,
    ToolTooOld,
)

__all__ = (
    "BLOCK",
    "LANGUAGES",
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
    "ComponentManifest",
    "ComponentRefused",
    "DevEvent",
    "Diagnostic",
    "FolderNotEmpty",
    "FolderTemplate",
    "Inspection",
    "FolderNotWritable",
    "InvalidProjectName",
    "LanguageNotSupported",
    "NoStrategy",
    "NotAProject",
    "Project",
    "SdkError",
    "SourceBuild",
    "Step",
    "Template",
    "TemplateNotFound",
    "TemplateUnusable",
    "ToolMissing",
    "ToolTooOld",
    "Toolchain",
    "build_project",
    "building_from",
    "cosign_package",
    "fault_places",
    "develop",
    "find_template",
    "init_project",
    "inspect_component",
    "languages",
    "missing_protections",
    "next_sequence",
    "pack_project",
    "sign_project",
    "templates",
    "toolchain_of",
)
