"""The declaration of this block: a key-value namespace for each component."""

from __future__ import annotations

from airswasm.wit import Block, Capability, Section

__all__ = ("BLOCK", "STORAGE_INTERFACE")

STORAGE_INTERFACE = "airswasm:component/storage@0.1.0"

BLOCK = Block(
    name="storage",
    summary="What components store.",
    interfaces=(STORAGE_INTERFACE,),
    provide="airswasm.storage:provide",
    capabilities=(
        Capability(
            "storage.read",
            "read what it stored under {patterns}",
            formerly=("kv.get",),
            only_reads=True,
        ),
        Capability("storage.write", "store under {patterns}", formerly=("kv.set", "kv.put")),
        Capability(
            "storage.delete", "delete what it stored under {patterns}", formerly=("kv.delete",)
        ),
    ),
    sections=(
        Section(
            "storage",
            "airswasm.storage:StorageSettings",
            "Where and how values are stored.",
            reads="reload",
            at_start={
                "engine": "the store is open with its engine; `airswasm storage migrate` moves it",
                "durability": "the store is open with it",
                "value_bytes": "the host's own logs are open with the largest entry",
            },
        ),
    ),
    errors=("airswasm.storage.errors",),
    forget="airswasm.storage._forgetting:forget",
    snapshots="airswasm.storage._snapshots:snapshots",
)
