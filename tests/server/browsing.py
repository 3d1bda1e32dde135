"""A person at the page: what they choose and press, and where it is served for them."""

import json
import os

import standin
from processes import open_process
from served import Server, make_pictures

STATE = "document.querySelector('#easel')?.dataset.state"
SHOWN = "document.querySelector('#shown')"
UNDER_WAY = "/^Epoch [1-9]/.test(document.querySelector('#phase')?.textContent)"


class Place:
    """Starts servers in one folder, which all end with it."""

    def __init__(self, folder):
        self.folder, self.processes = make_pictures(folder), []

    def begin(self, folder, *arguments, program):
        # The page looks about once a second, and each epoch should be there as long.
        env = os.environ | {standin.SECONDS: "0.025"}
        process = open_process(folder, *arguments, program=program, env=env)
        self.processes.append(process)
        return process

    def serve(self, *arguments):
        return Server(self.begin, self.folder, *arguments)


def enter(page, server):
    """Open the address that was printed."""
    page.visit(server.address)
    page.wait_until("location.pathname == '/' && document.readyState == 'complete'")


def choose(page, server, way="painted", **settings):
    """Choose the two pictures, the way and settings."""
    for role, name in (("content", "photo.png"), ("style", "painting.png")):
        page.choose_files(f"#{role} .drop input", server.place / name)
    page.evaluate(f"document.querySelector('[name=way][value={way}]').click()")
    page.evaluate(
        f"Object.entries({json.dumps(settings)}).forEach(([name, value]) => {{"
        "const control = document.getElementById(name);"
        "if (control.tagName == 'SELECT' && ![...control.options].some(e => e.value == value))"
        " control.add(new Option(value, value)); control.value = value;"
        "control.dispatchEvent(new Event('input', {bubbles: true})); })"
    )
    page.wait_until("!document.getElementById('predict').disabled")


def predict(page):
    """Press the button; return the id of the order on the easel."""
    page.click("#predict")
    page.wait_until("location.pathname.startsWith('/jobs/')")
    return page.evaluate("location.pathname").rpartition("/")[2]


def drag(page, selector, *points):
    """Draw on an element with the mouse, by points in parts of its size."""
    left, top, width, height = page.evaluate(
        f"(e => [e.x, e.y, e.width, e.height])"
        f"(document.querySelector('{selector}').getBoundingClientRect())"
    )
    kinds = ["mousePressed", *["mouseMoved"] * (len(points) - 1), "mouseReleased"]
    for kind, (x, y) in zip(kinds, (*points, points[-1])):
        place = {"x": left + x * width, "y": top + y * height, "button": "left", "buttons": 1}
        page.call("Input.dispatchMouseEvent", type=kind, clickCount=1, **place)


def find_violations(page):
    """Return what is serious or critical, by axe-core: rules and places."""
    return page.evaluate(
        "axe.run(document, {resultTypes: ['violations']}).then(e => e.violations"
        ".filter(e => ['serious', 'critical'].includes(e.impact))"
        ".map(e => [e.id, e.nodes.map(e => e.target.join(' '))]))"
    )
