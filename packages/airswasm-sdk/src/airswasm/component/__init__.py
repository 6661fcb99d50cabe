"""Write components in Python: a class, its handlers, and what it declares to use.

    from airswasm.component import State, Topic, component, on_message

    @component
    class Counter:
        count = State[int]("count", default=0)
        greetings = Topic[str]("greetings")

        @on_message
        def greet(self, name: str) -> str:
            self.count += 1
            self.greetings.publish(f"{name} was greeted")
            return f"Hello, {name}! You are number {self.count}."

It needs the standard library only: a build copies it into the component, and a plain Python imports
it for tests. `testing` has the double of the host with which a class runs under pytest.

- Declared: `_abilities` (topics, settings, other components), `_stored`, `_marks` (decorators),
  `_definition` (what all of it needs)
- Values: `_values`, `_codec`, `_shape`
- Running: `_service`, `_host`, `_logging`; `guest` binds it to WebAssembly, `world` writes what the
  build needs
"""

from ._abilities import Outcome, Peer, Setting, Topic, request, tell
from ._codec import Codec, JsonCodec
from ._definition import Definition, component, definition_of, find_definition
from ._host import Envelope, Host, Message
from ._marks import (
    after,
    cancel_timer,
    every,
    on,
    on_health_check,
    on_message,
    on_migration,
    on_reply,
    on_start,
    on_stop,
    on_timer,
)
from ._stored import State, StateMap
from .errors import (
    Cancelled,
    Conflict,
    Cycle,
    DefinitionError,
    Denied,
    Failed,
    HostError,
    Invalid,
    InvalidKey,
    MailboxFull,
    NoHost,
    PayloadError,
    QuotaExceeded,
    RateLimited,
    Refuse,
    TimedOut,
    TooLarge,
    TooManyHops,
    Unavailable,
    UnknownTarget,
)

__all__ = (
    "Cancelled",
    "Codec",
    "Conflict",
    "Cycle",
    "Definition",
    "DefinitionError",
    "Denied",
    "Envelope",
    "Failed",
    "Host",
    "HostError",
    "Invalid",
    "InvalidKey",
    "JsonCodec",
    "MailboxFull",
    "Message",
    "NoHost",
    "Outcome",
    "PayloadError",
    "Peer",
    "QuotaExceeded",
    "RateLimited",
    "Refuse",
    "Setting",
    "State",
    "StateMap",
    "TimedOut",
    "TooLarge",
    "TooManyHops",
    "Topic",
    "Unavailable",
    "UnknownTarget",
    "after",
    "cancel_timer",
    "component",
    "definition_of",
    "every",
    "find_definition",
    "on",
    "on_health_check",
    "on_message",
    "on_migration",
    "on_reply",
    "on_start",
    "on_stop",
    "on_timer",
    "request",
    "tell",
)
