"""Errors of the command itself, beside those of the blocks below.

A block's error keeps its type up to the one renderer in `problem`. This module defines only
situations that no block can know: a question without a person to answer it, a host that ended, an
error of a host that came over the socket as data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from airswasm.wit import AirswasmError, ErrorCode, ExitStatus

__all__ = (
    "AnswerNeeded",
    "CliError",
    "ConfirmationRefused",
    "HeadMalformed",
    "HostGone",
    "HostNotRunning",
    "HostProtocolMismatch",
    "InputUnreadable",
    "KeyExists",
    "KeyMissing",
    "InputTooLarge",
    "KeyUnknown",
    "LevelMalformed",
    "NameMalformed",
    "NoSuchToken",
    "PlanGone",
    "RemoteFailure",
    "ScopeMissing",
    "SettingInvalid",
    "SocketForeign",
    "SocketInUse",
    "TimeMalformed",
    "TokenExists",
    "TokenFileUnreadable",
    "TokenMalformed",
    "TraceMalformed",
    "UnknownCode",
    "WouldBeBlocked",
)


INTERNAL = ErrorCode(
    "E0001",
    "a bug in airswasm",
    "An error occurred that no part of airswasm expects. The report has the details; it names no "
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
    "A file or socket could not be read or written. No file is half-written: airswasm "
    "replaces files as a whole.",
    "check the path, its permissions and the space on the disk",
)


class CliError(AirswasmError):
    """Base of the command's own errors.

    Attributes:
        message: What happened, and where.
        hint: The next step to take.
    """

    explanation = ErrorCode(
        "E0000",
        "the command failed",
        "A failure of the command itself that has no code of its own.",
        "read the message; -vv shows the place of the failure",
    )

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class AnswerNeeded(CliError):
    """A question needs an answer, no person can give it, and --yes was not passed."""

    explanation = ErrorCode(
        "E0003",
        "an answer is needed",
        "The verb needs an answer, but standard input is no terminal or --no-input was "
        "given. Nothing was changed.",
        "pass --yes to accept, or run it in a terminal",
        ExitStatus.REFUSED,
    )

    def __init__(self, question: str, options: str = "") -> None:
        other = f"; {options}" if options else ""
        super().__init__(
            f"this question needs an answer, and no terminal is attached: {question}",
            hint=f"pass --yes to accept{other}, or run it in a terminal without --no-input",
        )
        self.question = question


class InputTooLarge(CliError):
    """Standard input is larger than any message may be."""

    explanation = ErrorCode(
        "E0032",
        "input too large",
        "Standard input has more bytes than one request to the host may carry. Nothing was sent.",
        "send it in parts",
    )

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(
            f"the message on standard input has more than {limit_bytes:,} bytes: nothing was sent",
            hint="send it in parts",
        )
        self.limit_bytes = limit_bytes


class KeyUnknown(CliError):
    """A component has not stored a key."""

    explanation = ErrorCode(
        "E0014",
        "no such key",
        "The component has stored nothing under that key.",
        "`airswasm storage list NAME` lists its keys",
        ExitStatus.NOT_FOUND,
    )

    def __init__(self, name: str, key: str) -> None:
        super().__init__(f"{name} has stored nothing under {key[:80]!a}")
        self.name, self.key = name, key


class ConfirmationRefused(CliError):
    """The user was asked and did not answer yes."""

    explanation = ErrorCode(
        "E0004",
        "not confirmed",
        "You did not answer the question with yes. Nothing changed.",
        "run it again, or pass --yes",
        ExitStatus.REFUSED,
    )

    def __init__(self, what: str) -> None:
        super().__init__(f"{what}: not confirmed, nothing changed")


class HostNotRunning(CliError):
    """The verb needs a running host."""

    explanation = ErrorCode(
        "E0010",
        "no host runs",
        "The verb needs running components, and no host runs for this home.",
        "start one in another terminal: airswasm run",
        ExitStatus.NO_HOST,
    )

    def __init__(self, verb: str, home: str, *, was_killed: bool = False) -> None:
        gone = "the one for" if was_killed else "none runs for"
        end = " ended: it was killed or has crashed" if was_killed else ""
        super().__init__(
            f"{verb} needs a running host, and {gone} {home}{end}",
            hint="start one in another terminal: airswasm run",
        )
        self.verb, self.home = verb, home


class HostGone(CliError):
    """The host ended during a request."""

    explanation = ErrorCode(
        "E0011",
        "the host went away",
        "The host stopped answering in the middle of a request: it was stopped or killed. "
        "Acknowledged data is safe.",
        "look at its terminal, then `airswasm run` again",
        ExitStatus.NO_HOST,
    )

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(
            f"the host at {address} stopped answering: {reason}",
            hint="acknowledged data is safe; look at its terminal, then `airswasm run` again",
        )
        self.address, self.reason = address, reason


class HostProtocolMismatch(CliError):
    """The process at the socket is not a host that this command understands."""

    explanation = ErrorCode(
        "E0012",
        "not a host of this version",
        "A process answers on the host's socket, but not as a host of this version does.",
        "use the same version of airswasm-cli for both",
    )

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(
            f"the process at {address} is not an airswasm host of this version: {reason}",
            hint="use the same version of airswasm-cli for the host and the command",
        )
        self.address, self.reason = address, reason


class SocketInUse(CliError):
    """The control socket or port cannot be opened."""

    explanation = ErrorCode(
        "E0013",
        "cannot listen",
        "The control socket or the port of --listen could not be opened.",
        "choose another port or another home; `airswasm doctor` checks the home",
    )

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(
            f"cannot listen on {address}: {reason}",
            hint="choose another port with --listen, or another home with --home",
        )
        self.address, self.reason = address, reason


class SocketForeign(CliError):
    """The control socket, or its folder, belongs to another user."""

    explanation = ErrorCode(
        "E0031",
        "another user's socket",
        "The control socket, or its folder, belongs to another user, who would get the messages "
        "that you send to your components.",
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
    """No private key exists at the path that `sign` reads."""

    explanation = ErrorCode(
        "E0020",
        "no signing key",
        "No private key exists at the path that `sign` reads.",
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
    """The command would overwrite a key."""

    explanation = ErrorCode(
        "E0021",
        "the key exists",
        "airswasm never overwrites a key: without it you cannot update the components that it "
        "signed.",
        "name another file with --output",
    )

    def __init__(self, path: str) -> None:
        super().__init__(
            f"a key exists at {path} already: nothing was written",
            hint="without a key you cannot update the components that it signed; for another "
            "one: --output FILE",
        )
        self.path = path


class InputUnreadable(CliError):
    """A named file is not readable or not writable."""

    explanation = ErrorCode(
        "E0022",
        "file unreadable",
        "A file that you named is not readable or not writable.",
        "check the path and its permissions",
    )

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}", hint="check the path and its permissions")
        self.path, self.reason = path, reason


class SettingInvalid(CliError):
    """A setting in a file or in the environment is invalid."""

    explanation = ErrorCode(
        "E0023",
        "wrong setting",
        "A setting in config.toml or in AIRSWASM_* is not valid.",
        "correct it; `airswasm config show --origin` shows the origin of each",
        ExitStatus.USAGE,
    )

    def __init__(
        self,
        origin: str,
        problem: str,
        hint: str = "correct it, or pass --no-config to ignore the files",
    ) -> None:
        super().__init__(f"{origin}: {problem}", hint=hint)
        self.origin, self.problem = origin, problem


class HeadMalformed(CliError):
    """The text is not a head of the audit log."""

    explanation = ErrorCode(
        "E0026",
        "no head of the audit log",
        "A head is NUMBER:SHA256, the number and the hash of one line.",
        "`airswasm audit head` prints the newest one",
        ExitStatus.USAGE,
    )

    def __init__(self, typed: str) -> None:
        super().__init__(f"{typed[:130]!r} is not a head of the audit log")
        self.typed = typed


class TimeMalformed(CliError):
    """The text is not a time."""

    explanation = ErrorCode(
        "E0027",
        "no time",
        "A time is a duration before now, a date, or a date with a time of day.",
        'write "2 h", "30 min", 2026-11-29 or 2026-11-29T12:00',
        ExitStatus.USAGE,
    )

    def __init__(self, typed: str) -> None:
        super().__init__(f"{typed[:130]!r} is not a time")
        self.typed = typed


class LevelMalformed(CliError):
    """The text is not a level of log lines."""

    explanation = ErrorCode(
        "E0853",
        "no level",
        "Log lines have one of five levels.",
        "write trace, debug, info, warn or error",
        ExitStatus.USAGE,
    )

    def __init__(self, typed: str) -> None:
        super().__init__(f"{typed[:130]!r} is not a level")
        self.typed = typed


class TraceMalformed(CliError):
    """The text is not the beginning of a trace's id."""

    explanation = ErrorCode(
        "E0854",
        "no trace's id",
        "A trace's id is 32 hexadecimal digits in lower case; its beginning suffices.",
        "`airswasm traces` and `airswasm send --trace` print ids",
        ExitStatus.USAGE,
    )

    def __init__(self, typed: str) -> None:
        super().__init__(f"{typed[:130]!r} is not the beginning of a trace's id")
        self.typed = typed


class NameMalformed(CliError):
    """The text is not a component's name."""

    explanation = ErrorCode(
        "E0025",
        "no component's name",
        "A name is namespace/name; `hello` means `local/hello`.",
        "`airswasm list` shows the installed components",
        ExitStatus.USAGE,
    )

    def __init__(self, typed: str) -> None:
        super().__init__(
            f"{typed[:130]!r} is not a component's name",
            hint="write namespace/name, or only the name for local/name; `airswasm list` shows all",
        )
        self.typed = typed


class PlanGone(CliError):
    """The host does not have the plan, or would now plan otherwise."""

    explanation = ErrorCode(
        "E0030",
        "the plan is gone",
        "A host plans a package first and carries the plan out on approval. It keeps a plan for "
        "ten minutes, and carries it out only if it would still have the effect shown.",
        "run the command again to plan and approve anew",
    )

    def __init__(self, digest: str, *, has_changed: bool = False) -> None:
        why = (
            "the host has changed since, so the plan would now differ"
            if has_changed
            else "the host has no such plan (it keeps one for ten minutes)"
        )
        super().__init__(
            f"plan {digest[:16]}: {why}", hint="run the command again to plan and approve anew"
        )
        self.digest, self.has_changed = digest, has_changed


class UnknownCode(CliError):
    """`explain` got a code that does not exist."""

    explanation = ErrorCode(
        "E0024",
        "no such code",
        "`explain` got a code that does not exist.",
        "`airswasm explain` lists all",
        ExitStatus.USAGE,
    )

    def __init__(self, asked: str, nearest: str | None) -> None:
        super().__init__(
            f"there is no code {asked!r}",
            hint=f"did you mean {nearest}?" if nearest else "`airswasm explain` lists all",
        )
        self.asked = asked


class TokenExists(CliError):
    """A token with that name exists."""

    explanation = ErrorCode(
        "E0040",
        "the token exists",
        "A token for TCP has that name. The host keeps only its hash.",
        "choose another name, or revoke the token first",
    )

    def __init__(self, name: str) -> None:
        super().__init__(
            f"the token {name} exists",
            hint=f"choose another name, or first: airswasm tokens revoke {name}",
        )
        self.name = name


class NoSuchToken(CliError):
    """No token has that name."""

    explanation = ErrorCode(
        "E0041",
        "no such token",
        "No token for TCP has that name.",
        "`airswasm tokens list` shows all",
        ExitStatus.NOT_FOUND,
    )

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no token {name}", hint="airswasm tokens list")
        self.name = name


class TokenMalformed(CliError):
    """A token was asked for that cannot be."""

    explanation = ErrorCode(
        "E0042",
        "the token cannot be made",
        "A token has a name of small letters, digits and hyphens, and one of the scopes. One of "
        "the scope `send` names the components to which it may send.",
        "`airswasm tokens create --help` shows an example",
        ExitStatus.USAGE,
    )

    def __init__(self, problem: str) -> None:
        super().__init__(problem, hint="airswasm tokens create --help")
        self.problem = problem


class TokenFileUnreadable(CliError):
    """The file with the tokens is damaged."""

    explanation = ErrorCode(
        "E0043",
        "the tokens cannot be read",
        "The file with the hashes of the tokens for TCP is damaged, or cannot be read. The host "
        "refuses every token but that of its own run.",
        "remove the file, and make the tokens anew",
    )

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(
            f"{path} cannot be read: {reason}", hint="remove it, and make the tokens anew"
        )
        self.path, self.reason = path, reason


class ScopeMissing(CliError):
    """A token's scope does not admit what a request asks."""

    explanation = ErrorCode(
        "E0044",
        "the token's scope does not allow it",
        "Each operation needs a scope: `monitoring`, `read`, `send` or `all`. A token of the "
        "scope `send` is for the components that it names.",
        "use a token of a wider scope; `airswasm tokens create` makes one",
        ExitStatus.REFUSED,
    )

    def __init__(self, name: str, scope: str, needed: str, component: str | None) -> None:
        about = f" for {component}" if component else ""
        super().__init__(
            f"the token {name} has the scope {scope}; this needs {needed}{about}",
            hint="use a token of a wider scope; `airswasm tokens create` makes one",
        )
        self.name, self.scope, self.needed, self.component = name, scope, needed, component


class TooManyWatchers(CliError):
    """A host has as many readers of its live tables as it takes."""

    explanation = ErrorCode(
        "E0926",
        "too many watch the host",
        "Each page, and each program that watches, reads a stream of the host's. Their number is "
        "bounded.",
        "close a page; one that is hidden reads nothing",
    )

    def __init__(self, most: int) -> None:
        super().__init__(
            f"{most} readers watch the host, which are all that it takes",
            hint="close a page, or end a program that watches",
        )
        self.most = most


class WatchMalformed(CliError):
    """A part of a host was to be watched that there is not."""

    explanation = ErrorCode(
        "E0869",
        "there is no such part to watch",
        "A reader names the parts of the host that it watches; `receipts` are those of one "
        "component.",
        "see `watch` in docs/control-api.md",
        ExitStatus.USAGE,
    )

    def __init__(self, problem: str) -> None:
        super().__init__(problem, hint="see `watch` in docs/control-api.md")
        self.problem = problem


class PageNotServed(CliError):
    """A link to the page was asked of a host that serves none over TCP."""

    explanation = ErrorCode(
        "E0927",
        "the host serves no page",
        "Browsers open the page over TCP. A host listens on TCP when it is started with "
        "`--listen`, and serves the page unless `[monitoring] page` is `off`.",
        "airswasm run --listen 7700",
    )

    def __init__(self, *, is_off: bool) -> None:
        if is_off:
            text, hint = (
                "the page is off",
                "airswasm config set monitoring.page on, then airswasm reload",
            )
        else:
            text, hint = "the host does not listen on TCP", "airswasm run --listen 7700"
        super().__init__(text, hint=hint)
        self.is_off = is_off


class SessionRefused(CliError):
    """A browser gets no session of the page."""

    explanation = ErrorCode(
        "E0928",
        "no session of the page",
        "A session of the page begins with a token, or with a link that was not used yet. It ends "
        "after an hour without a request, after twelve hours, with the host, and when its token is "
        "revoked.",
        "`airswasm page` prints a new link",
        ExitStatus.REFUSED,
    )

    def __init__(self, problem: str) -> None:
        super().__init__(problem, hint="`airswasm page` prints a new link")
        self.problem = problem


class WouldBeBlocked(CliError):
    """A gate would stop the change that a dry run showed.

    Attributes:
        name: The component.
        version: The version that would not take over.
        gates: The gates.
    """

    explanation = ErrorCode(
        "E0921",
        "a gate would block it",
        "A dry run showed that a gate would stop the change. Nothing was changed.",
        "mend that version, choose another, or pass `--override GATE --reason TEXT`",
        ExitStatus.REFUSED,
    )

    def __init__(self, name: str, version: str, gates: Sequence[str]) -> None:
        flags = " ".join(f"--override {each}" for each in gates)
        super().__init__(
            f"{name} {version} would be blocked by {', '.join(gates)}; nothing was changed",
            hint=f"mend {version}, or choose another version; to accept what breaks: {flags} "
            "--reason TEXT",
        )
        self.name, self.version, self.gates = name, version, tuple(gates)


class RemoteFailure(CliError):
    """The running host refused; the error has the host's code.

    Attributes:
        details: The fields of the host's error.
        facts: What the host's error has as data.
    """

    explanation = CliError.explanation

    def __init__(self, body: Mapping[str, object]) -> None:
        super().__init__(str(body.get("message", "")), hint=str(body.get("hint", "")))
        self.code = str(body.get("code", INTERNAL.code))
        status = body.get("exit_code")
        self.exit_code = status if isinstance(status, int) and 0 < status < 256 else 1
        self.details = dict(body)
        facts = body.get("facts")
        self.facts = dict(cast("Mapping[str, object]", facts)) if isinstance(facts, Mapping) else {}
