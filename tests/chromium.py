"""A headless Chromium that is driven by its debugging protocol over two pipes.

What is needed of it is small: load a page, run a script in it, move the mouse, press a key, read
the tree that screen readers get, and take a picture.
"""

import base64
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Dict, List, Optional, Type

import numpy

PROGRAM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
WIDTH, HEIGHT = 900, 700
# The browser reads from descriptor 3 and writes to 4. The pipes are moved out of the way first, as
# one of them may be there already.
LAUNCHER = """
import fcntl, os, sys
pipes = [fcntl.fcntl(int(pipe), fcntl.F_DUPFD, 10) for pipe in sys.argv[1:3]]
for place, pipe in enumerate(pipes, start=3):
    os.dup2(pipe, place)
os.execv(sys.argv[3], sys.argv[3:])
"""


class Browser:
    """A browser with one page. Use it in a `with` block.

    folder (Path): An empty folder for its profile.
    """

    def __init__(self, folder: Path) -> None:
        to_browser, self._out = os.pipe()
        self._in, from_browser = os.pipe()
        options = [
            "--headless",
            "--no-sandbox",  # it will not run as root otherwise; the page is our own
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--hide-scrollbars",
            "--no-first-run",
            "--remote-debugging-pipe",
            f"--user-data-dir={folder}",
            f"--window-size={WIDTH},{HEIGHT}",
        ]
        pipes = [str(to_browser), str(from_browser)]
        self._process = subprocess.Popen(
            [sys.executable, "-S", "-c", LAUNCHER, *pipes, str(PROGRAM), *options, "about:blank"],
            pass_fds=(to_browser, from_browser),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_browser)
        os.close(from_browser)
        self._rest = b""
        self._n_calls = 0
        self._session: Optional[str] = None

    def __enter__(self) -> "Browser":
        try:
            self._open_page()
        except BaseException:
            self.close()
            raise
        return self

    def _open_page(self) -> None:
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        self.call("Page.enable")
        self.call(
            "Emulation.setDeviceMetricsOverride",
            **{"width": WIDTH, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": False},
        )

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the browser."""
        self._session = None
        try:
            self.call("Browser.close")
        except (EOFError, BrokenPipeError):
            pass
        finally:
            os.close(self._out)
            os.close(self._in)
            self._process.kill()
            self._process.wait()

    def call(self, method: str, **params: Any) -> Dict[str, Any]:
        """RETURNS (Dict[str, Any]): What the browser answers."""
        self._n_calls += 1
        message: Dict[str, Any] = {"id": self._n_calls, "method": method, "params": params}
        if self._session is not None:
            message["sessionId"] = self._session
        data = json.dumps(message).encode("utf8") + b"\0"
        while data:
            data = data[os.write(self._out, data) :]
        while True:
            answer = self._read()
            if answer.get("id") == self._n_calls:
                assert "error" not in answer, answer["error"]
                return answer["result"]

    def _read(self) -> Dict[str, Any]:
        while b"\0" not in self._rest:
            data = os.read(self._in, 2**16)
            if not data:
                raise EOFError("The browser has gone")
            self._rest += data
        message, self._rest = self._rest.split(b"\0", 1)
        return json.loads(message)

    def show(self, path: Path) -> None:
        """Load a page, and wait until it is there."""
        self.call("Page.navigate", url=path.as_uri())
        while self._read().get("method") != "Page.loadEventFired":
            pass

    def run(self, script: str) -> Any:
        """RETURNS: The value of an expression of JavaScript."""
        result = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def move_mouse(self, x: float, y: float) -> None:
        """Move the mouse to a place on the page."""
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def press_tab(self) -> None:
        """Press the key that moves the focus on."""
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key="Tab", windowsVirtualKeyCode=9)

    def spoken(self) -> str:
        """RETURNS (str): The text that a screen reader is given, in its order."""
        nodes: List[Dict[str, Any]] = self.call("Accessibility.getFullAXTree")["nodes"]
        by_id = {node["nodeId"]: node for node in nodes}

        def walk(node: Dict[str, Any]) -> List[str]:
            if node.get("role", {}).get("value") == "StaticText":
                return [node["name"]["value"]]
            children = [by_id[i] for i in node.get("childIds", []) if i in by_id]
            return [text for child in children for text in walk(child)]

        return "".join(walk(nodes[0]))

    def picture(self) -> numpy.ndarray:
        """RETURNS (Floats3d): (height, width, 3) The pixels of what is seen, from 0 to 1."""
        from matplotlib.image import imread

        return imread(io.BytesIO(self.picture_data()), format="png")[:, :, :3]

    def picture_data(self) -> bytes:
        """RETURNS (bytes): What is seen, as PNG."""
        return base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])
