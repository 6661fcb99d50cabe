"""Print `docs/control-api.md` from the table of operations.

    python -m airswasm.cli.control_page > docs/control-api.md

A test holds the file equal to this output, so the page cannot drift from the API.
"""

# ruff: noqa: E501 - a paragraph of the page is one line
from __future__ import annotations

import sys
from collections.abc import Iterator

from ._control.api import OPERATIONS
from ._control.operation import (
    Bytes,
    Component,
    Flag,
    Json,
    JsonLines,
    Nothing,
    Number,
    Operation,
    Parameter,
    Raw,
    Stream,
    Text,
    plain_number,
)

__all__ = ("control_page",)

_HEAD = """\
# The control API
<!-- Written by `python -m airswasm.cli.control_page`; change the table in `_control_api.py`, not this page. -->

A running host (`airswasm run`) answers HTTP on a Unix socket that only its owner can open (mode 0600). It is `control.sock` in the home; where the home's path is too long for a socket, the first lines of `host.lock` in the home name another place. With `airswasm run --listen PORT` the host also answers on 127.0.0.1, where every request needs a token as `Authorization: Bearer TOKEN` and a loopback name as its `Host`.

**Tokens.** Each run writes a token for everything to `control.token` in the home. `airswasm tokens create NAME --scope SCOPE` makes others, which hold until `airswasm tokens revoke NAME`; the host keeps their hashes. Their scopes: `monitoring` for `/metrics`, `/livez`, `/readyz`, `/healthz` and `/snapshot`; `read` for these and all that changes nothing; `send` for messages to the components that the token names; `all`. The audit log has a line for each token that is made or revoked, for each change by one, and for each refusal.

**The page.** `GET /` is the host's page in a browser ([page.md](page.md)); it needs no token, and says nothing without a session. `POST /page/session` exchanges `{"token": …}` or `{"link": …}` for one: a cookie, and a `key` that each request sends as `X-Airswasm-Key`. `GET` shows what the session may do, `DELETE` ends it. Requests from the pages of other sites are refused, over TCP and over the socket.

    curl --unix-socket "$AIRSWASM_HOME/control.sock" --data world http://host/v1/components/local/hello/messages

`GET /v1/openapi.json` is this page for programs. `GET /metrics` is there as well, for Prometheus, and so are `GET /livez`, `/readyz` and `/healthz`, for probes.

**Answers.** A document is a JSON object with a `schema` such as `airswasm.info/1`; within a version, members are only added. A stream is one such document on each line (NDJSON); when it breaks off, its last line is an error.

**Errors.** `{"schema": "airswasm.error/1", "error": {"code", "message", "hint", "exit_code", "details"}}`, with the code that `airswasm explain` knows. The status follows from the kind: 400 the request is wrong, 401 no token, 403 refused (also a token whose scope is too narrow), 404 not found, 409 the plan is gone, 413 too large, 422 not authentic, 500 a bug, 503 no host.

**Installing** takes two requests. The first uploads the package and answers with the plan; the second approves it by the plan's digest, so that what is approved is what was shown, to the byte:

    plan=$(curl --unix-socket control.sock --data-binary @hello.airswasm http://host/v1/plans)
    curl --unix-socket control.sock -X POST "http://host/v1/plans/$(jq -r .digest <<< "$plan")"

| operation | request | |
|---|---|---|
"""


def control_page() -> str:
    """Return the whole page."""
    rows = [
        f"| [{each.name}](#{each.name}) | `{each.method} {_shown(each)}` | {each.summary} |\n"
        for each in OPERATIONS
    ]
    parts = [_HEAD, *rows]
    for each in OPERATIONS:
        parts += _operation(each)
    return "".join(parts)


def _operation(operation: Operation) -> Iterator[str]:
    yield f"\n## {operation.name}\n`{operation.method} {_shown(operation)}`\n\n{operation.summary}"
    yield f" {operation.detail}\n" if operation.detail else "\n"
    yield f"\nAnswers with {_answer(operation)}. {_effect(operation)}"
    yield f" A token needs the scope `{operation.scope}`.\n"
    given = [each for each in operation.parameters if not isinstance(each.kind, Component)]
    if given:
        yield "\n| parameter | in | | default |\n|---|---|---|---|\n"
        for each in given:
            yield f"| `{each.name}` | {each.place} | {each.meaning} {_kind(each)} | {_default(each)} |\n"


def _shown(operation: Operation) -> str:
    return operation.route.replace("{namespace}/{name}", "NAMESPACE/NAME").replace(
        "{digest}", "DIGEST"
    )


def _effect(operation: Operation) -> str:
    return "Changes the host." if operation.changes else "Changes nothing."


def _answer(operation: Operation) -> str:
    answer = operation.answer
    if isinstance(answer, Nothing):
        return "204"
    if isinstance(answer, JsonLines):
        return f"a stream of `airswasm.{answer.schema}`"
    if isinstance(answer, Raw):
        return "a stream of bytes" if answer.is_streamed else "bytes, or 204"
    if not answer.schema:
        return "a JSON object"
    return f"`airswasm.{answer.schema}`" + _member(answer)


def _member(answer: Json) -> str:
    return f" with `{answer.member}`" if answer.member else ""


def _kind(parameter: Parameter) -> str:
    kind = parameter.kind
    if isinstance(kind, Number):
        return f"{'A whole number' if kind.is_whole else 'A number'}, {plain_number(kind.least)} to {plain_number(kind.most)}."
    if isinstance(kind, Flag):
        return "`1` or `0`."
    if isinstance(kind, Bytes):
        return f"At most {kind.most // 2**20} MiB."
    if isinstance(kind, Stream):
        return "Read as it arrives."
    choices = kind.choices if isinstance(kind, Text) else ()
    return " or ".join(f"`{each}`" for each in choices if each) + "." if choices else ""


def _default(parameter: Parameter) -> str:
    if parameter.is_required:
        return "required"
    if parameter.default is None or parameter.default == "":
        return "none"
    return (
        f"`{int(parameter.default) if isinstance(parameter.default, bool) else parameter.default}`"
    )


if __name__ == "__main__":
    sys.stdout.write(control_page())
