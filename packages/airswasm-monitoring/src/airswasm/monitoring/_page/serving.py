"""Serve the files of the page, as they are in the wheel.

They say nothing about the host, so they need no token: what a page shows, it asks for with its
session. Their set is fixed when the routes are made, so no path of a request reaches a disk.

The policy in the header lets a page load its own files only, connect to its host only, and run no
script and no style but those files; and with trusted types, no text can become HTML.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

__all__ = ("PAGE_HEADERS", "page_routes")

PAGE_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-cache",
}
_MEDIA_TYPES: Mapping[str, str] = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_OFF = "the page is off: airswasm config set monitoring.page on, and airswasm reload\n"


def page_routes(is_on: Callable[[], bool]) -> list[Route]:
    """Return the routes of the page: `/`, and its files below `/page/`.

    Args:
        is_on: Whether to serve it; asked at each request.
    """
    served = _read_files()

    async def serve(request: Request) -> Response:
        if not is_on():
            return Response(_OFF, 404, media_type="text/plain")
        name = request.path_params.get("file", "index.html")
        found = served.get(name)
        if found is None:
            return Response("there is no such file\n", 404, media_type="text/plain")
        content, tag, media_type = found
        headers = {**PAGE_HEADERS, "ETag": tag}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(content, headers=headers, media_type=media_type)

    return [Route("/", serve), Route("/page/{file}", serve)]


def _read_files() -> dict[str, tuple[bytes, str, str]]:
    """Return each file's content, tag and media type, by its name."""
    found: dict[str, tuple[bytes, str, str]] = {}
    for each in files("airswasm.monitoring").joinpath("_page", "files").iterdir():
        suffix = each.name[each.name.rfind(".") :]
        if suffix in _MEDIA_TYPES:
            content = each.read_bytes()
            tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
            found[each.name] = content, tag, _MEDIA_TYPES[suffix]
    return found
