"""A headless Chromium and the pages in it, over the pipe of its DevTools protocol: no driver, no package.

https://chromedevtools.github.io/devtools-protocol/
"""

import base64
import fcntl
import json
import os
import select
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

__all__ = ["Chromium", "Page"]

OPTIONS = [
    *["--headless=new", "--remote-debugging-pipe", "--no-first-run", "--no-default-browser-check", "--disable-gpu"],
    *["--disable-dev-shm-usage", "--disable-extensions", "--disable-background-networking", "--disable-sync"],
    "--no-sandbox",  # root and containers have none, and what is opened are pages of our own
]
PATIENCE = 60
"""Seconds that one answer may take."""


class Chromium:
    """One browser, whose profile lies in `folder`; a context manager, which ends it."""

    def __init__(self, program: str, folder: Path) -> None:
        (read_there, self._write), (self._read, write_there) = _pipe(), _pipe()
        # It reads commands from file descriptor 3 and writes answers to 4.
        script = f'exec "$@" 3<&{read_there} 4>&{write_there}'
        self._process = subprocess.Popen(
            ["bash", "-c", script, "bash", program, *OPTIONS, f"--user-data-dir={folder}", "about:blank"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(read_there, write_there),
            start_new_session=True,
        )
        os.close(read_there)
        os.close(write_there)
        self._number = 0
        self._unread = b""
        self.events: list[dict[str, Any]] = []

    def __enter__(self) -> "Chromium":
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError, TimeoutError):
            self.call("Browser.close")
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        os.close(self._read)
        os.close(self._write)

    def open(self, path: Path) -> "Page":
        """Open a file in a tab of its own, and wait until it is loaded."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = Page(self, session)
        for domain in ("Page", "Runtime", "Log", "Network"):
            page.call(f"{domain}.enable")
        page.call("Page.navigate", url=path.resolve().as_uri())
        self.wait_for("Page.loadEventFired", session)
        return page

    def call(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        """Send a command and return its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        content = json.dumps(message | ({"sessionId": session} if session else {})).encode() + b"\0"
        while content:
            content = content[os.write(self._write, content) :]
        while (answer := self._next()).get("id") != self._number:
            self.events.append(answer)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        return dict(answer["result"])

    def wait_for(self, event: str, session: str) -> None:
        while not any(seen["method"] == event and seen.get("sessionId") == session for seen in self.events):
            self.events.append(self._next())

    def _next(self) -> dict[str, Any]:
        end = time.monotonic() + PATIENCE
        while b"\0" not in self._unread:
            if not select.select([self._read], [], [], max(0.0, end - time.monotonic()))[0]:
                raise TimeoutError(f"Chromium said nothing for {PATIENCE} seconds")
            part = os.read(self._read, 1 << 20)
            if not part:
                raise BrokenPipeError("Chromium ended")
            self._unread += part
        message, _, self._unread = self._unread.partition(b"\0")
        return dict(json.loads(message))


class Page:
    """A page in a tab of its own."""

    def __init__(self, browser: Chromium, session: str) -> None:
        self._browser, self._session = browser, session

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        return self._browser.call(method, self._session, **parameters)

    def show(self, width: int, height: int = 800, *, dark: bool = False, paper: bool = False) -> None:
        """Show the page in a window of that many CSS pixels, to a reader who likes it dark, or as it is printed."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", media="print" if paper else "", features=[scheme])
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def ask(self, script: str) -> Any:
        """Return the value of an expression in the page, as JSON has it."""
        found = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        if "exceptionDetails" in found:
            raise RuntimeError(found["exceptionDetails"]["exception"].get("description", script))
        return found["result"].get("value")

    def complaints(self) -> list[str]:
        """Return what stands in the console: errors, warnings, what was refused or not found."""
        events = self._events("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown")
        return [json.dumps(event) for event in events]

    def requests(self) -> list[str]:
        """Return the addresses that were asked for, other than those that carry their content in themselves."""
        found = [event["request"]["url"] for event in self._events("Network.requestWillBeSent")]
        return [address for address in found if not address.startswith("data:")]

    def press(self, key: str) -> None:
        """Press a key by its name, and let it go."""
        code = {"Tab": 9, "Enter": 13, "ArrowRight": 39}[key]
        pressed = {"key": key, "code": key, "windowsVirtualKeyCode": code}
        text = {"text": "\r"} if key == "Enter" else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", **pressed, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", **pressed)

    def picture(self) -> bytes:
        """Return the whole page as PNG."""
        return base64.b64decode(self.call("Page.captureScreenshot", captureBeyondViewport=True)["data"])

    def printed(self) -> bytes:
        """Return the page as a PDF on A4."""
        size = {"paperWidth": 210 / 25.4, "paperHeight": 297 / 25.4}
        return base64.b64decode(self.call("Page.printToPDF", printBackground=True, **size)["data"])

    def close(self) -> None:
        self.call("Page.close")

    def _events(self, *methods: str) -> list[dict[str, Any]]:
        own = [event for event in self._browser.events if event.get("sessionId") == self._session]
        return [event["params"] for event in own if event["method"] in methods]


def _pipe() -> tuple[int, int]:
    """A pipe's two ends, at numbers that are free for no purpose of their own."""
    ends = os.pipe()
    moved = fcntl.fcntl(ends[0], fcntl.F_DUPFD_CLOEXEC, 10), fcntl.fcntl(ends[1], fcntl.F_DUPFD_CLOEXEC, 10)
    for end in ends:
        os.close(end)
    return moved
