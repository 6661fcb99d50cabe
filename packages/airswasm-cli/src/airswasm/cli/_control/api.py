"""The operations of a host: one table, from which everything else is derived.

`Host` gives their types, `LocalHost` carries them out, and the rest is derived: the routes of
`control_server`, the requests of `control_client`, `GET /v1/openapi.json`, docs/control-api.md. To
add one, add a row here and the method to `Host` and `LocalHost`; tests hold the three equal.
"""

from __future__ import annotations

from typing import Literal, get_args

from airswasm.wit import Blocks

from .access_api import ACCESS_OPERATIONS
from .alert_api import ALERT_OPERATIONS
from .audit_api import AUDIT_OPERATIONS
from .function_api import FUNCTION_OPERATIONS
from .grant_api import DENIED, DRY_RUN, GRANT_OPERATIONS, NARROWED, OVERRIDES
from .letter_api import LETTER_OPERATIONS
from .operation import (
    SCOPES,
    Bytes,
    Component,
    Flag,
    Json,
    JsonLines,
    Nothing,
    Number,
    Operation,
    Parameter,
    Raw,
    Table,
    Text,
    read_table,
)
from .page_api import PAGE_OPERATIONS
from .recording_api import RECORDING_OPERATIONS
from .storage_api import STORAGE_OPERATIONS
from .swap_api import SWAP_OPERATIONS
from .timer_api import TIMER_OPERATIONS
from .trace_api import TRACE_OPERATIONS
from .version_api import VERSION_OPERATIONS

__all__ = ("COMPONENT", "MOST_BODY_BYTES", "OPERATIONS", "all_operations")

Level = Literal["trace", "debug", "info", "warn", "error"]
MOST_BODY_BYTES = 256 * 2**20
"""The largest body of a request; a component's own limit is `limits.host_call`."""
COMPONENT = "/v1/components/{name}"

_INFO = Json("component/1", "airswasm.lifecycle:ComponentInfo")
_NAME = Parameter("name", "path", Component(), "The component.")
_DIGEST = Parameter("digest", "path", Text(), "The plan's `digest`.")
_TOKEN = Parameter("token", "path", Text(), "The token's name.")
_RECENT = Parameter(
    "recent", "query", Number(most=100_000, is_whole=True), "Number of earlier lines.", 100
)
_TRUSTED = "/v1/trust/{name}"
_KEY = Parameter("key", "query", Text(), "The public key, as base64 of its 32 bytes.")
_LABEL = Parameter("label", "query", Text(), "The publisher's name, for people.", "")
_PIN = Json("pin/1", "airswasm.cli._control.trust_answers:TrustedName")
_FINGERPRINT = Parameter(
    "fingerprint", "query", Text(),
    "Of the key; 16 digits are enough for one that the host knows.",
)  # fmt: skip
_CHAIN = (
    Parameter("correlation", "query", Text(), "The id of the conversation that it belongs to.", ""),
    Parameter("traceparent", "query", Text(), "The W3C trace context.", ""),
)
_FOLLOW = Parameter("follow", "query", Flag(), "Continue until the host stops.", False)
_LINES = (
    Parameter("since", "query", Number(most=1e11), "Not before; seconds since 1970.", None),
    Parameter("until", "query", Number(most=1e11), "Before; seconds since 1970.", None),
    Parameter(
        "level", "query", Text(("", *get_args(Level))), "The least level; else all of them.", ""
    ),
    Parameter("grep", "query", Text(), "A part of the line, in any case.", ""),
    Parameter("trace", "query", Text(), "The id of a trace, or how it begins.", ""),
)

OPERATIONS = Table(
    (
        Operation(
            "about", "GET", "/v1/host", "Show the host's version, process and home.",
            Json("host/1", "airswasm.cli._control.answers:HostAbout"), scope="monitoring",
        ),
        Operation(
            "openapi", "GET", "/v1/openapi.json", "Show this API as an OpenAPI document.", Json(""),
            scope="monitoring",
        ),
        Operation(
            "status", "GET", "/v1/status", "Show the status of the host and its components.",
            Json("status/1", "airswasm.cli._control.answers:HostStatus"), scope="read",
        ),
        Operation(
            "all_logs", "GET", "/v1/logs", "Show the logs of all components.",
            JsonLines("log/1", "airswasm.lifecycle:LogEntry"), (_RECENT, _FOLLOW, *_LINES),
            scope="read",
        ),
        Operation(
            "list", "GET", "/v1/components", "List the installed components.",
            Json("list/1", "airswasm.lifecycle:ComponentSummary", "components", is_list=True),
            scope="read",
        ),
        Operation(
            "plan", "POST", "/v1/plans",
            "Upload a package and show the plan of its install or update.",
            Json("plan/1", "airswasm.cli._control.answers:PlanDocument"),
            (
                Parameter(
                    "package", "body", Bytes(MOST_BODY_BYTES, "application/zip"),
                    "The bytes of a `.airswasm` file.",
                ),
                Parameter(
                    "source", "query", Text(),
                    "Where the package came from, without secrets, for the record.", "",
                ),
                Parameter(
                    "change", "query", Text(("install", "update")), "The change to plan.", "install"
                ),
                Parameter(
                    "pin", "query", Text(),
                    "The source's name for exactly this content: a commit, a digest.", "",
                ),
                Parameter(
                    "origin", "query", Text(),
                    "The canonical text of its source, `file:///srv/packages/x.airswasm`, by which "
                    "`[trust] sources` may trust it.", "",
                ),
                DRY_RUN,
            ),
            changes=True,
            detail="The host verifies the package and compiles it, but executes nothing of it. It "
            "keeps the package for ten minutes under the plan's `digest`, which covers every byte "
            "of it and the effect of the change on this host. `POST /v1/plans/DIGEST` carries "
            "exactly that out. A host keeps a few plans; a new one may displace the oldest.",
            scope="all",
        ),
        Operation(
            "approve", "POST", "/v1/plans/{digest}", "Carry out a plan.", _INFO,
            (_DIGEST, NARROWED, DENIED, *OVERRIDES),
            changes=True,
            detail="Grants all that the plan asks about, but for what `narrowed` and `denied` say. "
            "If the host's state has changed so that the plan would differ, the host "
            "refuses it, and the client must plan the package again. The answer to an update has "
            "the `verdicts` of the gates; so have the `facts` of the error where one blocks it.",
            scope="all",
        ),
        Operation(
            "refuse", "DELETE", "/v1/plans/{digest}", "Drop a plan, and record the refusal.",
            Nothing(), (_DIGEST,), changes=True, scope="all",
        ),
        Operation(
            "info", "GET", COMPONENT, "Show everything about one component.",
            Json("info/1", "airswasm.lifecycle:ComponentInfo"), (_NAME,), scope="read",
        ),
        Operation(
            "uninstall", "DELETE", COMPONENT, "Remove a component.", Nothing(),
            (
                _NAME,
                Parameter("purge", "query", Flag(), "Also delete its stored data and log.", False),
            ),
            changes=True, scope="all",
        ),
        Operation(
            "start", "POST", f"{COMPONENT}/start",
            "Start a stopped component.", _INFO, (_NAME,), changes=True, scope="all",
        ),
        Operation(
            "stop", "POST", f"{COMPONENT}/stop", "Stop a component until a client starts it again.",
            _INFO,
            (
                _NAME,
                Parameter(
                    "kill", "query", Flag(),
                    "End it at once, with any running start, stop or update of it.", False,
                ),
            ),
            changes=True, scope="all",
        ),
        Operation(
            "restart", "POST", f"{COMPONENT}/restart", "Stop and start a component.",
            _INFO, (_NAME,), changes=True, scope="all",
        ),
        Operation(
            "send", "POST", f"{COMPONENT}/messages", "Deliver a message and wait for the reply.",
            Raw(),
            (
                _NAME,
                Parameter("payload", "body", Bytes(MOST_BODY_BYTES), "The message."),
                Parameter("timeout", "query", Number(), "Seconds to wait for the reply.", 30.0),
                *_CHAIN,
            ),
            changes=True,
            detail="204 acknowledges the message without a reply.", scope="send",
        ),
        Operation(
            "deliver", "POST", f"{COMPONENT}/receipts",
            "Deliver a message and show its receipt.",
            Json("receipt/1", "airswasm.cli._control.answers:MessageReport"),
            (
                _NAME,
                Parameter("payload", "body", Bytes(MOST_BODY_BYTES), "The message."),
                Parameter("timeout", "query", Number(), "Seconds to wait for the receipt.", 30.0),
                *_CHAIN,
            ),
            changes=True,
            detail="An error of the component is in the document, beside the receipt: the host "
            "carried the request out.",
            scope="send",
        ),
        Operation(
            "codecs", "GET", f"{COMPONENT}/codecs",
            "Show which codecs of messages a component reads.",
            Json("codecs/1", "airswasm.cli._control.answers:CodecReport"), (_NAME,),
            detail="The payload of a message begins with the number of its codec in the public "
            "multicodec table, as an unsigned varint: see docs/messaging-codecs.md.",
            scope="send",
        ),
        Operation(
            "publish", "POST", "/v1/publications", "Publish to a topic.",
            Json("publication/1", "airswasm.cli._control.answers:Publication"),
            (
                Parameter("topic", "query", Text(), "The topic."),
                Parameter("payload", "body", Bytes(MOST_BODY_BYTES), "The message."),
                Parameter(
                    "retain", "query", Flag(),
                    "Later subscribers get it, too; an empty message removes what the topic has.",
                    False,
                ),
                *_CHAIN,
            ),
            changes=True, scope="all",
        ),
        Operation(
            "profile", "GET", f"{COMPONENT}/profile",
            "Show where a component's time and fuel go.",
            Json("profile/1", "airswasm.lifecycle:Profile"), (_NAME,),
            scope="read",
        ),
        Operation(
            "logs", "GET", f"{COMPONENT}/logs", "Show a component's log.",
            JsonLines("log/1", "airswasm.lifecycle:LogEntry"), (_NAME, _RECENT, _FOLLOW, *_LINES),
            scope="read",
        ),
        *FUNCTION_OPERATIONS,
        *SWAP_OPERATIONS,
        *STORAGE_OPERATIONS,
        *GRANT_OPERATIONS,
        *ACCESS_OPERATIONS,
        *AUDIT_OPERATIONS,
        *LETTER_OPERATIONS,
        *PAGE_OPERATIONS,
        *TIMER_OPERATIONS,
        *ALERT_OPERATIONS,
        *TRACE_OPERATIONS,
        *RECORDING_OPERATIONS,
        *VERSION_OPERATIONS,
        Operation(
            "tokens", "GET", "/v1/tokens", "List the tokens for TCP.",
            Json("tokens/1", "airswasm.cli._control.tokens:TokenAbout", "tokens", is_list=True),
            scope="all",
        ),
        Operation(
            "create_token", "POST", "/v1/tokens/{token}", "Make a token for TCP.",
            Json("new-token/1", "airswasm.cli._control.tokens:NewToken"),
            (
                _TOKEN,
                Parameter("scope", "query", Text(SCOPES), "The scope."),
                Parameter(
                    "components", "query", Text(),
                    "The components to which it may send, divided by commas.", "",
                ),
            ),
            changes=True, scope="all",
            detail="The answer is the only place that has the secret: the host keeps its hash.",
        ),
        Operation(
            "revoke_token", "DELETE", "/v1/tokens/{token}", "Refuse a token from now on.",
            Nothing(), (_TOKEN,), changes=True, scope="all",
        ),
        Operation(
            "trust", "GET", "/v1/trust", "List the pinned names and the revoked keys.",
            Json("trust/1", "airswasm.cli._control.trust_answers:Trust"),
            scope="read",
        ),
        Operation(
            "trust_add", "POST", _TRUSTED, "Pin a component to its owner's key.", _PIN,
            (_NAME, _KEY, _LABEL), changes=True,
            detail="From then on the host accepts only packages under this name that this key "
            "signed. It refuses another key for a name that has an owner: see `transfer`.",
            scope="all",
        ),
        Operation(
            "trust_remove", "DELETE", _TRUSTED, "Forget a component's pin.",
            Json("trust-removal/1", "", "was_pinned"), (_NAME,), changes=True,
            detail="The next install or update asks for approval again. An installed version keeps "
            "running, and its owner stays the only one who may update it.",
            scope="all",
        ),
        Operation(
            "trust_add_cosigner", "POST", f"{_TRUSTED}/cosigners",
            "Pin a key beside the owner's.", _PIN, (_NAME, _KEY), changes=True,
            detail="It counts where more than one key must sign the name.",
            scope="all",
        ),
        Operation(
            "trust_remove_cosigner", "DELETE", f"{_TRUSTED}/cosigners",
            "Count a key for a name no longer.", _PIN, (_NAME, _FINGERPRINT), changes=True,
            detail="How many keys must sign stays.",
            scope="all",
        ),
        Operation(
            "trust_threshold", "POST", f"{_TRUSTED}/threshold",
            "Set how many pinned keys must sign a name.",
            Json("threshold/1", "", "needed"),
            (
                _NAME,
                Parameter(
                    "needed", "query", Number(least=1, most=8, is_whole=True),
                    "The number of different keys, 1 to 8.",
                ),
            ),
            changes=True,
            detail="The answer is the number that holds: that of the host where it is higher. "
            "Clients ask a person before they lower it.",
            scope="all",
        ),
        Operation(
            "trust_transfer", "POST", f"{_TRUSTED}/transfer",
            "Give a component to another key, because the operator says so.", _PIN,
            (_NAME, _KEY, _LABEL), changes=True,
            detail="Installed versions go on unless their key was revoked; updates need the new "
            "key.",
            scope="all",
        ),
        Operation(
            "trust_allow", "POST", "/v1/trusted-keys",
            "Grant what the packages of a key ask for, without a question.",
            Json("trusted-key/1", "airswasm.cli._control.trust_answers:AllowedKey"),
            (_FINGERPRINT, _LABEL), changes=True,
            detail="The host's policy and the forbidden list still hold, and a name that another "
            "key owns stays that key's.",
            scope="all",
        ),
        Operation(
            "trust_disallow", "DELETE", "/v1/trusted-keys",
            "Trust a key no longer, and take away what was granted for it.",
            Json("untrusted-key/1", "airswasm.cli._control.trust_answers:Disallowed"),
            (_FINGERPRINT,), changes=True,
            detail="What operators granted stays. The components go on without the rest.",
            scope="all",
        ),
        Operation(
            "trust_rotate", "POST", "/v1/rotations",
            "Give a component to the key of a statement that its old and its new key signed.",
            _PIN,
            (Parameter("statement", "body", Bytes(2**20), "The statement's bytes."),),
            changes=True,
            scope="all",
        ),
        Operation(
            "trust_revoke", "POST", "/v1/revocations",
            "Refuse a key for good, and quarantine the components that it signed.",
            Json("revocation/1", "airswasm.cli._control.trust_answers:Revoked"),
            (
                _FINGERPRINT,
                Parameter("reason", "query", Text(), "The reason, for the record.", "compromised"),
            ),
            changes=True,
            detail="The code of a quarantined component ends at once and does not start again. Its "
            "mailbox stays for the next version.",
            scope="all",
        ),
    )
)  # fmt: skip


def all_operations(blocks: Blocks | None = None) -> Table:
    """Return the operations of a host and of installed blocks.

    Args:
        blocks: The blocks to read; None for all installed ones.

    Raises:
        ImportError, AttributeError, ValueError: A block's declaration of its operations is wrong.
    """
    return read_table(OPERATIONS, (blocks or Blocks.find()).operations)
