"""The pictures of the page in README.md: serve it, use it in Chromium, save what is to be seen.

`tools/screenshots.py`, with a Chromium installed: a finished painting, half before and half after,
and one under way with two that wait. All is made from data/input, in a folder that is removed.
"""

import io
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

import chromium  # noqa: E402

SIZE = (1280, 880)
STATE = "document.querySelector('#easel').dataset.state"
READY = "!document.getElementById('predict').disabled"
SECONDS = 300  # for a painting, on a machine that does something else as well


def order(page, photo, painting, way, **settings):
    """Choose two samples, a way and settings; press the button."""
    page.click(f"#content [data-sample={photo}]")
    page.click(f"#style [data-sample={painting}]")
    page.evaluate(f"document.querySelector('[name=way][value={way}]').click()")
    for name, value in settings.items():
        page.evaluate(
            f"(() => {{ const control = document.getElementById('{name}'); control.value = {value};"
            "control.dispatchEvent(new Event('input', {bubbles: true})); })()"
        )
    page.wait_until(READY)
    before = page.evaluate("location.pathname")
    page.click("#predict")
    page.wait_until(f"location.pathname != '{before}'")


def save(page, name):
    """Save what is to be seen as a JPEG of docs/."""
    with tempfile.NamedTemporaryFile(suffix=".png") as file:
        page.screenshot(file.name)
        picture = Image.open(io.BytesIO(Path(file.name).read_bytes())).convert("RGB")
    picture.save(ROOT / "docs" / name, quality=85, optimize=True)


def use(page, address):
    """Use the page, and save the two pictures."""
    page.resize(*SIZE)
    page.visit(address)
    page.wait_until("location.pathname == '/' && !!document.querySelector('#form')?.dataset.way")
    order(page, "cat", "circles", "instant")
    page.wait_until(f"{STATE} == 'finished'", SECONDS)
    order(page, "temple", "waves", "painted")
    page.wait_until(f"{STATE} == 'finished' && document.querySelector('#shown').complete", SECONDS)
    page.click(".canvas")
    page.evaluate("scrollTo(0, 0)")
    save(page, "page.jpg")
    order(page, "cat", "night_strokes", "painted")
    first = page.evaluate("location.pathname")
    order(page, "temple", "night_strokes", "painted", style_weight=60)
    order(page, "cat", "waves", "painted")
    page.visit(address.partition("/enter")[0] + first)
    page.wait_until("/^Epoch [4-9]/.test(document.querySelector('#phase')?.textContent)", SECONDS)
    page.wait_until("document.querySelector('#losses').textContent != ''")
    page.evaluate("scrollTo(0, 230)")
    save(page, "page-painting.jpg")


def main():
    """Serve, use, end."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "main.py", "web", "--no-open", "--output", f"{folder}/kept"]
        server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        page = chromium.Chromium(chromium.find(), f"{folder}/profile")
        try:
            use(page, server.stdout.readline().strip())
        finally:
            page.close()
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
