"""Supervised actors, in Python and in WebAssembly, behind one reference."""

from ._dispatcher import is_compiled
from .actor import Actor, Child, Discardable, GuestActor, GuestCall, Phase
from .backoff import Backoff
from .broker import MessageBroker
from .component import Callback, CheckHealth, ComponentActor
from .context import Context
from .dead_letters import DeadLetter, DeadLetters, DeathReason
from .errors import (
    ActorError,
    ActorFailed,
    ActorStopped,
    ActorSupervised,
    AskCycle,
    AskError,
    AskTimeout,
    ChildExists,
    ChildNotRunning,
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
    MessageTooLarge,
    MigrationFailed,
    NameTaken,
    NoRoute,
    NoSuchChild,
    SupervisorGaveUp,
    SystemClosed,
    UnfitPayload,
)
from .events import EventKind, EventStream, LifecycleEvent, Subscription
from .hook import BrokerHook, Delivery
from .mailbox import COMPONENT_MAILBOX, MailboxInfo, MailboxSpec
from .message import HOST, Message
from .reference import ActorRef, Down, Watch
from .request import Request
from .supervision import Action, ChildSpec, Decision, Member, SupervisorSpec, decide
from .supervisor import ChildStatus, RestartRecord, SupervisorNode
from .system import ActorSystem, Books
from .transport import Transport

__all__ = (
    "COMPONENT_MAILBOX",
    "HOST",
    "Action",
    "Actor",
    "ActorError",
    "ActorFailed",
    "ActorRef",
    "ActorStopped",
    "ActorSupervised",
    "ActorSystem",
    "AskCycle",
    "AskError",
    "AskTimeout",
    "Backoff",
    "Books",
    "BrokerHook",
    "Callback",
    "CheckHealth",
    "Child",
    "ChildExists",
    "ChildNotRunning",
    "ChildRunning",
    "ChildSpec",
    "ChildStartFailed",
    "ChildStatus",
    "ComponentActor",
    "Context",
    "DeadLetter",
    "DeadLetters",
    "DeathReason",
    "Delivery",
    "Decision",
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
    "Member",
    "Message",
    "MessageBroker",
    "MessageDropped",
    "MessageTooLarge",
    "MigrationFailed",
    "NameTaken",
    "NoRoute",
    "NoSuchChild",
    "Phase",
    "Request",
    "RestartRecord",
    "Subscription",
    "SupervisorGaveUp",
    "SupervisorNode",
    "SupervisorSpec",
    "SystemClosed",
    "Transport",
    "UnfitPayload",
    "Watch",
    "decide",
    "is_compiled",
)
