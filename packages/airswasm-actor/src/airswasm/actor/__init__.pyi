from ._block import BLOCK
from ._component import Callback, CheckHealth, ComponentActor
from ._lives.actor import Actor, Child, Discardable, GuestActor
from ._lives.context import ActorHome, Context
from ._lives.scheduling import Scheduled, Scheduler
from ._messages.bounds import COMPONENT_MAILBOX, MailboxInfo, MailboxSpec
from ._messages.dead_letters import DeadLetter, DeadLetters, DeathReason
from ._messages.envelope import Envelope
from ._messages.events import EventKind, EventStream, LifecycleEvent, Subscription
from ._messages.function_call import FunctionCall
from ._messages.message import HOST, Message
from ._messages.receipt import Outcome, Receipt
from ._messages.receipts import ReceiptListener, Receipts, Tally
from ._messages.request import Request
from ._messages.trace import SentSpan, SpanNotes, Trace, TraceContext
from ._messages.tracing import Tracing, read_traceparent
from ._routing.broker import MessageBroker
from ._routing.carrier import Accepted, Carrier
from ._routing.hook import BrokerHook, Delivery
from ._routing.topics import TopicPattern
from ._routing.transport import Transport
from ._running.cell import GuestCall
from ._running.dispatcher import DispatcherConfig, is_compiled
from ._running.phase import Down, Phase
from ._running.reference import ActorRef, Watch
from ._supervising.backoff import Backoff
from ._supervising.children import ChildStatus, RestartRecord
from ._supervising.node import SupervisorNode
from ._supervising.rules import Action, ChildSpec, Decision, Member, SupervisorSpec, decide
from ._system import ActorSystem, Books
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
    FunctionMissing,
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
    TimersNotDurable,
    TooManyHops,
    UnfitPayload,
)

__all__ = (
    "Accepted",
    "BLOCK",
    "COMPONENT_MAILBOX",
    "DispatcherConfig",
    "HOST",
    "Action",
    "Actor",
    "ActorError",
    "ActorFailed",
    "ActorHome",
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
    "Carrier",
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
    "Envelope",
    "EventKind",
    "EventStream",
    "FunctionCall",
    "FunctionMissing",
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
    "Outcome",
    "Phase",
    "Receipt",
    "ReceiptListener",
    "Receipts",
    "Request",
    "RestartRecord",
    "Subscription",
    "Scheduled",
    "SentSpan",
    "SpanNotes",
    "Scheduler",
    "SupervisorGaveUp",
    "SupervisorNode",
    "SupervisorSpec",
    "SystemClosed",
    "Tally",
    "TimersNotDurable",
    "TooManyHops",
    "TopicPattern",
    "Trace",
    "TraceContext",
    "Tracing",
    "Transport",
    "UnfitPayload",
    "Watch",
    "decide",
    "is_compiled",
    "read_traceparent",
)
