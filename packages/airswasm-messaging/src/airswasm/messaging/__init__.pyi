from ._addresses import check_address
from ._block import BLOCK, MESSAGING_INTERFACE, TIMERS_INTERFACE
from ._codecs import (
    CBOR_MARK,
    Codec,
    check_cbor,
    codec_of,
    decode,
    decode_cbor,
    encode,
    encode_cbor,
)
from ._counters import MessagingCounters
from ._delivery import Delivery, DeliveryPolicy, DurableSettings, DurableStatus
from ._durable.delivery import DurableDelivery
from ._envelopes import new_chain
from ._guests import messaging_interface
from ._listening import listen
from ._messenger import Messenger
from ._policy import (
    ALL_CODECS,
    MessagingLimits,
    MessagingPolicy,
    SamePolicy,
)
from ._providing import provide
from ._rates import Rate, TokenBucket
from ._records import pack_message, unpack_message
from ._refusals import refusal_of
from ._requests import OpenRequests
from ._retained import RetainedTopics, RetainedValue, RetainedValues
from ._spelling import TOPIC, TOPIC_PATTERN
from ._timers.guests import timers_interface
from ._timers.schedule import Schedule, TimerSpace
from ._timers.settings import TimerSettings
from ._timers.timer import ScheduledMessage
from .errors import (
    CodecError,
    CodecNotAccepted,
    DurableMailboxFull,
    InvalidAddress,
    InvalidCbor,
    InvalidEnvelope,
    MessageNotStorable,
    MessageNotWritten,
    MessagingError,
    PayloadTooLarge,
    RateExceeded,
    RecordUnreadable,
    RetainedFull,
    TimerInvalid,
    TimersNotDurable,
    TooManyTargets,
    Unencodable,
)

__all__ = (
    "TOPIC_PATTERN",
    "TOPIC",
    "MESSAGING_INTERFACE",
    "BLOCK",
    "ALL_CODECS",
    "CBOR_MARK",
    "Codec",
    "CodecError",
    "CodecNotAccepted",
    "Delivery",
    "DeliveryPolicy",
    "DurableDelivery",
    "DurableMailboxFull",
    "DurableSettings",
    "DurableStatus",
    "InvalidAddress",
    "InvalidCbor",
    "InvalidEnvelope",
    "MessagingCounters",
    "MessageNotStorable",
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
    "SamePolicy",
    "Schedule",
    "ScheduledMessage",
    "TIMERS_INTERFACE",
    "TimerInvalid",
    "TimerSettings",
    "TimerSpace",
    "TimersNotDurable",
    "TokenBucket",
    "TooManyTargets",
    "Unencodable",
    "check_address",
    "check_cbor",
    "codec_of",
    "decode",
    "decode_cbor",
    "encode",
    "encode_cbor",
    "listen",
    "messaging_interface",
    "new_chain",
    "pack_message",
    "provide",
    "refusal_of",
    "timers_interface",
    "unpack_message",
)
