"""The files of the page: what is served, with which policy, and what is not in them."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import PurePosixPath

import httpx
import pytest
from airswasm.monitoring import PAGE_HEADERS, page_routes
from starlette.applications import Starlette

FOLDER = files("airswasm.monitoring._page").joinpath("files")
TEXTS = {each.name: each.read_text("utf-8") for each in FOLDER.iterdir() if each.is_file()}
SCRIPTS = {name: text for name, text in TEXTS.items() if name.endswith(".js")}
SINKS = (
    "innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function",
    "javascript:", "DOMParser", "createContextualFragment", "srcdoc", "setTimeout(\"",
)  # fmt: skip
"""What makes HTML or code of a text."""


async def get(path: str, *, is_on: bool = True, **headers: str) -> httpx.Response:
    transport = httpx.ASGITransport(Starlette(routes=page_routes(lambda: is_on)))
    async with httpx.AsyncClient(transport=transport, base_url="http://host") as client:
        return await client.get(path, headers={k.replace("_", "-"): v for k, v in headers.items()})


@pytest.mark.anyio
@pytest.mark.parametrize("name", sorted(TEXTS))
async def test_each_file_is_served_with_the_policy(name: str) -> None:
    """And with its media type, which a browser is not to guess."""
    answer = await get("/" if name == "index.html" else f"/page/{name}")
    assert (answer.status_code, answer.text) == (200, TEXTS[name])
    assert {k: answer.headers[k] for k in PAGE_HEADERS} == dict(PAGE_HEADERS)
    kind = {".html": "text/html", ".js": "text/javascript", ".css": "text/css"}
    suffix = PurePosixPath(name).suffix
    assert answer.headers["content-type"].startswith(kind.get(suffix, "image/svg+xml"))


@pytest.mark.anyio
async def test_a_file_that_a_browser_has_is_not_sent_again() -> None:
    """It asks each time, so that a new version is there at once."""
    first = await get("/page/main.js")
    again = await get("/page/main.js", If_None_Match=first.headers["etag"])
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["content-security-policy"] == first.headers["content-security-policy"]


@pytest.mark.anyio
@pytest.mark.parametrize("path", ["/page/none.js", "/page/..%2f..%2f_block.py", "/page/serving.py"])
async def test_nothing_else_is_served(path: str) -> None:
    """The set of files is fixed; no path of a request reaches the disk."""
    assert (await get(path)).status_code == 404


@pytest.mark.anyio
async def test_a_page_that_is_off_says_how_to_have_it() -> None:
    """All of its files are away."""
    for path in ("/", "/page/main.js"):
        answer = await get(path, is_on=False)
        assert (answer.status_code, "monitoring.page on" in answer.text) == (404, True)


@pytest.mark.parametrize("name", sorted(SCRIPTS))
def test_a_script_makes_no_text_to_html(name: str) -> None:
    """So that nothing that a component says can be one."""
    assert [each for each in SINKS if each in SCRIPTS[name]] == []


@pytest.mark.parametrize("name", sorted(SCRIPTS))
def test_a_script_imports_only_files_of_the_page(name: str) -> None:
    """By names that are served."""
    imported = re.findall(r'from "([^"]+)"|import\("([^"]+)"\)', SCRIPTS[name])
    for found in imported:
        path = found[0] or found[1]
        assert path.startswith("./")
        assert path.removeprefix("./") in TEXTS


@pytest.mark.parametrize("name", sorted(TEXTS))
def test_nothing_is_asked_of_another_host(name: str) -> None:
    """No address in any file but the name of a document type."""
    found = re.findall(r"(?:https?:)?//[a-z0-9.]+\.[a-z]{2,}[^\s\"')]*", TEXTS[name])
    assert [each for each in found if not each.startswith("http://www.w3.org/")] == []


def test_the_document_has_neither_script_nor_style_of_its_own() -> None:
    """The policy would not run them."""
    text = TEXTS["index.html"]
    assert re.findall(r"<script[^>]*>", text) == ['<script type="module" src="/page/main.js">']
    assert "<style" not in text
    assert not re.search(r"\son\w+=|style=", text)
