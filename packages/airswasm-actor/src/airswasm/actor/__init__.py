"""Supervised actors, in Python and in WebAssembly, behind one reference."""

from .actor import Actor, CallProgress, Child, Discardable, GuestActor, GuestCall, Phase
from .broker import BrokerHook, Delivery, MessageBroker
from .context import Context
from .dead_letters import DeadLetter, DeadLetters, DeathReason
from .errors import (
    ActorError,
    ActorFailed,
    ActorStopped,
    AskCycle,
    AskError,
    AskTimeout,
    ChildExists,
    ChildRunning,
    ChildStartFailed,
    DeliveryError,
    GuestRefused,
    HealthCheckFailed,
    InitFailed,
    InvalidChildSpec,
    InvalidTopic,
    MailboxFull,
    MessageDropped,
    MigrationFailed,
    NameTaken,
    NoRoute,
    NoSuchChild,
    SupervisorGaveUp,
    SystemClosed,
)
from .events import EventKind, EventStream, LifecycleEvent, Subscription
from .mailbox import MailboxInfo, MailboxSpec
from .message import HOST, Message
from .reference import ActorRef, Down, Watch
from .request import Request
from .system import ActorSystem, Books
from .transport import Transport

__all__ = (
    "HOST",
    "Actor",
    "ActorError",
    "ActorFailed",
    "ActorRef",
    "ActorStopped",
    "ActorSystem",
    "AskCycle",
    "AskError",
    "AskTimeout",
    "Books",
    "BrokerHook",
    "CallProgress",
    "Child",
    "ChildExists",
    "ChildRunning",
    "ChildStartFailed",
    "Context",
    "DeadLetter",
    "DeadLetters",
    "DeathReason",
    "Delivery",
    "DeliveryError",
    "Discardable",
    "Down",
    "EventKind",
    "EventStream",
    "GuestActor",
    "GuestCall",
    "GuestRefused",
    "HealthCheckFailed",
    "InitFailed",
    "InvalidChildSpec",
    "InvalidTopic",
    "LifecycleEvent",
    "MailboxFull",
    "MailboxInfo",
    "MailboxSpec",
    "Message",
    "MessageBroker",
    "MessageDropped",
    "MigrationFailed",
    "NameTaken",
    "NoRoute",
    "NoSuchChild",
    "Phase",
    "Request",
    "Subscription",
    "SupervisorGaveUp",
    "SystemClosed",
    "Transport",
    "Watch",
)
