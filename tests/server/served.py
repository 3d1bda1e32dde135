"""The page as it is served: in this process without what paints, and as a process with a stand-in.

Requests look as those of the page's own scripts, save where a test says otherwise.
"""

import http.client
import json
import re
import shlex
import signal
import time
import urllib.parse

from conftest import STAND_IN, paint

from style_transfer.commands.web import find_samples, read_recipes
from style_transfer.server import application
from style_transfer.server.store import Store
from style_transfer.server.studio import Studio

TOKEN, PORT = "the-token-of-the-test", 8000
OWN = {"Sec-Fetch-Site": "same-origin", "Origin": "http://127.0.0.1:8000"}
QUICK = {"size": 64, "epochs": 2, "steps": 3, "init": "content"}
LONG = {"size": 64, "epochs": 16, "steps": 10, "init": "content", "patience": 0}  # some seconds


class Site:
    """The application in this process; orders stay in the queue, since nothing paints."""

    def __init__(self, folder, quota=1e9):
        self.folder = folder
        self.studio = Studio(Store(folder), target=None)
        app = application.create(
            self.studio,
            token=TOKEN,
            hosts=["127.0.0.1", "localhost"],
            port=PORT,
            samples=find_samples(),
            recipes=read_recipes,
            quota=quota,
        )
        self.browser = app.test_client()
        self.browser.set_cookie(f"style-transfer-{PORT}", TOKEN, domain="127.0.0.1")

    def open(self, method, address, **options):
        """Send a request; return the response."""
        host = options.pop("host", "127.0.0.1:8000")
        options["headers"] = OWN | options.get("headers", {})
        return self.browser.open(address, method=method, base_url=f"http://{host}", **options)

    def get(self, address, **options):
        return self.open("GET", address, **options)

    def post(self, address, values=None, **options):
        return self.open("POST", address, json=values if values is not None else {}, **options)

    def add(self, path):
        """Upload a picture; return its id."""
        sent = self.open(
            "POST", f"/pictures?name={path.name}", data=path.read_bytes(), content_type="image/png"
        )
        assert sent.status_code == 201, sent.text
        return sent.json["id"]

    def files(self):
        """The bytes of all that is kept, by path."""
        return {each: each.read_bytes() for each in self.folder.rglob("*") if each.is_file()}


def make_order(content, style, way="painted", **settings):
    """Return what the form sends."""
    pictures = {"content": {"id": content, "name": "photo.png"}}
    return (
        pictures
        | {"styles": [{"id": style, "name": "painting.png"}], "way": way}
        | {"settings": settings}
    )


class Server:
    """The program with its stand-in, serving a folder; a person's session with it.

    Args:
        begin: the fixture of that name.
        place: a `Path`, the folder that it works in.
    """

    def __init__(self, begin, place, *arguments):
        self.place = place
        words = ("web", "--no-open", "--output", "kept", *arguments)
        self.process = begin(place, *words, program=STAND_IN)
        self.address = self.process.stdout.readline().strip()
        assert self.address, self.process.stderr.read()
        parts = urllib.parse.urlsplit(self.address)
        self.port = parts.port
        token = urllib.parse.parse_qs(parts.query)["token"][0]
        self.headers = OWN | {"Origin": f"http://127.0.0.1:{self.port}"}
        self.headers["Cookie"] = f"style-transfer-{self.port}={token}"

    def ask(self, method, address, values=None):
        """Send a request; return (status, what the answer holds)."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=90)
        headers = self.headers | {"Content-Type": "application/json"}
        connection.request(method, address, json.dumps(values or {}), headers)
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        return answer.status, json.loads(data) if "json" in answer.headers["Content-Type"] else data

    def order(self, way="painted", **settings):
        """Order a picture of the samples `photo.png` and `painting.png` of the place."""
        ids = [self.upload(self.place / name) for name in ("photo.png", "painting.png")]
        status, order = self.ask("POST", "/jobs", make_order(*ids, way, **settings))
        assert status == 201, order
        return order["id"]

    def upload(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=90)
        headers = self.headers | {"Content-Type": "image/png"}
        connection.request("POST", f"/pictures?name={path.name}", path.read_bytes(), headers)
        kept = json.loads(connection.getresponse().read())
        connection.close()
        return kept["id"]

    def look(self, identity):
        """Return where an order stands."""
        return self.ask("GET", f"/jobs/{identity}.json")[1]

    def wait_for(self, identity, condition, seconds=180):
        """Wait until a function of where an order stands is true; return where it stands."""
        end = time.monotonic() + seconds
        while not condition(order := self.look(identity)):
            assert time.monotonic() < end, order
            time.sleep(0.01)
        return order

    def wait_until_ended(self, identity, seconds=180):
        ended = ("finished", "stopped", "failed")
        return self.wait_for(identity, lambda order: order["state"] in ended, seconds)

    def words(self, identity):
        """Return the words, behind the name of the program, of the command that the page shows."""
        page = self.ask("GET", f"/jobs/{identity}/easel")[1].decode()
        shown = re.search("<pre><code>(.*?)</code></pre>", page, re.DOTALL)[1]
        python, main, *words = shlex.split(re.sub("<[^>]*>", "", shown))
        assert (python, main) == ("python", "main.py")
        return words

    def folder(self, identity):
        """Return the folder of an order."""
        return self.place / "kept" / "jobs" / identity

    def end(self, number=signal.SIGTERM):
        """End the server by a signal, and wait for it."""
        self.process.send_signal(number)
        return self.process.communicate(timeout=90)


def make_pictures(place):
    """Paint the inputs of a place."""
    place.mkdir(exist_ok=True)
    paint(place / "photo.png", 1)
    paint(place / "painting.png", 2, (72, 60))
    return place
