"""A real browser, led over the DevTools protocol: pages are looked at as their users see them.

Rule 1. A test waits for what a page shows (`Tab.until`), never for time to pass.
Rule 2. What a page complains of is kept: uncaught errors, lines of its console, violations of its policy, answers that were no success.
"""

import base64
import json
import shutil
import subprocess
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from websockets.sync.client import connect

from tests.support.programs import PATIENCE

CHROMIUM = next((found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), "")


class Browser:
    """A headless Chromium with a profile in *directory*. A context manager."""

    def __init__(self, directory: Path, *arguments: str) -> None:
        command = [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--remote-debugging-port=0"]
        command += [f"--user-data-dir={directory}", "--disable-dev-shm-usage", "--hide-scrollbars", *arguments, "about:blank"]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        told = directory / "DevToolsActivePort"
        for _ in range(PATIENCE * 20):
            if told.exists() and "\n" in told.read_text():
                break
            time.sleep(0.05)  # nobody tells us when the file is there
        port, path = told.read_text().split()
        self._owned = ExitStack()
        self._socket = self._owned.enter_context(
            connect(f"ws://127.0.0.1:{port}{path}", max_size=None, open_timeout=PATIENCE, ping_interval=None)
        )
        self._number = 0
        self._tabs: dict[str, Tab] = {}

    def __enter__(self) -> "Browser":
        return self

    def __exit__(self, *_: object) -> None:
        self._owned.close()
        self._process.kill()
        self._process.wait()

    def open(self, url: str, width: int = 1440, height: int = 900) -> "Tab":
        """Open *url* in a tab of its own."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        tab = self._tabs[session] = Tab(self, session)
        for domain in ("Page", "Runtime", "Log", "Network"):
            tab.call(f"{domain}.enable")
        tab.size(width, height)
        tab.call("Page.navigate", url=url)
        return tab

    def call(self, method: str, session: str = "", **parameters: Any) -> Any:
        """Have something done and return what came of it."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters, **({"sessionId": session} if session else {})}
        self._socket.send(json.dumps(message))
        while True:
            answer = json.loads(self._socket.recv(PATIENCE))
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]
            tab = self._tabs.get(answer.get("sessionId", ""))
            if tab is not None:
                tab.hear(answer["method"], answer["params"])


class Tab:
    """One page. ``complaints`` as in rule 2."""

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser = browser
        self._session = session
        self.complaints: list[str] = []

    def call(self, method: str, **parameters: Any) -> Any:
        return self._browser.call(method, self._session, **parameters)

    def hear(self, method: str, told: Mapping[str, Any]) -> None:
        if method == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(told["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and told["type"] in ("error", "warning", "assert"):
            self.complaints.append(json.dumps(told["args"]))
        elif method == "Log.entryAdded" and told["entry"]["level"] in ("error", "warning"):
            self.complaints.append(json.dumps(told["entry"]))
        elif method == "Network.responseReceived" and told["response"]["status"] >= 400:
            self.complaints.append(f"{told['response']['status']} for {told['response']['url']}")

    def size(self, width: int, height: int = 900) -> None:
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def media(self, **features: str) -> None:
        """Have the user prefer something: ``prefers_color_scheme="dark"``."""
        wanted = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
        self.call("Emulation.setEmulatedMedia", features=wanted)

    def ask(self, script: str) -> Any:
        """Return what *script* is worth, as JSON has it. A promise is waited for."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def until(self, script: str) -> None:
        """Wait until *script* is true, or an element of the page."""
        for _ in range(PATIENCE * 20):
            if self.ask(f"Boolean({script})"):
                return
            time.sleep(0.05)  # the page does not tell us
        raise AssertionError(f"{script} was never so; the page says\n{self.ask('document.body.innerText')}\n{self.complaints}")

    def press(self, key: str, code: int, text: str = "") -> None:
        """Press and release *key*, which has the virtual key *code* and types *text*."""
        for kind, typed in (("keyDown", {"text": text} if text else {}), ("keyUp", {})):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, **typed)

    def picture(self, path: Path, *, whole: bool = True) -> None:
        """Write a PNG of the *whole* page, or of what is in view."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", captureBeyondViewport=whole)["data"]))
