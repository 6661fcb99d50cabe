"""The spelling of topics: non-empty segments joined by dots, and patterns of them."""

from __future__ import annotations

from airswasm.security import InvalidPattern, InvalidResource, Pattern, Reach, Spelling, read_plain

__all__ = ("TOPIC", "TOPIC_PATTERN", "read_topic", "read_topic_pattern")


def read_topic(value: str) -> str:
    read_plain(value)
    if not value or "" in value.split("."):
        raise InvalidResource(value, "a topic is non-empty segments joined by dots")
    if "*" in value or "?" in value:
        raise InvalidResource(value, "a topic holds no wildcards")
    return value


def read_topic_pattern(value: str) -> str:
    segments = value.split(".")
    if "" in segments:
        raise InvalidResource(value, "a topic pattern is non-empty segments joined by dots")
    try:
        Pattern(value, ".")
    except InvalidPattern as error:
        raise InvalidResource(value, error.reason) from error
    return value


TOPIC = Spelling(".", read=read_topic)
TOPIC_PATTERN = Spelling(".", read=read_topic_pattern, reach=Reach.PATTERN)
"""A subscription touches every topic that its pattern covers."""
