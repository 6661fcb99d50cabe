"""The JSON Schema of Component.toml, as a page of the documentation.

`python -m airswasm.sdk.schema > docs/component.schema.json` writes it.
"""

from __future__ import annotations

import json

from airswasm.lifecycle import manifest_schema

__all__ = ("schema_text",)


def schema_text() -> str:
    """Return the schema's text."""
    return json.dumps(manifest_schema(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    print(schema_text(), end="")
