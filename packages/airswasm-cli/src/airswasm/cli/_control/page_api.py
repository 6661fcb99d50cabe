"""The rows of the table that serve the page: live frames, and links to it."""

from __future__ import annotations

from .operation import Json, JsonLines, Number, Operation, Parameter, Text

__all__ = ("PAGE_OPERATIONS",)

_FRAMES = JsonLines("frame/1", "airswasm.monitoring:Frame")
_INTERVAL = Parameter("interval", "query", Number(1.0, 60.0), "Seconds between two looks.", 2.0)
_FORM = (
    "The first frame of a table (`components`, `supervisors`, `traffic`) has the names of its "
    "columns and all rows; later ones have the rows that changed and the keys of those that are "
    "gone. `events` and `receipts` are streams: their frames have `lines`. `host` comes at each "
    "look. A reader that is slow gets what has changed since its last frame; nothing waits for it. "
    "Sixteen readers at most watch a host."
)

PAGE_OPERATIONS = (
    Operation(
        "watch", "GET", "/v1/watch", "Watch a host: what changes, as it does.",
        _FRAMES,
        (
            Parameter(
                "parts", "query", Text(),
                "Divided by commas: components, supervisors, traffic, events, receipts.",
                "components",
            ),
            Parameter("name", "query", Text(), "The component whose receipts to watch.", ""),
            _INTERVAL,
        ),
        detail=_FORM, scope="read",
    ),
    Operation(
        "watch_figures", "GET", "/v1/watch/figures", "Watch the figures of a host.",
        _FRAMES, (_INTERVAL,),
        detail="The parts `host` and `components` of `watch`, without the texts of errors.",
        scope="monitoring",
    ),
    Operation(
        "page_link", "POST", "/v1/page-links", "Make a link that opens the page once.",
        Json("page-link/1", "airswasm.cli._control.page_sessions:PageLink"),
        (
            Parameter(
                "scope", "query", Text(("monitoring", "read", "all")),
                "What the page may do.", "all",
            ),
        ),
        changes=True,
        detail="The link holds for ten minutes, for one use, and for a host that listens on TCP. "
        "Its secret is behind the `#`, which browsers send to no server.",
        scope="all",
    ),
)  # fmt: skip
