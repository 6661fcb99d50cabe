"""The declaration of this block: the operating system, behind capabilities."""

from __future__ import annotations

from airswasm.wit import Block, Capability, Check, Metric, Section

from ._forbidden import FORBIDDEN

__all__ = ("BLOCK", "PROGRAMS", "PROGRAMS_RUNNING")

PROGRAMS, PROGRAMS_RUNNING = "programs_started_total", "programs_running"

_PATH = "airswasm.osl._spelling:PATH"
_ADDRESS = "airswasm.osl._network.spelling:ADDRESS"
_LISTEN = "airswasm.osl._network.listening:LISTEN"
_PORT = "airswasm.osl._probing:probe_port"
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
        "airswasm:component/dns@0.1.0",
        "airswasm:component/http@0.1.0",
        "wasi:filesystem/preopens@0.2.12",
        "wasi:filesystem/types@0.2.12",
        "wasi:http/outgoing-handler@0.2.12",
        "wasi:sockets/ip-name-lookup@0.2.12",
        "wasi:sockets/tcp@0.2.12",
        "wasi:sockets/tcp-create-socket@0.2.12",
        "wasi:sockets/udp@0.2.12",
        "wasi:sockets/udp-create-socket@0.2.12",
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
            "process.signal",
            "send signals to the programs {patterns} that it runs",
            "airswasm.osl._spelling:PROGRAM",
            formerly=("process.kill",),
        ),
        Capability(
            "tcp.connect",
            "connect to {patterns}",
            _ADDRESS,
            formerly=("net.connect", "network.connect", "socket.connect"),
        ),
        Capability(
            "tcp.listen",
            "accept connections at {patterns}",
            _LISTEN,
            formerly=("tcp.bind", "tcp.accept", "net.listen", "network.listen"),
            probe=_PORT,
        ),
        Capability(
            "udp.send",
            "send datagrams to {patterns}, and get answers",
            _ADDRESS,
            formerly=("udp.exchange",),
        ),
        Capability(
            "udp.listen",
            "receive datagrams at {patterns}",
            _LISTEN,
            formerly=("udp.bind", "udp.receive"),
            probe=_PORT,
        ),
        Capability(
            "dns.resolve",
            "look up the addresses of {patterns}",
            "airswasm.osl._network.listening:NAME",
            formerly=("dns.lookup", "net.resolve", "network.lookup"),
            only_reads=True,
        ),
        Capability(
            "http.request",
            "make HTTP requests to {patterns}",
            "airswasm.osl._network.spelling:URL",
            formerly=("http.get", "http.post", "http.fetch"),
        ),
        Capability(
            "http.serve",
            "answer HTTP requests to {patterns}, where the host has a route to it",
            "airswasm.osl._network.spelling:SERVED",
            formerly=("http.listen", "http.handle"),
            only_reads=True,
        ),
    ),
    sections=(
        Section(
            "filesystem",
            "airswasm.osl:FolderLimits",
            "Limits on components' files, and folders of the host for them.",
            reads="reload",
            at_start=dict.fromkeys(
                ("mounts", "folders", "forbidden_folders"),
                "the host opens folders by them while components run",
            ),
        ),
        Section(
            "network",
            "airswasm.osl:NetworkPolicy",
            "Limits on components' network traffic.",
            reads="reload",
        ),
        Section(
            "http",
            "airswasm.osl:ServingPolicy",
            "Where the host serves HTTP, and which components answer.",
            reads="reload",
            at_start=dict.fromkeys(
                ("listen", "insecure", "tls_certificate", "tls_key"),
                "the host takes its address when it starts",
            ),
        ),
        Section(
            "process",
            "airswasm.osl:ProcessPolicy",
            "Limits on programs that components run.",
            reads="reload",
        ),
    ),
    metrics=(
        Metric("network_sent_bytes_total", "Bytes that components sent over TCP and UDP."),
        Metric("network_received_bytes_total", "Bytes that components received over TCP and UDP."),
        Metric("network_sockets", "Sockets that components hold open.", "gauge"),
        Metric(PROGRAMS, "Programs that components started."),
        Metric(PROGRAMS_RUNNING, "Programs of components that run.", "gauge"),
        *(
            Metric(f"http_served_{digit}xx_total", f"HTTP responses with a status of {digit}xx.")
            for digit in range(2, 6)
        ),
        Metric("http_served_bytes_in_total", "Bytes of bodies of served HTTP requests."),
        Metric("http_served_bytes_out_total", "Bytes of bodies of served HTTP responses."),
    ),
    errors=("airswasm.osl.errors",),
    checks=(
        Check("files", "airswasm.osl._files.checks:check_folders"),
        Check("routes", "airswasm.osl._serving.checks:check_routes"),
        Check("programs", "airswasm.osl._processes.checks:check_programs"),
    ),
    forbidden=FORBIDDEN,
    observe="airswasm.osl._serving.server:observe",
    forget="airswasm.osl._files.forgetting:forget",
    snapshots="airswasm.osl._files.snapshots:snapshots",
    decide="airswasm.osl._files.tree:mount_layer",
)
