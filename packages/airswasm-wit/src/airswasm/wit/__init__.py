"""The airswasm contract in WIT: its model, its checks and its bindings."""

from ._contract import Contract, c_header_folder, contract, rust_crate_folder, wit_folder
from .names import CONTRACT_VERSION
from .requirement import Nothing, Requirement

__all__ = (
    "CONTRACT_VERSION",
    "Contract",
    "Nothing",
    "Requirement",
    "c_header_folder",
    "contract",
    "rust_crate_folder",
    "wit_folder",
)
