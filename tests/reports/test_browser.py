"""The pages in a browser: they move, and look right, in both modes and on a phone."""

import re
import time

import numpy as np
import pytest
from conftest import paint
from pages import HOSTILE, decode, write, write_sheet

SHOWN = "[...document.querySelectorAll('#frames img')].filter(e => e.offsetParent)"
EPOCHS = f"{SHOWN}.map(e => e.dataset.epoch).join()"
TOTAL = "document.querySelector('.curve-total + dd').textContent"


def set_slider(browser, value):
    """Move the slider as a hand does: by its value, and the event that follows."""
    browser.evaluate(
        f"slider.value = {value}; slider.dispatchEvent(new Event('input', {{bubbles: true}}))"
    )


def wait_until(browser, expression, seconds=20):
    end = time.monotonic() + seconds
    while not browser.evaluate(expression):
        assert time.monotonic() < end, f"never true: {expression}"
        time.sleep(0.05)


def test_the_slider_shows_the_frames(browser, tmp_path):
    write(tmp_path / "run")
    browser.open(tmp_path / "run" / "report.html")
    assert (browser.evaluate(EPOCHS), browser.evaluate(TOTAL)) == ("3", "0.25")
    set_slider(browser, 1)
    assert (browser.evaluate(EPOCHS), browser.evaluate(TOTAL)) == ("1", "0.5")
    assert (
        browser.evaluate("slider.getAttribute('aria-valuetext')") == "epoch 1, total (weighted) 0.5"
    )
    browser.evaluate("slider.focus()")
    browser.press("ArrowRight", 39)
    wait_until(browser, f"{EPOCHS} == '2'")
    wait_until(browser, "location.hash == '#frame=2'")
    assert browser.evaluate(f"{SHOWN}.every(e => e.complete && e.naturalWidth == 32)")


@pytest.mark.parametrize(
    ("fragment", "epoch"), [("#frame=2", "2"), ("#frame=99", "3"), ("#x", "3")]
)
def test_a_link_to_a_frame(browser, tmp_path, fragment, epoch):
    write(tmp_path / "run")
    browser.open(tmp_path / "run" / "report.html", fragment)
    assert browser.evaluate(EPOCHS) == epoch


def test_it_plays_to_the_end_and_stops(browser, tmp_path):
    write(tmp_path / "run")
    browser.open(tmp_path / "run" / "report.html")
    browser.evaluate("document.getElementById('play').click()")
    assert browser.evaluate(EPOCHS) == "0"
    assert browser.evaluate("document.getElementById('play').textContent") == "Pause"
    wait_until(browser, f"{EPOCHS} == '3'")
    assert browser.evaluate("document.getElementById('play').textContent") == "Play"


def test_a_click_on_the_curves_goes_there(browser, tmp_path):
    write(tmp_path / "run")
    browser.open(tmp_path / "run" / "report.html")
    browser.evaluate(
        "var box = chart.getBoundingClientRect(); chart.dispatchEvent(new PointerEvent("
        "'pointerdown', {clientX: box.left + 0.3 * box.width, clientY: box.top + 5}))"
    )
    assert browser.evaluate(EPOCHS) == "1"
    assert browser.evaluate("parseFloat(cursor.style.left)") == pytest.approx(33.33)


def test_the_cursor_stands_on_the_curve(browser, tmp_path):
    """At a frame, it is where the browser draws the curve's point of that step."""
    write(tmp_path / "run")
    browser.open(tmp_path / "run" / "report.html", "#frame=2")
    x, expected = browser.evaluate(
        "(() => { const path = document.querySelector('#curve-total path');"
        "const box = path.getBoundingClientRect();"
        "return [cursor.getBoundingClientRect().left, box.left + 2 / 3 * box.width]; })()"
    )
    assert x == pytest.approx(expected, abs=1.5)
    bottom, low = browser.evaluate(
        "[chart.getBoundingClientRect().bottom,"
        "document.querySelector('#ytick_1 path').getBoundingClientRect().bottom]"
    )
    assert bottom == pytest.approx(low, abs=1.5)


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_the_curves_can_be_told_from_the_paper_in_both_modes(browser, tmp_path, mode):
    write(tmp_path / "run")
    features = [{"name": "prefers-color-scheme", "value": mode}]
    browser.call("Emulation.setEmulatedMedia", features=features)
    browser.open(tmp_path / "run" / "report.html")
    colors = browser.evaluate(
        "[getComputedStyle(document.body).backgroundColor,"
        "...[1, 2, 3, 'total'].map(name => getComputedStyle("
        "document.querySelector(`#curve-${name} path`)).stroke)]"
    )
    lights = [sum(map(int, re.findall(r"\d+", color)[:3])) / 3 for color in colors]
    assert (lights[0] > 200) == (mode == "light")
    assert min(abs(light - lights[0]) for light in lights[1:]) > 80
    assert len(set(colors)) == 5


def test_no_other_script_runs_and_nothing_is_fetched(browser, tmp_path):
    content = paint(tmp_path / f"{HOSTILE}.png".replace("/", ""), 1)
    write(tmp_path / "run", content=content)
    browser.open(tmp_path / "run" / "report.html")
    browser.evaluate(
        "var other = document.createElement('script'); other.textContent = 'hacked = 1';"
        "document.body.append(other)"
    )
    assert browser.evaluate("typeof hacked") == "undefined"
    assert browser.evaluate("performance.getEntriesByType('resource').length") == 0


@pytest.mark.parametrize("width", [320, 1200])
def test_nothing_is_wider_than_the_window(browser, tmp_path, width):
    content = paint(tmp_path / f"{'long' * 50}.png", 1)
    write(tmp_path / "run", content=content)
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    browser.call("Emulation.setDeviceMetricsOverride", **size)
    browser.open(tmp_path / "run" / "report.html")
    assert browser.evaluate("document.documentElement.scrollWidth") <= width


def test_one_slider_moves_all_cells(browser, tmp_path):
    write_sheet(tmp_path)
    browser.open(tmp_path / "sheet.html")
    shown = (
        "[...document.querySelectorAll('.cell')].map("
        "cell => [...cell.children].findIndex(e => e.offsetParent)).join()"
    )
    assert browser.evaluate(shown) == "2,4"
    set_slider(browser, 2)
    assert browser.evaluate(shown) == "1,2"
    set_slider(browser, 0)
    assert browser.evaluate(shown) == "0,0"


def test_a_click_on_a_cell_shows_it_large(browser, tmp_path):
    write_sheet(tmp_path)
    browser.open(tmp_path / "sheet.html", "#frame=0")
    source = "document.getElementById('enlarged').src"
    browser.evaluate("document.querySelectorAll('.cell')[1].click()")
    assert browser.evaluate("document.getElementById('large').open")
    assert browser.evaluate("document.getElementById('caption').textContent") == "low, many"
    before = browser.evaluate(source)
    set_slider(browser, 4)
    after = browser.evaluate(source)
    assert [np.asarray(decode({"src": each})).mean() for each in (before, after)] == pytest.approx(
        [0, 200], abs=1
    )
    browser.press("Escape", 27)
    wait_until(browser, "!document.getElementById('large').open")
    wait_until(browser, "document.getElementById('bar').contains(slider)")
