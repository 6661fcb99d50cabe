"""The declaration of this block: the engine, and WASI as it answers it."""

from __future__ import annotations

from airswasm.wit import Block, Check, Section

from ._wasi_names import WASI_INTERFACES

__all__ = ("BLOCK",)

BLOCK = Block(
    name="runtime",
    summary="Executes components, within limits.",
    interfaces=WASI_INTERFACES,
    sections=(
        Section("engine", "airswasm.runtime:EngineSettings", "How the engine is set up."),
        Section(
            "host",
            "airswasm.runtime:HostSettings",
            "What all components together may take.",
            reads="reload",
            at_start={"mode": "what was installed, granted and started stands on the host's mode"},
        ),
    ),
    errors=("airswasm.runtime.errors",),
    checks=(
        Check("python", "airswasm.runtime._checks:check_python"),
        Check("engine", "airswasm.runtime._checks:check_engine"),
        Check("limits", "airswasm.runtime._checks:check_limits"),
    ),
)
