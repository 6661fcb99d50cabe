"""What goes wrong in the command itself, beside what the blocks below raise.

Everything that a block raises keeps its own type up to the one renderer in
`problem`; only situations that no block can know are named here: a question
that nobody can answer, a host that is gone, an answer of a host that came over
the socket as data.
"""

from __future__ import annotations

from collections.abc import Mapping

from airswasm.wit import AirswasmError, ErrorCode, ExitStatus

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


INTERNAL = ErrorCode(
    "E0001",
    "a bug in airswasm",
    "Something happened that no part of airswasm expects. The report has the details; it names no "
    "keys and no payloads.",
    "send the report to the project; acknowledged data is safe",
)
WRONG_COMMAND_LINE = ErrorCode(
    "E0002",
    "wrong command line",
    "A verb, option or argument is unknown, missing or of the wrong form.",
    "`airswasm VERB --help` shows the options and an example",
    ExitStatus.USAGE,
)
OPERATING_SYSTEM = ErrorCode(
    "E0005",
    "the operating system refused",
    "A file or socket could not be read or written. Nothing is half-written: files are replaced "
    "as a whole.",
    "check the path, its permissions and the space on the disk",
)


class CliError(AirswasmError):
    """Base of the command's own errors.

    Attributes:
        message: What happened, and where.
        hint: What to do next.
    """

    explanation = ErrorCode(
        "E0000",
        "the command failed",
        "A failure of the command itself that has no code of its own.",
        "read the message; -vv shows where it came from",
    )

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class AnswerNeeded(CliError):
    """A question came up, nobody can be asked, and --yes was not given."""

    explanation = ErrorCode(
        "E0003",
        "an answer is needed",
        "The verb asks before it goes on, and standard input is no terminal or --no-input was "
        "given. Nothing was changed.",
        "pass --yes to accept, or run it in a terminal",
        ExitStatus.REFUSED,
    )

    def __init__(self, question: str) -> None:
        super().__init__(
            f"this needs an answer, and there is nobody to ask: {question}",
            hint="pass --yes to accept, or run it in a terminal without --no-input",
        )
        self.question = question


class MessageTooLarge(CliError):
    """More came in than any component takes."""

    explanation = ErrorCode(
        "E0603",
        "payload too large",
        "The payload exceeds the size that the host allows.",
        "send it in parts",
    )

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(
            f"the message on standard input has more than {limit_bytes:,} bytes: nothing was sent",
            hint="send it in parts",
        )
        self.limit_bytes = limit_bytes


class ConfirmationRefused(CliError):
    """Somebody was asked and said no."""

    explanation = ErrorCode(
        "E0004",
        "not confirmed",
        "You were asked and did not answer yes. Nothing was changed.",
        "run it again, or pass --yes",
        ExitStatus.REFUSED,
    )

    def __init__(self, what: str) -> None:
        super().__init__(f"{what}: not confirmed, nothing was changed")


class HostNotRunning(CliError):
    """The verb needs a running host."""

    explanation = ErrorCode(
        "E0010",
        "no host runs",
        "The verb needs components that run, and no host runs for this home.",
        "start one in another terminal: airswasm run",
        ExitStatus.NO_HOST,
    )

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

    explanation = ErrorCode(
        "E0011",
        "the host went away",
        "The host stopped answering in the middle of a request: it was stopped or killed. What "
        "it had acknowledged is safe.",
        "look at its terminal, then `airswasm run` again",
        ExitStatus.NO_HOST,
    )

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(
            f"the host at {address} stopped answering: {reason}",
            hint="what it had acknowledged is safe; see its terminal, then `airswasm run` again",
        )
        self.address, self.reason = address, reason


class HostProtocolMismatch(CliError):
    """What answers is not a host that this command understands."""

    explanation = ErrorCode(
        "E0012",
        "not a host of this version",
        "Something answers on the host's socket, but not as a host of this version does.",
        "use the same version of airswasm-cli for both",
    )

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(
            f"what answers at {address} is not an airswasm host of this version: {reason}",
            hint="use the same version of airswasm-cli for the host and the command",
        )
        self.address, self.reason = address, reason


class SocketInUse(CliError):
    """The control socket or port cannot be opened."""

    explanation = ErrorCode(
        "E0013",
        "cannot listen",
        "The control socket or the port of --listen could not be opened.",
        "choose another port or another home; `airswasm doctor` looks at the home",
    )

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(
            f"cannot listen on {address}: {reason}",
            hint="choose another port with --listen, or another home with --home",
        )
        self.address, self.reason = address, reason


class SocketForeign(CliError):
    """The control socket, or the folder that it lies in, is another user's."""

    explanation = ErrorCode(
        "E0031",
        "another user's socket",
        "The control socket, or its folder, belongs to another user, who would get what you send "
        "to your components.",
        "find out who made it, and remove it; or choose another home",
        ExitStatus.REFUSED,
    )

    def __init__(self, path: str, uid: int) -> None:
        super().__init__(
            f"{path} belongs to user id {uid}, not to you: nothing was sent there",
            hint="find out who made it, and remove it; or choose another home with --home",
        )
        self.path, self.uid = path, uid


class KeyMissing(CliError):
    """There is no key to sign with."""

    explanation = ErrorCode(
        "E0020",
        "no signing key",
        "There is no private key where `sign` looks.",
        "make one with `airswasm keygen`, or name one with --key",
        ExitStatus.NOT_FOUND,
    )

    def __init__(self, path: str) -> None:
        super().__init__(
            f"there is no signing key at {path}",
            hint="make one with `airswasm keygen`, or name one with --key",
        )
        self.path = path


class KeyExists(CliError):
    """A key would be overwritten."""

    explanation = ErrorCode(
        "E0021",
        "the key exists",
        "A key is never overwritten: who loses it can no longer update what it signed.",
        "name another file with --output",
    )

    def __init__(self, path: str) -> None:
        super().__init__(
            f"there is a key at {path} already: nothing was written",
            hint="who loses a key cannot update what it signed; for another one: --output FILE",
        )
        self.path = path


class InputUnreadable(CliError):
    """A file that was named cannot be read or written."""

    explanation = ErrorCode(
        "E0022",
        "file unreadable",
        "A file that you named cannot be read or written.",
        "check the path and its permissions",
    )

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}", hint="check the path and its permissions")
        self.path, self.reason = path, reason


class SettingInvalid(CliError):
    """A setting in a file or in the environment is not what it must be."""

    explanation = ErrorCode(
        "E0023",
        "wrong setting",
        "A setting in config.toml or in AIRSWASM_* is not valid.",
        "correct it; `airswasm config show --origin` shows where each comes from",
        ExitStatus.USAGE,
    )

    def __init__(self, origin: str, problem: str) -> None:
        super().__init__(
            f"{origin}: {problem}",
            hint="correct it, or pass --no-config to leave the files aside",
        )
        self.origin, self.problem = origin, problem


class NameMalformed(CliError):
    """What was typed cannot be a component's name."""

    explanation = ErrorCode(
        "E0025",
        "no component's name",
        "A name is namespace/name; `hello` means `local/hello`.",
        "`airswasm list` shows what is installed",
        ExitStatus.USAGE,
    )

    def __init__(self, typed: str) -> None:
        super().__init__(
            f"{typed[:130]!r} is not a component's name",
            hint="write namespace/name, or only the name for local/name; `airswasm list` has all",
        )
        self.typed = typed


class PlanGone(CliError):
    """A plan is to be approved that the host does not have, or that would be another one now."""

    explanation = ErrorCode(
        "E0030",
        "the plan is gone",
        "A package is planned first and carried out once it is approved. The host keeps a plan for "
        "ten minutes, and carries it out only while it would still do what was shown.",
        "run the command again: it plans anew, and asks anew",
    )

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

    explanation = ErrorCode(
        "E0024",
        "no such code",
        "`explain` was asked for a code that does not exist.",
        "`airswasm explain` lists all",
        ExitStatus.USAGE,
    )

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

    explanation = CliError.explanation

    def __init__(self, body: Mapping[str, object]) -> None:
        super().__init__(str(body.get("message", "")), hint=str(body.get("hint", "")))
        self.code = str(body.get("code", INTERNAL.code))
        status = body.get("exit_code")
        self.exit_code = status if isinstance(status, int) and 0 < status < 256 else 1
        self.details = dict(body)
