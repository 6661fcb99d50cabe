"""Errors of the operating system layer, as the contract's `os-error` names them.

Each case of the variant has one exception, so providers raise the case directly and one wrapper
(`answered`) turns it into the guest's `Err`.
"""

from __future__ import annotations

import os

from airswasm.runtime import Case
from airswasm.wit import AirswasmError, ErrorCode, ExitStatus

from ._system_errors import meaning_of


class OslError(AirswasmError):
    """The root of this block's errors.

    Attributes:
        text: For people; a guest decides by the case.
    """

    explanation = ErrorCode(
        "E0800",
        "operating system layer",
        "An operation for a component failed.",
        "read the message",
    )

    case_name = "failed"

    def __init__(self, text: str = "") -> None:
        self.text = text
        super().__init__(text)

    def as_case(self) -> Case:
        """Return the case of `airswasm:component/os-errors.os-error`."""
        return Case(self.case_name, self.text)


class AccessDenied(OslError):
    """The component lacks the capability, or the host's policy forbids it.

    Attributes:
        layer: The layer that refused: one of the guard's, `host` for a rule of this block that no
            grant changes, `system` for the operating system.
    """

    explanation = ErrorCode(
        "E0801",
        "not permitted",
        "The component lacks the capability, or the policy forbids it.",
        "add the line that the message names to [capabilities]",
        ExitStatus.REFUSED,
    )

    case_name = "denied"

    def __init__(self, text: str = "", layer: str = "system") -> None:
        self.layer = layer
        super().__init__(text)


class NotFound(OslError):
    """The file, host or program does not exist."""

    explanation = ErrorCode(
        "E0802",
        "not there, or there already",
        "The file, host or program is not as expected.",
        "check the name",
        ExitStatus.NOT_FOUND,
    )

    case_name = "not-found"


class AlreadyExists(OslError):
    """The name exists already."""

    explanation = NotFound.explanation

    case_name = "exists"


class Malformed(OslError):
    """A path, address, header or argument has no safe reading."""

    explanation = ErrorCode(
        "E0803",
        "malformed",
        "A path, address, header or argument has no safe reading.",
        "write it in its plain form",
    )

    case_name = "invalid"


class LimitReached(OslError):
    """The operation exceeds a limit of the host; the text names it."""

    explanation = ErrorCode(
        "E0804",
        "limit reached",
        "The operation exceeds a limit of the host, or its time.",
        "ask for less at a time",
    )

    case_name = "limit-exceeded"


class TimedOut(OslError):
    """The operation did not end in its time."""

    explanation = LimitReached.explanation

    case_name = "timed-out"

    def as_case(self) -> Case:
        """Return the case; `timed-out` carries no text."""
        return Case(self.case_name)


class Disconnected(OslError):
    """The peer refused or closed the connection."""

    explanation = ErrorCode(
        "E0805",
        "peer gone",
        "The peer refused or closed the connection.",
        "try again later",
    )

    case_name = "disconnected"


class OperationFailed(OslError):
    """Any other error of the operating system."""

    explanation = OslError.explanation


class ProgramNotConfined(AccessDenied):
    """This machine lacks a protection that programs of components need.

    Attributes:
        missing: The protections: `files`, `network`, `number`, `processes`.
    """

    explanation = ErrorCode(
        "E0813",
        "program not confined",
        "This machine cannot confine a program that a component starts.",
        "see `airswasm doctor`; to run programs all the same: `airswasm config set "
        "process.unconfined true`",
        ExitStatus.REFUSED,
    )

    def __init__(self, missing: tuple[str, ...]) -> None:
        self.missing = missing
        super().__init__(
            f"this machine does not confine programs ({', '.join(missing)}); the host's operator "
            "can allow them with process.unconfined",
            "host",
        )


class ProgramNotStarted(OslError):
    """The operating system does not run a program.

    Attributes:
        command_line: The program and its arguments.
        reason: The system's reason.
    """

    explanation = ErrorCode(
        "E0814",
        "program not started",
        "The operating system does not run a program that a component may run.",
        "run it by hand as the host's user; what it reads elsewhere belongs in process.readable",
    )

    def __init__(self, command_line: str, reason: str) -> None:
        self.command_line, self.reason = command_line, reason
        program = command_line.partition(" ")[0]
        super().__init__(f"{program} did not start: {reason}")


class KeeperFailed(OslError):
    """The process that starts programs for the host does not run.

    Attributes:
        reason: The reason.
    """

    explanation = ErrorCode(
        "E0815",
        "programs cannot start",
        "The process that starts programs for the host does not run.",
        "name a Python interpreter in engine.python_executable, and see `airswasm doctor`",
    )

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(
            f"the process that starts programs does not run: {reason} (engine.python_executable)"
        )


class TooManyPrograms(LimitReached):
    """A component runs as many programs as it may.

    Attributes:
        most: The limit.
    """

    explanation = ErrorCode(
        "E0816",
        "too many programs",
        "A component runs as many programs at once as it may.",
        "let one end, or raise process.programs",
    )

    def __init__(self, most: int) -> None:
        self.most = most
        super().__init__(f"{most} programs run already (process.programs)")


class VariableRefused(AccessDenied):
    """A component may not set an environment variable of a program.

    Attributes:
        name: The variable.
    """

    explanation = ErrorCode(
        "E0817",
        "variable refused",
        "A component may not set that environment variable for a program.",
        "to allow it for every component, add it to process.variables",
        ExitStatus.REFUSED,
    )

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"the variable {name} is not among process.variables", "host")


class AddressRefused(AccessDenied):
    """The address is one of this host or its networks, and the grant does not name it."""

    explanation = ErrorCode(
        "E0820",
        "address inside the host's networks",
        "A granted name or pattern leads to an address that is not public.",
        'grant the address itself (tcp.connect = ["10.0.0.5:5432"]), or open its network with '
        "network.internal_networks",
        ExitStatus.REFUSED,
    )

    def __init__(self, text: str = "", layer: str = "host") -> None:
        super().__init__(text, layer)


class ListenRefused(AccessDenied):
    """The host keeps the port for itself, or the grant does not name the address."""

    explanation = ErrorCode(
        "E0821",
        "no listening there",
        "The port is reserved, or a pattern is to open an address that is not loopback.",
        "listen on 127.0.0.1 and a port from network.lowest_port on, or grant the address itself "
        '(tcp.listen = ["0.0.0.0:8080"])',
        ExitStatus.REFUSED,
    )

    def __init__(self, text: str = "", layer: str = "host") -> None:
        super().__init__(text, layer)


class AddressInUse(AlreadyExists):
    """Another socket of this machine has the address."""

    explanation = ErrorCode(
        "E0822",
        "address in use",
        "Another socket of this machine has the address and port.",
        "choose another port, or port 0 for a free one",
    )


class TrafficExceeded(LimitReached):
    """The component has sent and received all that it may until the host stops."""

    explanation = ErrorCode(
        "E0823",
        "traffic used up",
        "The component has moved as many bytes as network.total_bytes allows.",
        "raise network.total_bytes, and reload the host",
    )


class ConnectionEnded(Disconnected):
    """The host closed the connection: it was idle for too long, or open for too long."""

    explanation = ErrorCode(
        "E0824",
        "connection closed by the host",
        "It was idle for network.idle_timeout, or open for network.longest_connection.",
        "connect again, or raise the setting",
    )


class TooManySockets(LimitReached):
    """The component holds as many sockets as it may."""

    explanation = ErrorCode(
        "E0825",
        "too many sockets",
        "The component holds as many sockets as network.connections allows.",
        "close connections that are not needed, or raise network.connections",
    )


class ServingError(AirswasmError):
    """The root of the errors of the host's HTTP server."""

    explanation = ErrorCode(
        "E0827",
        "HTTP server",
        "The host cannot serve HTTP as [http] of config.toml says.",
        "read the message, and correct [http]",
    )


class AddressUnusable(ServingError):
    """The address of `[http] listen` cannot be served at, or its certificate cannot be read.

    Attributes:
        address: The address.
        reason: The system's reason.
    """

    explanation = ServingError.explanation

    def __init__(self, address: str, reason: str) -> None:
        self.address, self.reason = address, reason
        super().__init__(f"[http] listen {address}: {reason}")


class NoResponse(ServingError):
    """A component gave no whole response to a request.

    Attributes:
        component: The component.
        reason: What was missing.
    """

    explanation = ErrorCode(
        "E0828",
        "no HTTP response",
        "The component gave no whole response to an HTTP request.",
        "have it answer each request before it returns; `airswasm logs NAME` has what it said",
    )

    def __init__(self, component: str, reason: str) -> None:
        self.component, self.reason = component, reason
        super().__init__(f"{component} gave no HTTP response: {reason}")


class ResponseMalformed(ServingError):
    """A component's reply to an HTTP request is no response.

    Attributes:
        component: The component.
        reason: The problem.
    """

    explanation = ErrorCode(
        "E0829",
        "malformed HTTP response",
        "The component's reply has the form of a response, and a mistake in it.",
        "docs/http.md has the form of a reply",
    )

    def __init__(self, component: str, reason: str) -> None:
        self.component, self.reason = component, reason
        super().__init__(f"{component} replied with no HTTP response: {reason}")


class ComponentServesNothing(ServingError):
    """A route leads to a component that cannot answer HTTP requests.

    Attributes:
        component: The component.
    """

    explanation = ErrorCode(
        "E0830",
        "component serves no HTTP",
        "A route leads to a component that neither exports wasi:http/incoming-handler nor handles "
        "messages in JSON, CBOR or MessagePack.",
        "export wasi:http/incoming-handler, or a handler that accepts JSON",
    )

    def __init__(self, component: str) -> None:
        self.component = component
        super().__init__(
            f"{component} cannot answer HTTP requests: it neither exports "
            "wasi:http/incoming-handler nor accepts messages in JSON, CBOR or MessagePack"
        )


class MountInvalid(AccessDenied):
    """A folder of `[[filesystem.mounts]]` or `[filesystem] folders` cannot be given to components.

    Attributes:
        name: The mount, or the component whose folder it is.
        path: The folder.
        reason: Why not.
    """

    explanation = ErrorCode(
        "E0806",
        "folder cannot be given",
        "A folder of [filesystem] in config.toml cannot be given to components.",
        "give a folder that neither the forbidden list nor another mount has, contains or lies in",
        ExitStatus.REFUSED,
    )

    def __init__(self, name: str, path: str, reason: str) -> None:
        self.name, self.path, self.reason = name, path, reason
        super().__init__(f"{name}: {path} cannot be given to components: {reason}", "host")


class CertificatesUnusable(AirswasmError):
    """The file of `[network] ca_file` has no certificates that HTTPS could trust.

    Attributes:
        file: The file.
        reason: The system's reason.
    """

    explanation = ErrorCode(
        "E0807",
        "certificates unusable",
        "The file of certificates that [network] ca_file names cannot be used.",
        "name a PEM file that the host can read: airswasm config set network.ca_file FILE",
        ExitStatus.USAGE,
    )

    def __init__(self, file: str, reason: str) -> None:
        self.file, self.reason = file, reason
        super().__init__(f"network.ca_file: {file}: {reason}")


_BY_CASE: dict[str, type[OslError]] = {
    each.case_name: each
    for each in (
        AccessDenied, NotFound, AlreadyExists, Malformed, LimitReached, TimedOut, Disconnected,
        OperationFailed,
    )
}  # fmt: skip


def from_os_error(error: OSError, what: str) -> OslError:
    """Return this block's error for one of the operating system.

    Args:
        error: The system's error; its text may name paths of the host and is not passed on.
        what: The guest's request, in the guest's own terms.
    """
    meaning = meaning_of(error)
    is_plain = error.strerror in (None, os.strerror(error.errno or 0))
    return _BY_CASE[meaning.case](f"{what}: {meaning.text if is_plain else error.strerror}")
