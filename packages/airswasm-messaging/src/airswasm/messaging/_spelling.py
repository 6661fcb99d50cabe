"""The spelling of topics: non-empty segments joined by dots, and patterns of them."""

from __future__ import annotations

from airswasm.security import InvalidPattern, InvalidResource, Pattern, Reach, Spelling, read_plain

__all__ = ("TARGET", "TOPIC", "TOPIC_PATTERN", "read_topic", "read_topic_pattern")


def read_topic(value: str) -> str:
    read_plain(value)
    if not value or "" in value.split("."):
        raise InvalidResource(value, "a topic is non-empty segments joined by dots")
    if any(char in value for char in "*?[]"):
        raise InvalidResource(value, "a topic holds no wildcards")
    return value


def read_topic_pattern(value: str) -> str:
    segments = value.split(".")
    if "" in segments:
        raise InvalidResource(value, "a topic pattern is non-empty segments joined by dots")
    if any(char in value for char in "?[]"):
        raise InvalidResource(value, "the wildcards of a subscription are * and **")
    try:
        Pattern(value, ".")
    except InvalidPattern as error:
        raise InvalidResource(value, error.reason) from error
    return value


def _topic_grant(text: str) -> str:
    """Check that a grant's pattern has the segments of a topic."""
    if text and "" in text.split("."):
        raise InvalidPattern(text, "a topic has no empty segment; segments are joined by dots")
    return text


def _target_pattern(text: str) -> str:
    if text and "" in text.split("/"):
        meant = "/".join(part for part in text.split("/") if part)
        raise InvalidPattern(text, f"no component is named so; did you mean {meant}?")
    return text


TARGET = Spelling(read_pattern=_target_pattern, everything="*/*")
TOPIC = Spelling(".", read=read_topic, read_pattern=_topic_grant)
TOPIC_PATTERN = Spelling(
    ".", read=read_topic_pattern, read_pattern=_topic_grant, reach=Reach.PATTERN
)
"""A subscription touches every topic that its pattern covers."""
