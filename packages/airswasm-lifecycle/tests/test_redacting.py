"""A secret that stands under a name to redact is in no record, wherever and however it is there."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import pytest
from airswasm.lifecycle._trial.attempts import Answer
from airswasm.lifecycle._trial.recorded import Recorded, pack
from airswasm.lifecycle._trial.redacting import Redactor
from airswasm.messaging import encode
from airswasm.runtime import Effect
from airswasm.storage import Written
from hypothesis import given
from hypothesis import strategies as st

SECRET = "hunter2-marker"
REDACTOR = Redactor(["password", "customer.e_mail"])
SPELLINGS = ("password", "Password", "PASS_WORD", "pass-word", " password ", "\uff50assword",
             "pass\u200bword", "user.password")  # fmt: skip


def kept(entry: Recorded) -> bytes:
    reason = REDACTOR.reason(entry)
    return pack(entry.without_content(reason) if reason else entry)


def message(**members: Any) -> Recorded:
    return Recorded("message", 0.0, "1.0.0", **{"payload": b"{}", **members})


def answered(arguments: tuple[object, ...], value: object = None, error: str = "") -> Recorded:
    return message(answers=(Answer("a:b/c#d", Effect.READS, arguments, value, error),))


def stored(value: bytes, key: str = "k") -> Recorded:
    return message(changes=(Written(key, None, value, False),))


def in_record(payload: bytes, text: str) -> list[Recorded]:
    """Every place of a record that a component or a sender fills."""
    return [
        message(payload=payload),
        message(reply=payload),
        message(text=text),
        message(topic=text),
        message(envelope={"correlation": text}),
        Recorded("callback", 0.0, "1", payload=None, failure=("refused", text)),
        answered((payload,)),
        answered((text, 1)),
        answered((), [text]),
        answered((), None, text),
        stored(payload),
        message(changes=(Written("k", payload, None, False),)),
    ]


def wrapped(steps: list[str], value: object) -> object:
    for step in steps:
        match step:
            case "list":
                value = [1, value]
            case "member":
                value = {"a": value, "b": 1}
            case "only":
                value = {"": value}
            case "text":
                value = json.dumps(value)
    return value


@given(
    st.lists(st.sampled_from(["list", "member", "only", "text"]), max_size=6),
    st.sampled_from(SPELLINGS),
    st.sampled_from(["json", "cbor", "msgpack", ""]),
)
def test_no_nesting_spelling_or_codec_hides_a_member(
    steps: list[str], name: str, codec: str
) -> None:
    """In whatever place of the record."""
    value = wrapped(steps, {name: SECRET})
    text = json.dumps(value)
    payload = encode(value, codec) if codec else text.encode()
    for entry in in_record(payload, text):
        assert SECRET.encode() not in kept(entry), entry


@pytest.mark.parametrize(
    "payload",
    [
        f'{{"a": {{"password": "{SECRET}"}}, "a": 1}}',
        f'{{"customer": {{"email": "{SECRET}"}}, "customer": {{}}}}',
        f'[["Password", "{SECRET}"]]',
        f'{{"customer": [{{"": {{"E-Mail": "{SECRET}"}}}}]}}',
        "[" * 60 + f'"{SECRET}"' + "]" * 60,
        "[" * 900 + f'"{SECRET}"' + "]" * 900,
        json.dumps(urlencode({"a": 1, "password": SECRET})),
        json.dumps(f"https://example.org/?user_password={SECRET}"),
    ],
)
def test_json_of_an_attacker_hides_nothing(payload: str) -> None:
    """Twins, pairs, depth, forms and addresses."""
    for entry in in_record(payload.encode(), payload):
        assert SECRET.encode() not in kept(entry)


def test_headers_lines_and_keys_are_members() -> None:
    """As they stand in calls and in the storage, in no codec."""
    secret = SECRET.encode()
    for entry in (
        answered(([["Accept", b"*/*"], ["Password", secret]],)),
        stored(b'{"password": "%s"}\n{"a": 1}' % secret),
        stored(b'\x00\xff{"password" : "%s' % secret),
        stored(secret, "users/1/password"),
        stored(secret, "customer/e-mail/7"),
    ):
        assert secret not in kept(entry)


def test_other_members_are_recorded() -> None:
    """A name that begins or ends alike, one as a value, and a member outside of its path."""
    for value in (
        {"passwords": SECRET},
        {"mypassword": SECRET},
        {"field": "password", "note": SECRET},
        {"email": SECRET},
        {"email": {"customer": SECRET}},
    ):
        assert SECRET.encode() in kept(message(payload=json.dumps(value).encode()))
