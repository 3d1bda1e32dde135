"""A headless Chromium, if the machine has one, spoken to through a pipe: no package needed.

The DevTools protocol: https://chromedevtools.github.io/devtools-protocol/
"""

import base64
import contextlib
import fcntl
import json
import os
import select
import shutil
import subprocess
import time
from pathlib import Path

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CACHES = (".cache/ms-playwright", "Library/Caches/ms-playwright")
IN_CACHE = ("chromium*/chrome-linux*/chrome", "chromium*/chrome-linux*/headless_shell")
SECONDS = 60  # to wait for an answer
#: What it says to a question that it had not answered when another page came.
LEFT = ("navigated or closed", "context was destroyed", "Cannot find context")
#: Where an element is once two frames of the page agree on it, and it is what lies there; or null.
AT_REST = """(async () => {
  const find = () => document.querySelector(%s);
  const frame = () => new Promise(requestAnimationFrame);
  find()?.scrollIntoView({block: 'center', behavior: 'instant'});
  await frame();
  const first = find()?.getBoundingClientRect();
  await frame();
  const box = find()?.getBoundingClientRect();
  const rests = first?.width && box && ['x', 'y', 'width', 'height'].every(e => first[e] == box[e]);
  if (!rests) return null;
  const point = [box.x + box.width / 2, box.y + box.height / 2];
  return find().contains(document.elementFromPoint(...point)) ? point : null;
})()"""
#: Note whether the next press is one of an element, before the page knows of it.
WATCHED = """window.pressed = false;
addEventListener('mousedown', (event) => {
  window.pressed = Boolean(event.target.closest(%s));
}, {capture: true, once: true}); 0"""


def find():
    """Return the path of a Chromium, also of one that Playwright downloaded, or None."""
    installed = filter(None, map(shutil.which, NAMES))
    cached = (
        str(each)
        for cache in CACHES
        for pattern in IN_CACHE
        for each in sorted(Path.home().joinpath(cache).glob(pattern))
    )
    return next(installed, None) or next(cached, None)


def missing(reason):
    """Skip the test; fail it where a browser is required, lest nobody notices what was not seen."""
    (pytest.fail if os.environ.get("STYLE_REQUIRE_BROWSER") else pytest.skip)(reason)


class NavigatedError(RuntimeError):
    """The page that was asked was left before it answered."""


class Chromium:
    """A browser, of which one tab is spoken to.

    Args:
        executable: from `find`.
        profile: an empty folder.
    """

    def __init__(self, executable, profile):
        flags = ["--headless", "--disable-gpu", "--disable-dev-shm-usage"]
        # A camera that shows a pattern, and nothing that asks, by itself, for anything elsewhere.
        flags += ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
        flags += ["--disable-background-networking", "--disable-component-update"]
        if os.geteuid() == 0:  # as in a container: its sandbox does not start there
            flags.append("--no-sandbox")
        flags += [f"--user-data-dir={profile}", "--remote-debugging-pipe", "about:blank"]
        ends = [high(each) for each in (*os.pipe(), *os.pipe())]
        theirs_in, self.input, self.output, theirs_out = ends
        # It reads commands from descriptor 3 and answers on 4.
        command = f'exec "$0" "$@" 3<&{theirs_in} 4>&{theirs_out}'
        self.process = subprocess.Popen(
            ["bash", "-c", command, executable, *flags],
            pass_fds=(theirs_in, theirs_out),
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self.pending = b""
        self.requested, self.complaints = [], []  # once `watch` was called
        self.number = 0
        self.session = None
        tabs = self.call("Target.getTargets")["targetInfos"]
        self.attach(next(each["targetId"] for each in tabs if each["type"] == "page"))

    def attach(self, tab):
        """Speak to a tab from now on."""
        self.session = None
        self.session = self.call("Target.attachToTarget", targetId=tab, flatten=True)["sessionId"]
        self.call("Page.enable")

    @contextlib.contextmanager
    def other_tab(self):
        """Speak to a second tab meanwhile, which is closed in the end."""
        first, self.session = self.session, None
        tab = self.call("Target.createTarget", url="about:blank")["targetId"]
        try:
            self.attach(tab)
            yield
        finally:
            self.session = None
            self.call("Target.closeTarget", targetId=tab)
            self.session = first

    def call(self, method, **parameters):
        """Send a command and return its result."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.input, json.dumps(message).encode() + b"\0")
        reply = self.wait_for(lambda each: each.get("id") == self.number)
        if error := reply.get("error"):
            left = any(each in error["message"] for each in LEFT)
            raise (NavigatedError if left else RuntimeError)(f"{method}: {error}")
        return reply["result"]

    def wait_for(self, wanted):
        """Read messages up to the first one that is wanted."""
        while True:
            while b"\0" not in self.pending:
                if not select.select([self.output], [], [], SECONDS)[0]:
                    raise TimeoutError(f"Chromium did not answer within {SECONDS} s")
                data = os.read(self.output, 2**20)
                if not data:
                    raise RuntimeError(f"Chromium ended with status {self.process.wait()}")
                self.pending += data
            line, _, self.pending = self.pending.partition(b"\0")
            message = json.loads(line)
            self.note(message)
            if wanted(message):
                return message

    def watch(self):
        """Note the addresses that are asked for, and what goes wrong in scripts and policies."""
        for domain in ("Network", "Log", "Runtime"):
            self.call(f"{domain}.enable")

    def note(self, message):
        """Keep what `watch` asked for."""
        parameters = message.get("params", {})
        if message.get("method") == "Network.requestWillBeSent":
            self.requested.append(parameters["request"]["url"])
        elif message.get("method") == "Runtime.exceptionThrown":
            self.complaints.append(parameters["exceptionDetails"])
        elif message.get("method") == "Log.entryAdded" and parameters["entry"]["level"] == "error":
            self.complaints.append(parameters["entry"])

    def open(self, path, fragment=""):
        """Load a file, as a person does who opens it from the disk."""
        self.visit(path.absolute().as_uri() + fragment)

    def visit(self, address):
        """Load an address, as a person does who types it."""
        self.call("Page.navigate", url="about:blank")
        self.call("Page.navigate", url=address)
        # The load may have ended before the answer to the command.
        self.wait_until(
            "new Promise(done => document.readyState == 'complete' ? done(true) : "
            "addEventListener('load', () => done(true)))"
        )

    def reload(self):
        """Load the page anew, and wait until it is another one than before."""
        self.evaluate("window.isBefore = true")
        self.call("Page.reload")
        self.wait_until("!window.isBefore && document.readyState == 'complete'")

    def evaluate(self, expression):
        """Return the value of a JavaScript expression; a promise is waited for."""
        outcome = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in outcome:
            raise RuntimeError(outcome["exceptionDetails"])
        return outcome["result"].get("value")

    def wait_until(self, expression, seconds=90):
        """Wait until a JavaScript expression is true, also on a page to come; return its value."""
        end = time.monotonic() + seconds
        while True:
            with contextlib.suppress(NavigatedError):
                if value := self.evaluate(expression):
                    return value
            assert time.monotonic() < end, f"never true: {expression}"
            time.sleep(0.02)

    def click(self, selector):
        """Click the middle of the first element that a selector finds, with the mouse.

        Only where the element has come to rest and nothing covers it, as a person does; the press
        is looked at in the page, lest a test waits for what it has never asked for.
        """
        end = time.monotonic() + SECONDS
        while True:
            place = dict(zip("xy", self.middle(selector)))
            self.evaluate(WATCHED % json.dumps(selector))
            mouse = {"button": "left", "clickCount": 1, **place}
            for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
                self.call("Input.dispatchMouseEvent", type=kind, **mouse)
            # Undefined: it led to another page.
            if self.wait_until("window.pressed === false ? 'no' : 'yes'") == "yes":
                return
            assert time.monotonic() < end, f"never hit: {selector}"

    def middle(self, selector):
        """Return where the middle of the first element is that a selector finds.

        Waits until it is in sight, does not move, and nothing else is at that point.
        """
        return self.wait_until(AT_REST % json.dumps(selector), SECONDS)

    def choose_files(self, selector, *paths):
        """Choose files in an input, as its dialog would."""
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=[str(each) for each in paths])

    def drop_files(self, selector, *paths):
        """Drag files from outside onto an element, and drop them."""
        box = self.middle(selector)
        data = {"items": [], "files": [str(each) for each in paths], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            self.call("Input.dispatchDragEvent", type=kind, x=box[0], y=box[1], data=data)

    def resize(self, width, height, *, scale=1):
        """Give the window a size in pixels of CSS, each so many pixels of the screen."""
        size = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", **size)

    def prefer(self, mode):
        """Let the user prefer `light` or `dark`."""
        features = [{"name": "prefers-color-scheme", "value": mode}]
        self.call("Emulation.setEmulatedMedia", features=features)

    def screenshot(self, path, *, whole=False):
        """Save what is to be seen, or the whole page, as PNG."""
        data = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)[
            "data"
        ]
        Path(path).write_bytes(base64.b64decode(data))

    def press(self, key, code):
        """Press a key and let it go. `code`: its Windows virtual key code."""
        names = {"key": key, "code": key, "windowsVirtualKeyCode": code}
        text = {"text": "\r"} if key == "Enter" else {}  # without which no button is pressed
        for kind in ("keyDown" if text else "rawKeyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, **names, **text)

    def close(self):
        """End the browser."""
        os.close(self.input)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        os.close(self.output)


def high(descriptor):
    """Move a descriptor out of the way of 3 and 4."""
    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 20)
    os.close(descriptor)
    return moved
