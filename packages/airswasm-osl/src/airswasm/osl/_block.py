"""The declaration of this block: the operating system, behind capabilities."""

from __future__ import annotations

from airswasm.wit import Block, Capability, Section

from ._forbidden import FORBIDDEN

__all__ = ("BLOCK",)

_PATH = "airswasm.osl._spelling:PATH"
_ADDRESS = "airswasm.osl._network.spelling:ADDRESS"
_READABLE = "airswasm.osl._probing:probe_readable"
_WRITABLE = "airswasm.osl._probing:probe_writable"

BLOCK = Block(
    name="osl",
    summary="Files, processes and the network.",
    interfaces=(
        "airswasm:component/filesystem@0.1.0",
        "airswasm:component/process@0.1.0",
        "airswasm:component/tcp@0.1.0",
        "airswasm:component/udp@0.1.0",
        "airswasm:component/http@0.1.0",
        "wasi:filesystem/preopens@0.2.12",
        "wasi:filesystem/types@0.2.12",
        "wasi:http/outgoing-handler@0.2.12",
    ),
    provide="airswasm.osl:provide",
    capabilities=(
        Capability(
            "filesystem.read",
            "read its files {patterns}",
            _PATH,
            formerly=("fs.read", "file.read"),
            probe=_READABLE,
            only_reads=True,
        ),
        Capability(
            "filesystem.write",
            "create and change its files {patterns}",
            _PATH,
            formerly=("fs.write", "file.write"),
            probe=_WRITABLE,
        ),
        Capability(
            "filesystem.delete",
            "remove its files {patterns}",
            _PATH,
            formerly=("fs.delete", "file.delete"),
            probe=_WRITABLE,
        ),
        Capability(
            "filesystem.list",
            "see what is in its folders {patterns}",
            _PATH,
            formerly=("fs.list",),
            probe=_READABLE,
            only_reads=True,
        ),
        Capability(
            "process.spawn",
            "run the programs {patterns}",
            "airswasm.osl._spelling:PROGRAM",
            formerly=("process.run", "process.exec"),
            probe="airswasm.osl._probing:probe_program",
        ),
        Capability(
            "tcp.connect",
            "connect to {patterns}",
            _ADDRESS,
            formerly=("net.connect", "network.connect", "socket.connect"),
        ),
        Capability(
            "udp.send",
            "send datagrams to {patterns}, and get answers",
            _ADDRESS,
            formerly=("udp.exchange",),
        ),
        Capability(
            "http.request",
            "make HTTP requests to {patterns}",
            "airswasm.osl._network.spelling:URL",
            formerly=("http.get", "http.post", "http.fetch"),
        ),
    ),
    sections=(
        Section(
            "filesystem",
            "airswasm.osl:FolderLimits",
            "Limits on components' files.",
            reads="reload",
        ),
        Section(
            "network",
            "airswasm.osl:NetworkPolicy",
            "Limits on components' network traffic.",
            reads="reload",
        ),
        Section(
            "process",
            "airswasm.osl:ProcessPolicy",
            "Limits on programs that components run.",
            reads="reload",
        ),
    ),
    errors=("airswasm.osl.errors",),
    forbidden=FORBIDDEN,
    forget="airswasm.osl._files.forgetting:forget",
    snapshots="airswasm.osl._files.snapshots:snapshots",
)
