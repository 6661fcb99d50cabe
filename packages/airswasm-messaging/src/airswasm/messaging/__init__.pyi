from ._block import BLOCK, MESSAGING_INTERFACE
from ._spelling import TOPIC, TOPIC_PATTERN
from .addresses import check_address
from .codecs import (
    CBOR_MARK,
    Codec,
    check_cbor,
    codec_of,
    decode,
    decode_cbor,
    encode,
    encode_cbor,
)
from .errors import (
    CodecError,
    CodecNotAccepted,
    InvalidAddress,
    InvalidCbor,
    MessagingError,
    PayloadTooLarge,
    RateExceeded,
    Unencodable,
)
from .guests import messaging_interface, provide
from .messenger import Messenger
from .policy import (
    ALL_CODECS,
    MessagingLimits,
    MessagingPolicy,
    Rate,
    SamePolicy,
    TokenBucket,
)
from .refusals import refusal_of
from .requests import OpenRequests

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
    "InvalidAddress",
    "InvalidCbor",
    "MessagingError",
    "MessagingLimits",
    "MessagingPolicy",
    "Messenger",
    "OpenRequests",
    "PayloadTooLarge",
    "Rate",
    "RateExceeded",
    "SamePolicy",
    "TokenBucket",
    "Unencodable",
    "check_address",
    "check_cbor",
    "codec_of",
    "decode",
    "decode_cbor",
    "encode",
    "encode_cbor",
    "messaging_interface",
    "provide",
    "refusal_of",
)
