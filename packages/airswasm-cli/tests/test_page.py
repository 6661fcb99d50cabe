"""The page in a browser, over a host whose components talk, fail, and say hostile things."""

from __future__ import annotations

import http.client
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import pytest
from airswasm.sdk import build_project, init_project

playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium: apt-get install chromium")

NAMES = ("shop/orders", "shop/stock", "lab/hostile")
HOSTILE = "<script>window.pwned=1</script><img src=x onerror=window.pwned=1>\u202egnp.exe\x1b[31m"
VIEWS = (
    "overview",
    "components",
    "tree",
    "topology",
    "logs",
    "audit",
    "letters",
    "alerts",
    "traces",
)
UNSEEN = re.compile(
    "[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2066-\u2069]"
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def players(tmp_path_factory: pytest.TempPathFactory, bytecode: Path) -> Path:
    """A home with three names of one component that does what it is told."""
    folder = tmp_path_factory.mktemp("players")
    project = folder / "player"
    init_project(project, "player", "c")
    source = Path(__file__).parent / "guests" / "player.c"
    shutil.copyfile(source, project / "src" / "player.c")
    build_project(project)
    environment = {**os.environ, "AIRSWASM_HOME": str(folder / "home"), "NO_COLOR": "1"}
    environment["PYTHONPYCACHEPREFIX"] = str(bytecode)

    def run(*arguments: str) -> None:
        command = [sys.executable, "-m", "airswasm.cli", *arguments]
        subprocess.run(command, env=environment, capture_output=True, check=True)

    run("keygen")
    manifest = (project / "Component.toml").read_text()
    manifest = re.sub(r"(?m)^(storage|messaging)\..*\n", "", manifest)
    manifest = manifest.replace(
        "[capabilities]", '[capabilities]\nmessaging.send = ["shop/*", "lab/*"]'
    )
    manifest = manifest.replace("intensity = 5", "intensity = 50")
    for name in NAMES:
        (project / "Component.toml").write_text(manifest.replace("local/player", name))
        run("sign", str(project))
        run("install", str(project), "--yes")
    (folder / "home" / "config.toml").write_text(RULE)
    return folder / "home"


RULE = """[tracing]
sample = 1.0

[alerts]
interval_seconds = 1.0

[[alerts.rules]]
name = "Refused"
when = 'airswasm_component_messages_total{outcome="refused"} > 0'
annotations = { summary = "<b>{{ $labels.component }}</b> refuses" }
"""


class Stage:
    """A host process, and what talks to it beside the browser."""

    def __init__(self, home: Path, said: str) -> None:
        self.home = home
        self.port = int(re.findall(r"http://127\.0\.0\.1:(\d+),", said)[0])
        self.link = re.findall(r"http://\S+#link=\S+", said)[0]
        self.token = (home / "control.token").read_text().strip()

    def ask(self, method: str, path: str, body: bytes | None = None) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, {"Authorization": f"Bearer {self.token}"})
            content = connection.getresponse().read()
        finally:
            connection.close()
        return json.loads(content) if content[:1] == b"{" else content

    def tell(self, name: str, what: str) -> Any:
        return self.ask("POST", f"/v1/components/{name}/messages", what.encode())

    def new_link(self, scope: str = "all") -> str:
        return str(self.ask("POST", f"/v1/page-links?scope={scope}")["url"])

    def at(self, view: str) -> str:
        return f"http://127.0.0.1:{self.port}/#/{view}"


@pytest.fixture(scope="module")
def stage(
    players: Path, tmp_path_factory: pytest.TempPathFactory, bytecode: Path
) -> Iterator[Stage]:
    """One host for the tests that leave it as it was."""
    home = Path(shutil.copytree(players, tmp_path_factory.mktemp("stage") / "home"))
    environment = {**os.environ, "AIRSWASM_HOME": str(home), "PYTHONPYCACHEPREFIX": str(bytecode)}
    command = [sys.executable, "-m", "airswasm.cli", "run", "--listen", "0"]
    with (home / "said.txt").open("w") as said:
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=said, stderr=said
        )
    try:
        while "Ctrl-C stops" not in (home / "said.txt").read_text():
            assert process.poll() is None, (home / "said.txt").read_text()
            time.sleep(0.05)
        yield Stage(home, (home / "said.txt").read_text())
    finally:
        process.kill()
        process.wait()


class Seen:
    """What a page asked for and complained about."""

    def __init__(self, page: Any) -> None:
        self.hosts: set[str] = set()
        self.complaints: list[str] = []
        page.on("request", lambda each: self.hosts.add(each.url.split("/")[2]))
        page.on("pageerror", lambda each: self.complaints.append(str(each)))
        page.on("console", self._note)

    def _note(self, message: Any) -> None:
        if message.type == "error" and "401" not in message.text:
            self.complaints.append(message.text)


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    opened = context.new_page()
    opened.set_default_timeout(60_000)
    opened.seen = Seen(opened)
    yield opened
    context.close()


def open_page(page: Any, link: str) -> None:
    page.goto(link)
    page.wait_for_selector(".connection.live")
    page.wait_for_selector(".health .badge")


def expect(found: Any) -> Any:
    return playwright.expect(found)


playwright.expect.set_options(timeout=60_000)


# -- what it shows --------------------------------------------------------------------------------


def test_an_operator_sees_what_components_do(stage: Stage, page: Any) -> None:
    """From the printed link on: figures, states, who talks to whom, a component's receipts."""
    open_page(page, stage.link)
    assert "link=" not in page.url
    for _ in range(5):
        stage.tell("shop/orders", "to:shop/stock")
    stage.tell("shop/stock", "refuse:sold out")
    expect(page.locator(".tiles")).to_contain_text("3 / 3")
    page.goto(stage.at("components"))
    for name in NAMES:
        expect(page.locator(f".rows .row[data-key='{name}']")).to_contain_text("running")
    page.goto(stage.at("topology"))
    pair = page.locator(".rows .row", has_text="shop/stock").filter(has_text="shop/orders")
    while not pair.count():  # the listening begins with the view's stream
        stage.tell("shop/orders", "to:shop/stock")
    expect(page.locator(".graph")).to_contain_text("shop/orders")
    page.goto(stage.at("tree"))
    expect(page.locator(".rows .row", has_text="shop/stock")).to_contain_text("one for one")
    page.goto(stage.at("components/shop/stock"))
    row = page.locator(".tabpanel .rows .row")
    while not row.count():
        stage.tell("shop/stock", "refuse:sold out")
    row.first.click()
    expect(page.locator(".detail")).to_contain_text("refused")
    page.locator("[role=tab]", has_text="details").click()
    expect(page.locator(".tabpanel")).to_contain_text("0.1.0")
    assert page.seen.hosts == {f"127.0.0.1:{stage.port}"}
    assert page.seen.complaints == []


def test_what_components_say_stays_text(stage: Stage, page: Any) -> None:
    """In logs, refusals, failures, letters and events; a long line is cut, marks are visible."""
    open_page(page, stage.new_link())
    stage.tell("lab/hostile", f"log:{HOSTILE}")
    stage.tell("lab/hostile", f"warn:{'x' * 10_000}")
    stage.tell("lab/hostile", f"refuse:{HOSTILE}")
    stage.tell("lab/hostile", f"to:{HOSTILE}")
    stage.tell("lab/hostile", "trap")
    stage.ask("POST", "/v1/components/lab/hostile/start")
    page.goto(stage.at("logs"))
    expect(page.locator(".lines")).to_contain_text("<script>window.pwned=1</script>")
    expect(page.locator(".lines")).to_contain_text("all ")
    page.goto(stage.at("letters"))
    page.locator(".rows .row").first.click()
    expect(page.locator(".detail")).to_contain_text("trapped")
    page.goto(stage.at("components/lab/hostile"))
    receipt = page.locator(".tabpanel .rows .row")
    while not receipt.count():
        stage.tell("lab/hostile", f"refuse:{HOSTILE}")
    for view in (*VIEWS, "components/lab/hostile"):
        page.goto(stage.at(view))
        page.wait_for_selector("h1")
        assert page.evaluate("window.pwned") is None
        assert page.locator("main script, main img, main iframe, main style").count() == 0
        assert UNSEEN.findall(page.evaluate("document.body.innerText")) == []
    assert page.seen.complaints == []


@pytest.mark.parametrize("field", ["text", "title", "aria-label"])
def test_no_text_becomes_an_element(stage: Stage, page: Any, field: str) -> None:
    """Of what the page is built with, whatever is given: the one function makes text nodes."""
    open_page(page, stage.new_link())
    found = page.evaluate(
        """async ([field, text]) => {
          const { h } = await import("/page/dom.js");
          const made = field === "text" ? h("p", {}, text, [text]) : h("p", { [field]: text });
          document.body.append(made);
          return [made.children.length, made.textContent, made.outerHTML];
        }""",
        [field, HOSTILE],
    )
    assert found[0] == 0
    assert "\u202e" not in found[1]
    assert "<script" not in found[2].replace("&lt;script", "").replace(f'="{HOSTILE}"', "")
    assert page.evaluate("window.pwned") is None


def test_the_browser_runs_no_script_but_the_page_s(stage: Stage, page: Any) -> None:
    """If a text came to be HTML all the same, the policy would hold it."""
    open_page(page, stage.new_link())
    refused = page.evaluate(
        """() => {
          const found = [];
          const script = document.createElement("script");
          for (const act of [
            () => { document.body.innerHTML = "<b>x</b>"; },
            () => { script.text = "window.pwned=1"; document.body.append(script); },
          ]) { try { act(); found.push(false); } catch { found.push(true); } }
          return found;
        }"""
    )
    assert refused == [True, True]
    assert page.evaluate("window.pwned") is None


# -- what it does ---------------------------------------------------------------------------------


def test_logs_are_searched_by_the_host(stage: Stage, page: Any) -> None:
    """By a word and a least level, in what was written before the page was opened, too."""
    stage.tell("shop/stock", "log:needle in a haystack")
    stage.tell("shop/stock", "warn:something else")
    open_page(page, stage.new_link())
    page.goto(stage.at("logs"))
    page.fill("input.filter", "needle")
    expect(page.locator(".line")).to_have_count(1)
    stage.tell("shop/stock", "log:another needle")
    expect(page.locator(".line")).to_have_count(2)
    page.fill("input.filter", "")
    page.select_option("select", "warn")
    expect(page.locator(".lines")).to_contain_text("something else")
    expect(page.locator(".lines")).not_to_contain_text("needle")


def test_an_alert_is_shown_and_silenced(stage: Stage, page: Any) -> None:
    """With what it is about; its texts are texts."""
    stage.tell("shop/stock", "refuse:sold out")
    open_page(page, stage.new_link())
    page.goto(stage.at("alerts"))
    row = page.locator(".rows .row[data-key=Refused]")
    expect(row).to_contain_text("firing")
    row.click()
    expect(page.locator(".detail")).to_contain_text("<b>shop/stock</b> refuses")
    page.locator("[data-act=silence]").click()
    page.locator("dialog button", has_text="Silence").click()
    expect(page.locator(".detail")).to_contain_text("from the page")
    page.locator("[data-act=lift]").click()
    page.locator("dialog button", has_text="Lift").click()
    expect(page.locator("[data-act=lift]")).to_have_count(0)


def test_a_trace_is_shown_with_its_spans(stage: Stage, page: Any) -> None:
    """One message, what it caused, and how long each took."""
    stage.tell("shop/orders", "to:shop/stock")
    open_page(page, stage.new_link())
    page.goto(stage.at("traces"))
    page.locator(".rows .row", has_text="shop/stock").first.click()
    expect(page.locator(".spans li").nth(1)).to_be_visible()
    page.locator(".span", has_text="shop/stock").first.click()
    expect(page.locator(".detail")).to_contain_text("kind")


def test_letters_are_replayed_and_removed(stage: Stage, page: Any) -> None:
    """After a question; the answer says how it went."""
    stage.ask("DELETE", "/v1/dead-letters?name=lab/hostile")
    stage.tell("lab/hostile", "trap")
    stage.tell("lab/hostile", "trap")
    open_page(page, stage.new_link())
    page.goto(stage.at("letters"))
    rows = page.locator(".rows .row")
    expect(rows).to_have_count(2)
    rows.first.click()
    page.locator("[data-act=drop]").click()
    page.locator("dialog button", has_text="Cancel").click()
    expect(rows).to_have_count(2)
    page.locator("[data-act=drop]").click()
    page.locator("dialog button", has_text="Remove").click()
    expect(rows).to_have_count(1)
    rows.first.click()
    page.locator("[data-act=replay]").click()
    page.locator("dialog button", has_text="Replay").click()
    expect(page.locator("#toasts")).to_contain_text("died")


def test_a_component_is_stopped_and_started(stage: Stage, page: Any) -> None:
    """By its buttons, as far as they make sense; the audit log says by which session."""
    open_page(page, stage.new_link())
    page.goto(stage.at("components/shop/stock"))
    page.locator("[data-act=stop]").click()
    page.locator("dialog button", has_text="Stop").click()
    expect(page.locator(".status")).to_contain_text("stopped")
    expect(page.locator("[data-act=stop]")).to_be_hidden()
    page.locator("[data-act=start]").click()
    page.locator("dialog button", has_text="Start").click()
    expect(page.locator(".status")).to_contain_text("running")
    page.goto(stage.at("audit"))
    expect(page.locator(".lines")).to_contain_text("by the token page-link, of the scope all")


def test_a_session_that_may_only_read_has_no_button_that_changes(stage: Stage, page: Any) -> None:
    """And one of figures has no view of texts."""
    stage.tell("lab/hostile", "trap")
    open_page(page, stage.new_link("read"))
    for view in (*VIEWS, "components/lab/hostile"):
        page.goto(stage.at(view))
        page.wait_for_selector("h1")
        if view == "letters":
            page.locator(".rows .row").first.click()
            page.wait_for_selector(".detail:visible")
        assert page.locator("[data-act]").count() == 0
    page.goto(stage.new_link("monitoring"))
    expect(page.locator(".scope")).to_have_text("monitoring")
    names = page.locator("nav a").all_text_contents()
    assert [each.rstrip("123456789") for each in names] == ["Overview", "Components"]
    page.goto(stage.at("components"))
    expect(page.locator(".rows .row[data-key='lab/hostile']")).to_be_visible()
    assert "trapped" not in page.evaluate("document.body.innerText")


def test_a_token_signs_in_and_out(stage: Stage, page: Any) -> None:
    """A wrong one is told; after signing out the browser knows nothing."""
    page.goto(stage.at(""))
    page.fill("input[name=token]", "guess")
    page.keyboard.press("Enter")
    expect(page.locator(".failure")).to_contain_text("E0928")
    page.fill("input[name=token]", stage.token)
    page.keyboard.press("Enter")
    page.wait_for_selector(".connection.live")
    page.reload()
    page.wait_for_selector(".connection.live")
    assert stage.token not in page.evaluate("JSON.stringify({...localStorage, ...sessionStorage})")
    page.click("[data-do=leave]")
    page.wait_for_selector("input[name=token]")
    assert page.evaluate("localStorage.getItem('airswasm.key')") is None
    page.reload()
    page.wait_for_selector("input[name=token]")


def test_everything_is_done_from_the_keyboard(stage: Stage, page: Any) -> None:
    """Views, filter, rows, tabs, help and theme; what has the focus is seen."""
    open_page(page, stage.new_link())
    page.keyboard.press("?")
    expect(page.locator("dialog")).to_contain_text("filter or search")
    page.keyboard.press("Escape")
    expect(page.locator("dialog")).to_have_count(0)
    page.keyboard.press("2")
    page.wait_for_selector(".rows .row")
    page.keyboard.press("/")
    page.keyboard.type("stock")
    expect(page.locator(".rows .row")).to_have_count(1)
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    assert page.locator(".row[aria-selected=true]").get_attribute("data-key") == "shop/stock"
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("shop/stock")
    page.keyboard.press("]")
    expect(page.locator("[role=tab][aria-selected=true]")).to_have_text("log")
    page.keyboard.press("Escape")
    page.wait_for_selector("h1:has-text('Components')")
    page.keyboard.press("s")
    expect(page.locator("[aria-sort=descending]")).to_have_count(1)
    for theme in ("light", "dark", "auto"):
        page.keyboard.press("t")
        assert page.evaluate("document.documentElement.dataset.theme") == theme
    page.keyboard.press("p")
    expect(page.locator("[data-do=pause]")).to_have_attribute("aria-pressed", "true")
    for _ in range(12):
        page.keyboard.press("Tab")
        assert page.evaluate(IS_SEEN), page.evaluate("document.activeElement.outerHTML")


@pytest.mark.parametrize(
    ("width", "scheme"), list(itertools.product((360, 1280), ("light", "dark")))
)
def test_each_view_fits_its_screen(stage: Stage, page: Any, width: int, scheme: str) -> None:
    """No view is wider than a phone, and every text is told from its ground."""
    stage.tell("lab/hostile", "trap")
    page.set_viewport_size({"width": width, "height": 740})
    page.emulate_media(color_scheme=scheme)
    open_page(page, stage.new_link())
    for view in (*VIEWS, "components/lab/hostile"):
        page.goto(stage.at(view))
        page.wait_for_selector("h1")
        too_wide = page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert too_wide <= 0, view
        inside = page.evaluate("document.querySelector('main').scrollWidth - innerWidth")
        assert inside <= 0, view
    for ink in ("--ink", "--soft", "--accent", "--good", "--warn", "--bad"):
        for ground in ("--ground", "--surface", "--raised"):
            assert page.evaluate(CONTRAST, [ink, ground]) >= 4.5, (ink, ground)


IS_SEEN = """() => document.activeElement === document.body ||
  getComputedStyle(document.activeElement).outlineStyle === "solid"
"""
CONTRAST = """([ink, ground]) => {
  const light = (name) => {
    const hex = getComputedStyle(document.documentElement).getPropertyValue(name).trim().slice(1);
    const parts = hex.match(/../g).map((each) => parseInt(each, 16) / 255)
      .map((each) => (each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4));
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
  };
  const [a, b] = [light(ink), light(ground)].sort((x, y) => y - x);
  return (a + 0.05) / (b + 0.05);
}"""


# -- how it bears up ------------------------------------------------------------------------------


def test_a_hidden_page_reads_nothing(stage: Stage, page: Any) -> None:
    """And begins anew when it is seen."""
    open_page(page, stage.new_link())

    def readers() -> int:
        connection = http.client.HTTPConnection("127.0.0.1", stage.port, timeout=60)
        connection.request(
            "GET", "/v1/watch/figures", headers={"Authorization": f"Bearer {stage.token}"}
        )
        line = json.loads(connection.getresponse().readline())
        connection.close()
        return int(line["figures"]["readers"]) - 1

    hide = """(hidden) => {
      Object.defineProperty(document, "hidden", { get: () => hidden, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    }"""
    page.evaluate(hide, True)
    while readers():  # the host learns of it when it writes next
        page.wait_for_timeout(100)
    page.evaluate(hide, False)
    while not readers():
        page.wait_for_timeout(100)


def test_ten_thousand_rows_are_a_screenful_of_elements(stage: Stage, page: Any) -> None:
    """Sorted and filtered over all of them, and at every place."""
    open_page(page, stage.new_link())
    found = page.evaluate(
        """async () => {
          const { List } = await import("/page/list.js");
          const list = new List({
            label: "x", empty: "", keyOf: (row) => row.name, textOf: (row) => row.name, sort: "n",
            columns: [{ key: "n", title: "n", cell: (row) => row.n, order: (row) => -row.n }],
          });
          list.element.style.height = "600px";
          document.body.replaceChildren(list.element);
          list.show(Array.from({ length: 10000 }, (_, n) => ({ name: `a/n${n}`, n })));
          const keys = (each) => each.dataset.key;
          const shown = () => [...document.querySelectorAll(".rows .row")].map(keys);
          const first = shown();
          list.element.scrollTop = 1e9;
          list.draw();
          const last = shown();
          list.filter("n777");
          return [first.length, first[0], last.length, last.at(-1), list.shown.length];
        }"""
    )
    assert found[0] < 60
    assert found[2] < 60
    assert (found[1], found[3], found[4]) == ("a/n9999", "a/n0", 11)


COLUMNS = """async (pairs) => {
  const { columnsOf } = await import("/page/drawing.js");
  const edges = pairs.map(([sender, receiver]) => ({ sender, receiver }));
  return Object.fromEntries(columnsOf(edges));
}"""


def test_the_drawing_places_any_graph(stage: Stage, page: Any) -> None:
    """Circles too; no name stands before one that only sends to it, as far as that can be."""
    open_page(page, stage.new_link())

    def columns(pairs: list[tuple[str, str]]) -> Mapping[str, int]:
        return cast("Mapping[str, int]", page.evaluate(COLUMNS, [list(each) for each in pairs]))

    assert columns([("a", "b"), ("b", "c"), ("a", "c")]) == {"a": 0, "b": 1, "c": 2}
    assert columns([("a", "a")]) == {"a": 0}
    circle = columns([("a", "b"), ("b", "c"), ("c", "a")])
    assert sorted(circle.values()) == [0, 1, 2]
    many = [(f"n{a}", f"n{b}") for a in range(20) for b in range(20) if (a * 7 + b) % 5 == 0]
    assert set(columns(many)) == {name for pair in many for name in pair}


def test_a_host_that_ends_is_told_and_looked_for(
    players: Path, home: Path, run_host: Callable[..., Any], page: Any
) -> None:
    """A session does not outlive its host: the next one asks who is there."""
    shutil.copytree(players, home)
    host = run_host("--listen", "0")
    stage = Stage(home, host.said)
    open_page(page, stage.link)
    host.process.kill()
    host.process.wait()
    expect(page.locator(".connection.waiting")).to_contain_text("trying again")
    run_host("--listen", str(stage.port))
    page.wait_for_selector("input[name=token]")
    expect(page.locator(".entrance")).to_contain_text("session has ended")
