"""What goes wrong in the command itself, beside what the blocks below raise.

Everything that a block raises keeps its own type up to the one renderer in
`problem`; only situations that no block can know are named here: a question
that nobody can answer, a host that is gone, an answer of a host that came over
the socket as data.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = (
    "AnswerNeeded",
    "CliError",
    "ConfirmationRefused",
    "HostGone",
    "HostNotRunning",
    "HostProtocolMismatch",
    "InputUnreadable",
    "KeyExists",
    "KeyMissing",
    "MessageTooLarge",
    "NameMalformed",
    "PlanGone",
    "RemoteFailure",
    "SettingInvalid",
    "SocketForeign",
    "SocketInUse",
    "UnknownCode",
)


class CliError(Exception):
    """Base of the command's own errors.

    Attributes:
        code: Stable; `airswasm explain` knows it.
        message: What happened, and where.
        hint: What to do next.
    """

    code: str = "E0000"

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class AnswerNeeded(CliError):
    """A question came up, nobody can be asked, and --yes was not given."""

    code = "E0003"

    def __init__(self, question: str) -> None:
        super().__init__(
            f"this needs an answer, and there is nobody to ask: {question}",
            hint="pass --yes to accept, or run it in a terminal without --no-input",
        )
        self.question = question


class MessageTooLarge(CliError):
    """More came in than any component takes."""

    code = "E0603"

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(
            f"the message on standard input has more than {limit_bytes:,} bytes: nothing was sent",
            hint="send it in parts",
        )
        self.limit_bytes = limit_bytes


class ConfirmationRefused(CliError):
    """Somebody was asked and said no."""

    code = "E0004"

    def __init__(self, what: str) -> None:
        super().__init__(f"{what}: not confirmed, nothing was changed")


class HostNotRunning(CliError):
    """The verb needs a running host."""

    code = "E0010"

    def __init__(self, verb: str, home: str, *, was_killed: bool = False) -> None:
        gone = "the one for" if was_killed else "none runs for"
        end = " is gone: it was killed or has crashed" if was_killed else ""
        super().__init__(
            f"{verb} needs a running host, and {gone} {home}{end}",
            hint="start one in another terminal: airswasm run",
        )
        self.verb, self.home = verb, home


class HostGone(CliError):
    """A host was there and went away in the middle of a request."""

    code = "E0011"

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(
            f"the host at {address} stopped answering: {reason}",
            hint="what it had acknowledged is safe; see its terminal, then `airswasm run` again",
        )
        self.address, self.reason = address, reason


class HostProtocolMismatch(CliError):
    """What answers is not a host that this command understands."""

    code = "E0012"

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(
            f"what answers at {address} is not an airswasm host of this version: {reason}",
            hint="use the same version of airswasm-cli for the host and the command",
        )
        self.address, self.reason = address, reason


class SocketInUse(CliError):
    """The control socket or port cannot be opened."""

    code = "E0013"

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(
            f"cannot listen on {address}: {reason}",
            hint="choose another port with --listen, or another home with --home",
        )
        self.address, self.reason = address, reason


class SocketForeign(CliError):
    """The control socket, or the folder that it lies in, is another user's."""

    code = "E0031"

    def __init__(self, path: str, uid: int) -> None:
        super().__init__(
            f"{path} belongs to user id {uid}, not to you: nothing was sent there",
            hint="find out who made it, and remove it; or choose another home with --home",
        )
        self.path, self.uid = path, uid


class KeyMissing(CliError):
    """There is no key to sign with."""

    code = "E0020"

    def __init__(self, path: str) -> None:
        super().__init__(
            f"there is no signing key at {path}",
            hint="make one with `airswasm keygen`, or name one with --key",
        )
        self.path = path


class KeyExists(CliError):
    """A key would be overwritten."""

    code = "E0021"

    def __init__(self, path: str) -> None:
        super().__init__(
            f"there is a key at {path} already: nothing was written",
            hint="who loses a key cannot update what it signed; for another one: --output FILE",
        )
        self.path = path


class InputUnreadable(CliError):
    """A file that was named cannot be read or written."""

    code = "E0022"

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}", hint="check the path and its permissions")
        self.path, self.reason = path, reason


class SettingInvalid(CliError):
    """A setting in a file or in the environment is not what it must be."""

    code = "E0023"

    def __init__(self, origin: str, problem: str) -> None:
        super().__init__(
            f"{origin}: {problem}",
            hint="correct it, or pass --no-config to leave the files aside",
        )
        self.origin, self.problem = origin, problem


class NameMalformed(CliError):
    """What was typed cannot be a component's name."""

    code = "E0025"

    def __init__(self, typed: str) -> None:
        super().__init__(
            f"{typed[:130]!r} is not a component's name",
            hint="write namespace/name, or only the name for local/name; `airswasm list` has all",
        )
        self.typed = typed


class PlanGone(CliError):
    """A plan is to be approved that the host does not have, or that would be another one now."""

    code = "E0030"

    def __init__(self, digest: str, *, has_changed: bool = False) -> None:
        why = (
            "the host has changed since: carried out now, it would be another plan"
            if has_changed
            else "the host has no such plan (it keeps one for ten minutes)"
        )
        super().__init__(
            f"plan {digest[:16]}: {why}", hint="run the command again: it plans anew, and asks anew"
        )
        self.digest, self.has_changed = digest, has_changed


class UnknownCode(CliError):
    """`explain` was asked for a code that does not exist."""

    code = "E0024"

    def __init__(self, asked: str, nearest: str | None) -> None:
        super().__init__(
            f"there is no code {asked!r}",
            hint=f"did you mean {nearest}?" if nearest else "`airswasm explain` lists all",
        )
        self.asked = asked


class RemoteFailure(CliError):
    """The running host refused; it says with which code.

    Attributes:
        details: The fields of the host's error.
    """

    def __init__(self, body: Mapping[str, object]) -> None:
        super().__init__(str(body.get("message", "")), hint=str(body.get("hint", "")))
        self.code = str(body.get("code", "E0001"))
        self.details = dict(body)
