from ._addresses import check_address
from ._block import BLOCK, MESSAGING_INTERFACE
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
from ._dead_letters.evidence import LetterCause
from ._dead_letters.letter import KeptLetter
from ._dead_letters.letter_store import DeadLetterCounts, DeadLetterStore
from ._dead_letters.replaying import Replayed
from ._dead_letters.settings import DeadLetterSettings
from ._envelopes import new_chain
from ._guests import messaging_interface, provide
from ._listening import listen
from ._messenger import Messenger
from ._policy import (
    ALL_CODECS,
    MessagingLimits,
    MessagingPolicy,
    SamePolicy,
)
from ._rates import Rate, TokenBucket
from ._records import pack_message, unpack_message
from ._refusals import refusal_of
from ._requests import OpenRequests
from ._retained import RetainedTopics, RetainedValue, RetainedValues
from ._spelling import TOPIC, TOPIC_PATTERN
from ._tap import MOST_TAPPED_BYTES, TapEvent, TapPattern, tap_messages
from .errors import (
    CodecError,
    CodecNotAccepted,
    InvalidAddress,
    InvalidCbor,
    InvalidEnvelope,
    LetterUnkept,
    LetterUnknown,
    MessageNotStorable,
    MessagingError,
    PayloadTooLarge,
    RateExceeded,
    RecordUnreadable,
    RetainedFull,
    TooManyTargets,
    Unencodable,
)

__all__ = (
    "TOPIC_PATTERN",
    "TOPIC",
    "MESSAGING_INTERFACE",
    "BLOCK",
    "DeadLetterCounts",
    "DeadLetterSettings",
    "DeadLetterStore",
    "KeptLetter",
    "LetterCause",
    "MOST_TAPPED_BYTES",
    "Replayed",
    "TapEvent",
    "TapPattern",
    "tap_messages",
    "LetterUnkept",
    "LetterUnknown",
    "ALL_CODECS",
    "CBOR_MARK",
    "Codec",
    "CodecError",
    "CodecNotAccepted",
    "InvalidAddress",
    "InvalidCbor",
    "InvalidEnvelope",
    "MessagingCounters",
    "MessageNotStorable",
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
    "unpack_message",
)
