from ._block import Block, Capability, Check, Finding, Metric, Section, Verb, load_part
from ._blocks import BLOCK_GROUP, BlockProblem, Blocks, InstalledBlock
from ._contract import Contract, c_header_folder, contract, rust_crate_folder, wit_folder
from ._evolution import Change, check_version, compare_packages
from ._fault import AirswasmError, ErrorCode, ExitStatus, safe_repr, safe_text
from ._naming import ExportNames, name_exports, name_functions, name_labels
from ._reading import read_component, read_wit, read_wit_text
from ._report import ContractReport, Problem, Rule, check_component, check_world
from ._requirement import Nothing, Requirement, parse_requirements
from ._signature import explain_difference, render_function, side_by_side
from ._tool import ToolLimits
from .errors import (
    AnnotationError,
    BlocksInvalid,
    ContractViolation,
    NotAComponent,
    SeveralRequirements,
    WasmToolsFailed,
    WasmToolsMissing,
    WitError,
    WitSyntaxError,
    WitTooComplex,
)
from .model import Document, Function, Interface, Package, Parameter, Place, World
from .names import CONTRACT_VERSION, InterfaceName, are_compatible

__all__ = (
    "Check",
    "InterfaceName",
    "are_compatible",
    "BLOCK_GROUP",
    "AirswasmError",
    "Block",
    "BlockProblem",
    "Blocks",
    "BlocksInvalid",
    "Capability",
    "ErrorCode",
    "ExitStatus",
    "Finding",
    "InstalledBlock",
    "Metric",
    "Section",
    "Verb",
    "load_part",
    "safe_repr",
    "safe_text",
    "side_by_side",
    "render_function",
    "explain_difference",
    "compare_packages",
    "check_version",
    "Change",
    "CONTRACT_VERSION",
    "AnnotationError",
    "Contract",
    "ContractReport",
    "ContractViolation",
    "Document",
    "ExportNames",
    "Function",
    "Interface",
    "NotAComponent",
    "Nothing",
    "Package",
    "Parameter",
    "Place",
    "Problem",
    "Requirement",
    "Rule",
    "SeveralRequirements",
    "ToolLimits",
    "WasmToolsFailed",
    "WasmToolsMissing",
    "WitError",
    "WitSyntaxError",
    "WitTooComplex",
    "World",
    "c_header_folder",
    "check_component",
    "check_world",
    "contract",
    "name_exports",
    "name_functions",
    "name_labels",
    "parse_requirements",
    "read_component",
    "read_wit",
    "read_wit_text",
    "rust_crate_folder",
    "wit_folder",
)
