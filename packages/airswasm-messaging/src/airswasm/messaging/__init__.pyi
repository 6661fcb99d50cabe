from ._addresses import check_address
from ._block import BLOCK, MESSAGING_INTERFACE, TIMERS_INTERFACE
from ._codecs.acceptance import Acceptance
from ._codecs.codec import ANY, NONE, PRIVATE, Codec, Reading, read_varint, varint
from ._codecs.installed import (
    CODEC_GROUP,
    Codecs,
    codec_of,
    decode,
    encode,
    read_payload,
)
from ._counters import MessagingCounters
from ._dead_letters.counts import DeadLetterCounts
from ._dead_letters.evidence import LetterCause
from ._dead_letters.letter import KeptLetter
from ._dead_letters.letter_store import DeadLetterStore
from ._dead_letters.replaying import Replayed
from ._dead_letters.settings import DeadLetterSettings
from ._delivery import Delivery, DeliveryPolicy, DurableSettings, DurableStatus
from ._durable.delivery import DurableDelivery
from ._durable.retained import DurableRetained
from ._envelopes import new_chain
from ._guests import messaging_interface
from ._listening import listen
from ._messenger import Messenger
from ._policy import (
    MessagingLimits,
    MessagingPolicy,
    SamePolicy,
)
from ._providing import provide
from ._quota import SendingQuota
from ._rates import Rate, TokenBucket
from ._records import pack_message, unpack_message
from ._refusals import refusal_of
from ._requests import OpenRequests
from ._retained import RetainedTopics, RetainedValue, RetainedValues
from ._spelling import TOPIC, TOPIC_PATTERN
from ._tap import MOST_TAPPED_BYTES, TapEvent, TapPattern, Taps
from ._timers.guests import timers_interface
from ._timers.schedule import Schedule
from ._timers.settings import TimerSettings
from ._timers.stored import StoredTimers, TimerSpace
from ._timers.timer import ScheduledMessage
from .errors import (
    CodecError,
    CodecNotAccepted,
    DurableMailboxFull,
    InvalidAddress,
    InvalidCodec,
    InvalidEnvelope,
    InvalidPayload,
    LetterUnkept,
    LetterUnknown,
    MessageNotStorable,
    MessageNotWritten,
    MessagingError,
    PayloadTooLarge,
    RateExceeded,
    RecordUnreadable,
    RetainedFull,
    TimerInvalid,
    TimerUnknown,
    TooManyTargets,
    Unencodable,
    UnknownCodec,
)

__all__ = (
    "TOPIC_PATTERN",
    "TOPIC",
    "MESSAGING_INTERFACE",
    "BLOCK",
    "ANY",
    "CODEC_GROUP",
    "NONE",
    "PRIVATE",
    "Acceptance",
    "DeadLetterCounts",
    "DeadLetterSettings",
    "DeadLetterStore",
    "KeptLetter",
    "LetterCause",
    "MOST_TAPPED_BYTES",
    "Replayed",
    "TapEvent",
    "TapPattern",
    "Taps",
    "LetterUnkept",
    "LetterUnknown",
    "Codec",
    "CodecError",
    "CodecNotAccepted",
    "Codecs",
    "Delivery",
    "DeliveryPolicy",
    "DurableDelivery",
    "DurableMailboxFull",
    "DurableRetained",
    "DurableSettings",
    "DurableStatus",
    "InvalidAddress",
    "InvalidEnvelope",
    "MessagingCounters",
    "MessageNotStorable",
    "InvalidCodec",
    "InvalidPayload",
    "MessageNotWritten",
    "MessagingError",
    "MessagingLimits",
    "MessagingPolicy",
    "Messenger",
    "OpenRequests",
    "PayloadTooLarge",
    "Rate",
    "RateExceeded",
    "RecordUnreadable",
    "RetainedFull",
    "RetainedTopics",
    "RetainedValue",
    "RetainedValues",
    "Reading",
    "SamePolicy",
    "Schedule",
    "ScheduledMessage",
    "SendingQuota",
    "StoredTimers",
    "TIMERS_INTERFACE",
    "TimerInvalid",
    "TimerUnknown",
    "TimerSettings",
    "TimerSpace",
    "TokenBucket",
    "TooManyTargets",
    "Unencodable",
    "UnknownCodec",
    "check_address",
    "codec_of",
    "decode",
    "encode",
    "listen",
    "messaging_interface",
    "new_chain",
    "pack_message",
    "provide",
    "read_payload",
    "read_varint",
    "refusal_of",
    "timers_interface",
    "unpack_message",
    "varint",
)
