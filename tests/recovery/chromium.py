"""A real headless Chromium, driven over its debugging pipe: no package needed beyond the browser itself."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import time
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
         "--no-first-run", "--disable-extensions", "--disable-background-networking", "--remote-debugging-pipe",
         "--force-color-profile=srgb")  # fmt: skip


def find() -> str | None:
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Browser:
    """One tab. `call` is a command of the DevTools protocol, `js` evaluates and waits for promises."""

    def __init__(self, profile: Path, width: int = 1280, height: int = 900, dark: bool = False) -> None:
        self.profile, self._next, self._buffer, self.events = profile, 0, b"", []
        read_in, self._write = os.pipe()
        self._read, write_out = os.pipe()

        def wire() -> None:  # the browser reads commands from descriptor 3 and answers on 4
            ends = [fcntl.fcntl(fd, fcntl.F_DUPFD, 10) for fd in (read_in, write_out)]
            for fd, end in zip((3, 4), ends, strict=True):
                os.dup2(end, fd)

        started = subprocess.Popen(
            [str(find()), *FLAGS, f"--user-data-dir={profile}", f"--window-size={width},{height}", "about:blank"],
            close_fds=False, preexec_fn=wire, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
        self._process = started
        os.close(read_in), os.close(write_out)
        self._session = None
        target = next(t for t in self.call("Target.getTargets")["targetInfos"] if t["type"] == "page")
        self._session = self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)[
            "sessionId"
        ]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def call(self, method: str, timeout: float = 60, **params):
        self._next += 1
        message = {"id": self._next, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        until = time.monotonic() + timeout
        while True:
            told = self._message(until - time.monotonic())
            if told.get("id") == message["id"]:
                if "error" in told:
                    raise RuntimeError(f"{method}: {told['error']['message']}")
                return told["result"]
            self.events.append(told)

    def _message(self, timeout: float) -> dict:
        until = time.monotonic() + timeout
        while b"\0" not in self._buffer:
            if not select.select([self._read], [], [], max(0.0, until - time.monotonic()))[0]:
                raise TimeoutError("the browser does not answer")
            part = os.read(self._read, 1 << 20)
            if not part:
                raise RuntimeError("the browser ended")
            self._buffer += part
        first, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(first)

    def js(self, text: str):
        told = self.call("Runtime.evaluate", expression=text, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in told:
            raise RuntimeError(str(told["exceptionDetails"].get("exception", told["exceptionDetails"]))[:600])
        return told["result"].get("value")

    def until(self, text: str, timeout: float = 30):
        """Wait until an expression is true, and return it."""
        end = time.monotonic() + timeout
        asked = f"(() => {{ const v = ({text}); return v instanceof Node ? true : v; }})()"
        while not (value := self.js(asked)):
            if time.monotonic() > end:
                raise TimeoutError(f"never true: {text}; page says {self.complaints()}")
            time.sleep(0.03)
        return value

    def open(self, url: str) -> None:
        self.call("Page.navigate", url=url)

    def mouse(self, kind: str, x: float, y: float, held: bool = False) -> None:
        button = "none" if kind == "mouseMoved" and not held else "left"
        self.call(
            "Input.dispatchMouseEvent", type=kind, x=x, y=y, button=button, buttons=int(held), clickCount=1
        )

    def click(self, x: float, y: float) -> None:
        self.mouse("mouseMoved", x, y)
        self.mouse("mousePressed", x, y, True)
        self.mouse("mouseReleased", x, y)

    def drag(self, start: tuple[float, float], end: tuple[float, float], steps: int = 8) -> None:
        self.mouse("mouseMoved", *start)
        self.mouse("mousePressed", *start, True)
        for i in range(1, steps + 1):
            self.mouse(
                "mouseMoved", *(a + (b - a) * i / steps for a, b in zip(start, end, strict=True)), True
            )
        self.mouse("mouseReleased", *end)

    def key(self, name: str, text: str = "") -> None:
        for kind in ("keyDown", "keyUp"):
            more = {"text": text} if text and kind == "keyDown" else {}
            self.call("Input.dispatchKeyEvent", type=kind, key=name, code=name, **more)

    def box(self, query: str) -> dict:
        return self.js(
            f"(() => {{ const b = document.querySelector({json.dumps(query)}).getBoundingClientRect();"
            "return {x: b.x, y: b.y, width: b.width, height: b.height}; })()"
        )

    def screenshot(self, path: Path | None = None, whole: bool = True) -> bytes:
        data = base64.b64decode(self.call("Page.captureScreenshot", captureBeyondViewport=whole)["data"])
        if path:
            Path(path).write_bytes(data)
        return data

    def complaints(self) -> list[str]:
        """Errors and exceptions that the page wrote to the console, policy violations among them."""
        self.js("0")
        found = []
        for event in self.events:
            params = event.get("params", {})
            if event.get("method") == "Runtime.exceptionThrown":
                details = params["exceptionDetails"]
                found.append(details.get("exception", {}).get("description", details.get("text", "")))
            if event.get("method") == "Log.entryAdded" and params["entry"]["level"] == "error":
                found.append(params["entry"]["text"] + " " + params["entry"].get("url", ""))
        return found

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        os.close(self._write), os.close(self._read)
        shutil.rmtree(self.profile, ignore_errors=True)
