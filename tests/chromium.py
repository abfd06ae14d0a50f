"""A browser without a window, driven over a pipe: what a page looks like to the person who opens it."""

import json
import os
import shutil
import subprocess
import time
from contextlib import contextmanager

import pytest

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_chromium = pytest.mark.skipif(BROWSER is None, reason="needs Chromium or Chrome")
PATIENCE_SEC = 60.0


class Navigated(Exception):  # noqa: N818
    """The page that was asked has given way to the next one."""


class Tab:
    """A page in the browser; what it logs as a fault, refused content among it, is in `faults`."""

    def __init__(self, answers, orders):
        self._answers, self._orders, self._number, self._session = answers, orders, 0, None
        self.faults = []
        target = self._ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self._ask(f"{domain}.enable")

    def open(self, url):
        self._ask("Page.navigate", url=url)
        self.wait("document.readyState == 'complete' && location.href != 'about:blank'")

    def value(self, script):
        """Return what a script of the page's own gives."""
        answer = self._ask("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def wait(self, condition):
        """Wait until a condition of the page holds."""
        ends = time.monotonic() + PATIENCE_SEC
        while not self._holds(condition):
            assert time.monotonic() < ends, f"{condition} never holds; faults: {self.faults}"
            time.sleep(0.05)

    def _holds(self, condition):
        try:
            return self.value(f"Boolean({condition})")
        except Navigated:
            return False

    def point_at(self, selector):
        """Move the pointer over an element."""
        place = f"document.querySelector({json.dumps(selector)}).getBoundingClientRect()"
        x, y = self.value(f"(box => [box.x + box.width / 2, box.y + box.height / 3])({place})")
        self._ask("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def type(self, text):
        """Type a text where the cursor is, and Enter."""
        self._ask("Input.insertText", text=text)
        for kind in ("keyDown", "keyUp"):
            self._ask("Input.dispatchKeyEvent", type=kind, key="Enter", windowsVirtualKeyCode=13, text="\r")

    def _ask(self, method, **params):
        self._number += 1
        order = {"id": self._number, "method": method, "params": params}
        order |= {"sessionId": self._session} if self._session else {}
        self._orders.write(json.dumps(order).encode() + b"\0")
        self._orders.flush()
        while True:
            answer = self._read()
            if answer.get("id") == self._number:
                if "navigated" in answer.get("error", {}).get("message", ""):
                    raise Navigated
                assert "error" not in answer, answer
                return answer["result"]
            if answer.get("method") in ("Runtime.exceptionThrown", "Log.entryAdded"):
                said = answer["params"]
                if said.get("entry", {}).get("level") != "info":
                    self.faults.append(said)

    def _read(self):
        letters = bytearray()
        while (letter := self._answers.read(1)) != b"\0":
            assert letter, "the browser has ended"
            letters += letter
        return json.loads(letters)


@contextmanager
def tab():
    """Open a browser with a blank page."""
    to_browser, orders = os.pipe()
    answers, from_browser = os.pipe()
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", "--window-size=1200,900"]
    shell = ["bash", "-c", f'exec "$@" 3<&{to_browser} 4>&{from_browser}', "bash", BROWSER, *options]
    browser = subprocess.Popen(shell, pass_fds=(to_browser, from_browser), stderr=subprocess.DEVNULL)
    os.close(to_browser)
    os.close(from_browser)
    try:
        with os.fdopen(answers, "rb") as reads, os.fdopen(orders, "wb") as writes:
            yield Tab(reads, writes)
    finally:
        browser.terminate()
        browser.wait()
