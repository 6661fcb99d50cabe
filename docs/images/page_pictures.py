"""Make the pictures of docs/page.md: a real host, real traffic, a real browser.

    python docs/images/page_pictures.py

It needs Chromium and `pip install playwright`. Run it after a change of the page.
"""

from __future__ import annotations

import http.client
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from airswasm.sdk import build_project, init_project
from playwright.sync_api import sync_playwright

HERE = Path(__file__).parent
PLAYER = HERE.parents[1] / "packages" / "airswasm-cli" / "tests" / "guests" / "player.c"
NAMES = ("shop/web", "shop/orders", "shop/stock", "shop/mail", "shop/invoices")
TALK = [
    ("shop/web", "to:shop/orders", 1), ("shop/orders", "to:shop/stock", 1),
    ("shop/orders", "to:shop/invoices", 2), ("shop/stock", "to:shop/mail", 3),
    ("shop/invoices", "to:shop/mail", 2), ("shop/stock", "refuse:sold out", 15),
    ("shop/mail", "log:sent", 5), ("shop/invoices", "trap", 160),
]  # fmt: skip
"""Who is told what, in which rounds."""
PICTURES = {"page-overview": ("", "light", 24), "page-topology": ("topology", "dark", 8)}
"""Each view with its theme, and the seconds of traffic that it shows."""


def main() -> None:
    """Make all pictures."""
    with tempfile.TemporaryDirectory(prefix="airswasm-pictures-") as folder:
        home = Path(folder) / "home"
        environment = {**os.environ, "AIRSWASM_HOME": str(home), "NO_COLOR": "1"}
        command = [sys.executable, "-m", "airswasm.cli"]
        project = Path(folder) / "player"
        init_project(project, "player", "c")
        shutil.copyfile(PLAYER, project / "src" / "player.c")
        build_project(project)
        subprocess.run([*command, "keygen"], env=environment, check=True, capture_output=True)
        manifest = (project / "Component.toml").read_text()
        manifest = re.sub(r"(?m)^(storage|messaging)\..*\n", "", manifest)
        asked = '[capabilities]\nmessaging.send = ["shop/*"]'
        manifest = manifest.replace("[capabilities]", asked)
        for name in NAMES:
            (project / "Component.toml").write_text(manifest.replace("local/player", name))
            for verb in (("sign",), ("install", "--yes")):
                arguments = [*command, verb[0], str(project), *verb[1:]]
                subprocess.run(arguments, env=environment, check=True, capture_output=True)
        host = subprocess.Popen(
            [*command, "run", "--listen", "0"], env=environment, stderr=subprocess.PIPE, text=True
        )
        try:
            said = ""
            while "Ctrl-C stops" not in said:
                said += host.stderr.readline() if host.stderr is not None else ""
            show(home, said)
        finally:
            host.terminate()
            host.wait()


def show(home: Path, said: str) -> None:
    """Drive the components of a host, and take the pictures."""
    port = int(re.findall(r"127\.0\.0\.1:(\d+),", said)[0])
    token = (home / "control.token").read_text().strip()
    is_over = threading.Event()
    driver = threading.Thread(target=drive, args=(port, token, is_over))
    driver.start()
    try:
        with sync_playwright() as playwright:
            chromium = shutil.which("chromium") or ""
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1180, "height": 640})
            page.goto(re.findall(r"http://\S+#link=\S+", said)[0])
            for name, (view, theme, seconds) in PICTURES.items():
                page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
                page.goto(f"http://127.0.0.1:{port}/#/{view}")
                page.wait_for_timeout(seconds * 1_000)
                page.screenshot(path=HERE / f"{name}.png")
            browser.close()
    finally:
        is_over.set()
        driver.join()


def drive(port: int, token: str, is_over: threading.Event) -> None:
    """Send messages until it is over."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    rounds = 0
    while not is_over.is_set():
        rounds += 1
        for name, what, every in TALK:
            if rounds % every == 0:
                path = f"/v1/components/{name}/messages"
                headers = {"Authorization": f"Bearer {token}"}
                connection.request("POST", path, what.encode(), headers)
                connection.getresponse().read()
        time.sleep(0.02)


if __name__ == "__main__":
    main()
