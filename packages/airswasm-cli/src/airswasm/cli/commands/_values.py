"""Bytes as `--json` shows them."""

from __future__ import annotations

import base64

__all__ = ("bytes_document",)


def bytes_document(content: bytes | None) -> dict[str, object]:
    """Return bytes as text, where they are UTF-8, and as base64."""
    if content is None:
        return {"text": None, "base64": None}
    try:
        text: str | None = content.decode()
    except UnicodeDecodeError:
        text = None
    return {"text": text, "base64": base64.b64encode(content).decode()}
