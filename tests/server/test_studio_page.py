"""The page in a browser, as a person uses it: choose, Predict, watch, stop, compare, come back."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest
from browsing import SHOWN, STATE, UNDER_WAY, Place, choose, drag, enter, find_violations, predict
from conftest import call, paint
from PIL import Image
from served import LONG, QUICK

from style_transfer.feedforward import style_file
from style_transfer.server import assets

EPOCH = "Number(document.querySelector('#phase')?.textContent.match(/[0-9]+/))"
#: Note, in each frame, where on the page the two buttons are while they are there.
PLACES = """window.places = {stop: [], resume: []}; (function look() {
  for (const [name, seen] of Object.entries(places)) {
    const box = document.querySelector(`[data-action=${name}]`)?.getBoundingClientRect();
    const place = box && Math.round(box.y + scrollY);
    if (box && !seen.includes(place)) seen.push(place);
  }
  requestAnimationFrame(look);
})()"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    found = Place(tmp_path_factory.mktemp("page") / "place")
    (found.folder / "models").mkdir()
    styles = [(name, Image.new("RGB", (80, 64), name)) for name in ("red", "blue")]
    style_file.write(found.folder / "models" / "two.style", {"a": np.zeros(2)}, styles, {})
    yield found
    for process in found.processes:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def server(place):
    return place.serve("--models", "models")


@pytest.fixture
def page(browser, server):
    """The tab, at the page, nothing chosen."""
    browser.resize(1280, 900)
    browser.watch()
    browser.visit(f"http://127.0.0.1:{server.port}{assets.address('icon.svg')}")
    browser.evaluate("sessionStorage.clear()")  # of what the test before has chosen
    enter(browser, server)
    browser.requested.clear()
    browser.complaints.clear()
    return browser


def test_choose_predict_watch_and_get_what_the_command_line_makes(page, server):
    choose(page, server, **QUICK | {"epochs": 8, "steps": 10, "patience": 0})
    tiles = "[...document.querySelectorAll('.tile img')]"
    page.wait_until(f"{tiles}.length == 2 && {tiles}.every(e => e.complete && e.naturalWidth > 30)")
    page.wait_until("/64\\s×\\s48\\spx · about\\s\\d+\\ss · [\\d.]+\\sGB/.test(cost.textContent)")
    page.evaluate(
        "window.seen = new Set(); window.watching = setInterval(() => {"
        f"const shown = {SHOWN}; if (shown) seen.add(new URL(shown.src).pathname) }}, 5)"
    )
    identity = predict(page)
    page.wait_until(f"{STATE} == 'finished'")
    frames = [each for each in page.evaluate("[...seen]") if "/frames/" in each]
    assert len(frames) >= 2, "the preview did not change"
    page.wait_until(f"{SHOWN}.complete && {SHOWN}.naturalWidth == 64")
    outcome = call(server.place, *server.words(identity), "-o", "by-hand")
    assert outcome.returncode == 0, outcome.stderr
    fetched = page.evaluate(
        f"fetch({SHOWN}.src).then(e => e.arrayBuffer()).then(e => [...new Uint8Array(e)])"
    )
    assert bytes(fetched) == (server.place / "by-hand" / "result.png").read_bytes()
    own = f"http://127.0.0.1:{server.port}/"
    assert [each for each in page.requested if not each.startswith((own, "blob:", "data:"))] == []
    assert page.complaints == []


def test_before_and_after_and_the_epochs(page, server):
    identity = server.order(**QUICK)
    server.wait_until_ended(identity)
    page.visit(f"http://127.0.0.1:{server.port}/jobs/{identity}")
    page.wait_until(f"{STATE} == 'finished' && {SHOWN}.complete")
    cut = "getComputedStyle(document.getElementById('before')).clipPath"
    assert page.evaluate(cut) == "inset(0px 100% 0px 0px)"
    page.evaluate("compare.focus()")
    page.press("End", 35)
    page.wait_until(f"{cut} == 'inset(0px 0% 0px 0px)' || {cut} == 'inset(0px)'")
    page.click(".canvas")  # by hand, on the picture: the middle of it
    page.wait_until("Math.abs(compare.value - 50) < 1")
    page.evaluate("slider.focus()")
    page.press("ArrowLeft", 37)
    page.wait_until(f"{SHOWN}.src.endsWith('/frames/1.png')")
    assert page.evaluate("position.textContent") == "1 of 2"
    page.press("ArrowRight", 39)
    page.wait_until(f"{SHOWN}.src.endsWith('/result.png')")
    assert page.evaluate("document.querySelector('a.primary').getAttribute('href')").endswith(
        f"{identity}/result.png?save"
    )


def test_a_reload_and_a_lost_connection_in_the_middle_of_a_run(page, server):
    choose(page, server, **LONG)
    identity = predict(page)
    page.wait_until(UNDER_WAY)
    page.reload()
    assert page.evaluate("location.pathname") == f"/jobs/{identity}"
    assert page.evaluate("epochs.value") == str(LONG["epochs"])  # the form has its settings
    assert page.evaluate("document.querySelectorAll('.tile').length") == 2
    assert server.look(identity)["state"] == "running"
    network = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    page.call("Network.emulateNetworkConditions", offline=True, **network)
    page.wait_until("!offline.hidden")
    page.call("Network.emulateNetworkConditions", offline=False, **network)
    page.wait_until(f"{STATE} == 'finished' && offline.hidden")
    page.wait_until(f"{SHOWN}.naturalWidth == 64")


def test_stop_keeps_the_picture_and_go_on_goes_on(page, server):
    choose(page, server, **LONG | {"epochs": 3000})  # not done before the press, on any machine
    page.evaluate(PLACES)
    identity = predict(page)
    page.wait_until(UNDER_WAY)
    page.click("[data-action=stop]")
    page.wait_until(f"{STATE} == 'stopped'")
    page.wait_until(f"{SHOWN}.naturalWidth == 64")
    assert "Stopped after epoch" in page.evaluate("easel.textContent")
    before = server.look(identity)["frame"]
    assert before > 0
    page.click("[data-action=resume]")
    page.wait_until(f"{STATE} == 'running' && {EPOCH} > {before + 1}")
    page.click("[data-action=stop]")
    page.wait_until(f"{STATE} == 'stopped'")
    assert server.look(identity)["frame"] > before
    places = page.evaluate("places")
    assert all(len(each) == 1 for each in places.values()), f"it moved under the finger: {places}"


def test_instant_first_then_painted_from_there(page, server):
    choose(page, server, "instant", size=64, **{name: QUICK[name] for name in ("epochs", "steps")})
    first = predict(page)
    page.wait_until(f"{STATE} == 'finished'")
    page.click("[data-action=paint]")
    page.wait_until(f"easel.dataset.id != '{first}' && {STATE} == 'finished'")
    assert page.evaluate("document.querySelector('#easel').dataset.way") == "painted"
    page.wait_until(f"document.querySelectorAll('.history a')[1]?.pathname == '/jobs/{first}'")
    page.evaluate("history.back()")
    page.wait_until(f"location.pathname == '/jobs/{first}' && document.readyState == 'complete'")


def test_a_trained_style_needs_no_painting(page, server):
    page.choose_files("#content .drop input", server.place / "photo.png")
    page.wait_until("!!document.querySelector('#content .tile:not(.busy)')")
    assert page.evaluate("predict.disabled")
    page.evaluate(
        "model.value = 'two 2'; ['input', 'change'].forEach(e => "
        "model.dispatchEvent(new Event(e, {bubbles: true})))"
    )
    assert page.evaluate("strength.value") == "1"
    page.wait_until("!predict.disabled && cost.textContent.includes('GB')")
    first = predict(page)
    page.wait_until(f"{STATE} == 'finished'")
    assert "two: blue" in page.evaluate("easel.textContent")
    page.evaluate("epochs.value = 2; steps.value = 3; model.value = ''")
    page.drop_files("#shelf-place", server.folder(first) / "result.png")
    page.wait_until("model.value == 'two 2' && start.hidden")
    page.click("[data-action=paint]")
    page.wait_until(f"easel.dataset.id != '{first}' && {STATE} == 'finished'")
    words = server.words(page.evaluate("easel.dataset.id"))
    start = words[words.index("--init") + 1].rpartition("/")[2].removesuffix(".png")
    line = "document.querySelector('#start img')"
    page.wait_until(f"{line}.offsetParent && {line}.src.endsWith('/pictures/{start}.jpg')")
    page.choose_files("#content .drop input", server.place / "painting.png")  # another photo
    page.wait_until("start.hidden && init.value == 'instant' && !predict.disabled")


def test_where_to_paint_is_drawn_on_the_photo(page, server):
    choose(page, server, **QUICK)
    page.click("#masked .where")
    page.middle("#mask canvas")
    page.evaluate("document.querySelector('#mask-size').value = 30")
    drag(page, "#mask canvas", (0.1, 0.2), (0.9, 0.2))
    drag(page, "#mask canvas", (0.9, 0.5), (0.9, 0.9))
    page.click("[data-mask=undo]")  # of the second stroke
    page.evaluate("document.querySelector('#mask canvas').focus()")
    for _ in range(3):
        page.press("ArrowDown", 40)
    page.press("ArrowLeft", 37)
    page.press(" ", 32)
    page.click("[data-mask=use]")
    image = "document.querySelector('#masked img')"
    page.wait_until(f"!mask.open && {image}.naturalWidth > 0 && !predict.disabled")
    page.reload()
    page.wait_until(f"{image}.offsetParent && !predict.disabled")  # as all that was chosen
    identity = predict(page)
    page.wait_until(f"{STATE} == 'finished'")
    words = server.words(identity)
    mask = Image.open(server.place / words[words.index("--content-mask") + 1]).convert("L")
    assert mask.size == Image.open(server.place / "photo.png").size
    points = {(0.5, 0.2): 0, (0.5, 0.55): 255, (0.9, 0.8): 255, (0.35, 0.9): 0, (0.7, 0.95): 255}
    found = {at: mask.getpixel((int(at[0] * 64), int(at[1] * 48))) for at in points}
    assert found == points
    outcome = call(server.place, *words, "-o", "masked")
    assert outcome.returncode == 0, outcome.stderr
    first, second = (server.folder(identity) / "result.png", server.place / "masked/result.png")
    assert first.read_bytes() == second.read_bytes()
    page.choose_files("#style .drop input", server.place / "photo.png")  # a second style
    page.wait_until(f"!{image}.offsetParent && document.querySelectorAll('.share').length == 2")


def test_a_network_that_is_trained_meanwhile_is_offered(page, server):
    names = "[...model.options].map(e => e.value).join()"
    assert page.evaluate(names) == ",two 1,two 2"
    style = [("green", Image.new("RGB", (80, 64), "green"))]
    late = server.place / "models" / "late.style"
    style_file.write(late, {"a": np.zeros(2)}, style, {})
    page.evaluate("dispatchEvent(new Event('focus'))")
    page.wait_until(f"{names} == ',late 1,two 1,two 2'")
    late.unlink()


def test_what_another_tab_orders_appears(page, server):
    server.ask("POST", "/queue/pause")
    ids = [server.order(**QUICK) for _ in range(2)]
    queue = "[...document.querySelectorAll('.queue a')].map(e => e.pathname.split('/')[2]).join()"
    page.wait_until(f"{queue} == '{','.join(ids)}'")
    page.click(".queue li:nth-child(2) [data-move='-1']")
    page.wait_until(f"{queue} == '{','.join(reversed(ids))}'")
    page.click(f"[data-remove='{ids[0]}']")
    page.wait_until(f"{queue} == '{ids[1]}'")
    assert "paused" in page.evaluate("shelf.textContent")
    waiting = server.ask("GET", f"/jobs/{ids[1]}/easel")[1].decode()
    assert "Next in line, the queue is paused" in waiting and server.look(ids[1])["paused"]
    page.click("[data-queue=go]")
    page.wait_until(f"!!document.querySelector('.history a[href$=\"{ids[1]}\"]')")
    assert server.wait_until_ended(ids[1])["state"] == "finished"


def test_two_tabs_show_the_same_and_keep_what_each_has_chosen(page, server):
    choose(page, server, **QUICK | {"epochs": 5})
    with page.other_tab():
        enter(page, server)
        assert page.evaluate("document.querySelectorAll('.tile img').length") == 0
        choose(page, server, **QUICK)
        identity = predict(page)
        page.wait_until(f"{STATE} == 'finished'")
    page.wait_until(f"!!document.querySelector('.history a[href$=\"{identity}\"]')")
    assert page.evaluate("[location.pathname, epochs.value].join()") == "/,5"
    assert page.evaluate("document.querySelectorAll('.tile img').length") == 2
    page.click(f".history a[href$='{identity}']")
    page.wait_until(f"{STATE} == 'finished' && {SHOWN}.complete")


def test_drop_and_paste(page, server):
    page.drop_files("#content", server.place / "photo.png")
    page.wait_until("document.querySelectorAll('#content .tile:not(.busy)').length == 1")
    data = (server.place / "painting.png").read_bytes()
    x, y = page.middle("#style")
    page.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
    page.evaluate(
        f"(() => {{ const data = new DataTransfer();"
        f"data.items.add(new File([new Uint8Array({list(data)})], 'a.png', {{type: 'image/png'}}));"
        "window.dispatchEvent(new ClipboardEvent('paste', {clipboardData: data})); })()"
    )
    page.wait_until("document.querySelectorAll('#style .tile:not(.busy)').length == 1")
    page.drop_files("#content", server.place / "painting.png")  # in the place of what is there
    page.wait_until("document.querySelector('#content .tile img')?.alt == 'painting'")
    assert page.evaluate("document.querySelectorAll('#content .tile').length") == 1
    page.drop_files("#style", server.place / "photo.png", server.place / "painting.png")
    page.wait_until("document.querySelectorAll('#style .tile:not(.busy) .share').length == 3")


def test_a_photo_of_a_phone_is_upright(page, server, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.open(paint(tmp_path / "a.png", 1)).save(tmp_path / "phone.jpg", exif=exif)
    page.choose_files("#content .drop input", tmp_path / "phone.jpg")
    image = "document.querySelector('#content .tile:not(.busy) img')"
    page.wait_until(
        f"{image}?.complete && {image}.naturalWidth == 48 && {image}.naturalHeight == 64"
    )


def test_a_result_brings_its_settings_back(page, server):
    identity = server.order(**QUICK, style_weight=77.0, preserve_color="luminance")
    server.wait_until_ended(identity)
    page.drop_files("#shelf-place", server.folder(identity) / "result.png")
    page.wait_until("style_weight.value == '77'")
    for name, value in (("epochs", "2"), ("preserve_color", "luminance"), ("init", "content")):
        assert page.evaluate(f"document.getElementById('{name}').value") == value
    page.wait_until("!document.getElementById('predict').disabled")  # it has the pictures, too
    assert page.evaluate("document.querySelector('#content .tile img').alt") == "photo"
    second = predict(page)
    page.wait_until(f"{STATE} == 'finished'")
    first = (server.folder(identity) / "result.png").read_bytes()
    assert (server.folder(second) / "result.png").read_bytes() == first


def test_what_cannot_be_taken_is_said_in_the_page(page, server, tmp_path):
    def complaint(name, data):
        (tmp_path / name).write_bytes(data)
        page.choose_files("#content .drop input", tmp_path / name)
        text = page.wait_until("document.querySelector('#content-trouble').textContent")
        assert page.evaluate("document.querySelectorAll('#content .tile').length") == 0
        return text

    before = set((server.place / "kept").rglob("*"))
    assert "60 MB" in complaint("large.tiff", b"II*\0" + bytes(60 * 2**20))
    Image.new("1", (30_000, 30_000)).save(tmp_path / "bomb.png")
    assert "megapixels" in complaint("bomb.png", (tmp_path / "bomb.png").read_bytes())
    assert "no picture" in complaint("text.txt", b"text")
    assert "not a picture" in complaint("junk.png", b"junk")
    heic = b"\0\0\0\x18ftypheic" + bytes(4000)  # no browser for the test reads those
    assert "HEIC" in complaint("photo.heic", heic) and "JPEG" in complaint("photo.jpg", heic)
    assert set((server.place / "kept").rglob("*")) == before
    page.choose_files("#content .drop input", server.place / "photo.png")
    page.wait_until("document.querySelector('#content .tile:not(.busy) img')?.alt == 'photo'")
    page.choose_files("#content .drop input", tmp_path / "junk.png")  # the one before comes back
    page.wait_until("document.querySelector('#content-trouble').textContent.includes('junk')")
    page.wait_until("document.querySelector('#content .tile:not(.busy) img')?.alt == 'photo'")


def test_a_server_that_is_killed_and_started_again_is_gone_on_with(browser, place):
    other = Place(place.folder.parent / "other")
    place.processes = place.processes + other.processes
    first = other.serve()
    try:
        browser.watch()
        enter(browser, first)
        choose(browser, first, **LONG)
        identity = predict(browser)
        browser.wait_until(UNDER_WAY)
        first.end(signal.SIGKILL)
        browser.wait_until("!offline.hidden")
        second = other.serve("--port", str(first.port))
        browser.wait_until(f"{STATE} == 'finished' && offline.hidden")
        assert second.look(identity)["frame"] == LONG["epochs"]
    finally:
        for process in other.processes:
            process.kill()
            process.communicate()


def test_another_page_cannot_ask_for_anything(page, server):
    """Of this machine, and with the cookie in the browser: it is of the strictest kind."""
    before = set((server.place / "kept").rglob("*"))
    page.visit("data:text/html,<h1>elsewhere</h1>")
    address = f"http://127.0.0.1:{server.port}"
    for kind in ("text/plain", "application/json"):
        page.evaluate(
            f"fetch('{address}/pictures', {{method: 'POST', mode: 'no-cors',"
            f"credentials: 'include', headers: {{'Content-Type': '{kind}'}},"
            'body: \'{"sample": "waves"}\'})'
            ".catch(() => 0).then(() => 0)"
        )
    read = (
        f"fetch('{address}/jobs', {{credentials: 'include'}}).then(e => e.text(), e => 'refused')"
    )
    assert page.evaluate(read) == "refused"
    framed = (
        f"new Promise(done => {{ const frame = document.createElement('iframe'); frame.src = "
        f"'{address}/'; frame.onload = () => {{ try {{ done(frame.contentDocument.title) }} catch "
        "{ done('closed') } }; document.body.append(frame) })"
    )
    assert page.evaluate(framed) in ("closed", "", None)
    assert set((server.place / "kept").rglob("*")) == before


def test_all_of_it_by_keyboard(page, server):
    choose(page, server, "instant", size=64)
    page.evaluate("document.querySelector('[name=way]:checked').focus()")
    page.press("ArrowRight", 39)
    assert page.evaluate("new FormData(form).get('way')") == "painted"
    page.evaluate("document.querySelector('.slider[data-for=style_weight]').focus()")
    page.press("Home", 36)
    assert page.evaluate("style_weight.value") == "3"
    page.press("End", 35)
    assert page.evaluate("style_weight.value") == "300"
    page.evaluate("document.querySelector('#style .take-away').focus()")
    page.press("Enter", 13)
    page.wait_until("document.activeElement.matches('#style .drop input')")  # where the next comes
    page.choose_files("#style .drop input", server.place / "painting.png")
    page.evaluate("document.querySelector('[name=way]').focus()")
    page.press("ArrowLeft", 37)
    page.wait_until("!predict.disabled")
    page.evaluate("predict.focus()")
    page.press("Enter", 13)
    page.wait_until(f"location.pathname.startsWith('/jobs/') && {STATE} == 'finished'")
    page.wait_until("document.activeElement.id == 'predict'")
    reached = page.evaluate(
        "[...document.querySelectorAll('a, button, input, select, summary')].filter(e => "
        "e.offsetParent && e.tabIndex < 0).length"
    )
    assert reached == 0


def test_a_photo_by_camera(page, server):
    page.wait_until("!document.querySelector('.camera').hidden")
    page.click(".camera")
    page.wait_until("document.querySelector('video').videoWidth > 0")
    page.click(".take")
    page.wait_until("document.querySelector('#content .tile:not(.busy) img')?.naturalWidth > 100")
    assert page.evaluate("document.querySelector('video').srcObject") is None


def test_the_report_cannot_reach_the_page(page, server):
    identity = server.order(**QUICK)
    server.wait_until_ended(identity)
    page.visit(f"http://127.0.0.1:{server.port}/jobs/{identity}/report.html")
    page.wait_until("!!document.querySelector('#frames img')")
    assert page.evaluate("slider.max") == "2"  # its own script runs
    reach = "fetch('/jobs').then(e => e.status, e => 'refused')"
    assert page.evaluate(reach) == "refused"
    assert page.evaluate("origin") == "null"


@pytest.fixture(scope="module")
def states(server):
    """The page's addresses in four states: nothing chosen, running, waiting, finished.

    For the last tests: what is under way stays so.
    """
    finished = server.order(**QUICK)
    server.wait_until_ended(finished)
    running, waiting = server.order(**LONG | {"epochs": 3000}), server.order(**QUICK)
    return ["/", *(f"/jobs/{each}" for each in (running, waiting, finished))]


def visit_with_open_folds(page, server, address):
    """Go to a state of the page, with all that can be unfolded."""
    page.visit(f"http://127.0.0.1:{server.port}{address}")
    page.wait_until("!!document.querySelector('#form').dataset.way")
    page.evaluate("document.querySelectorAll('details').forEach(e => { e.open = true })")


def test_nothing_is_wider_than_the_window(page, server, states):
    for address in states:
        visit_with_open_folds(page, server, address)
        for width in (320, 390, 800, 1280):
            page.resize(width, 800)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, address


@pytest.mark.skipif("STYLE_AXE" not in os.environ, reason="needs STYLE_AXE, the path of axe.min.js")
def test_nothing_is_in_the_way_of_a_screen_reader(page, server, states):
    """By axe-core's rules, in each state, all folds open: nothing serious, nothing critical."""
    for address in states:
        visit_with_open_folds(page, server, address)
        page.evaluate(Path(os.environ["STYLE_AXE"]).read_text() + "; 0")
        for mode in ("dark", "light"):
            page.prefer(mode)
            assert find_violations(page) == [], (address, mode)
    page.click("#masked .where")
    page.middle("#mask canvas")
    assert find_violations(page) == []
