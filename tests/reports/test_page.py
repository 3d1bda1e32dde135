"""The pages: well-formed, self-contained, safe from hostile names, and alive in a browser."""

import base64
import dataclasses
import io
import json
import shlex
import subprocess
import sys
import time
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import ROOT, paint
from PIL import Image

import main
from style_transfer import files
from style_transfer.pictures import images
from style_transfer.reports import page
from style_transfer.runs import folder as runs
from style_transfer.settings import FIELDS, Settings

VOID = {"meta", "img", "input", "path", "line"}
HOSTILE = """<script>hacked=1<script>"'><img src=x onerror=hacked=1>&amp;$title\u202e"""


class Tree(HTMLParser):
    """The elements of a page, and its texts; fails where a tag is not closed."""

    def __init__(self, path):
        super().__init__()
        self.open, self.elements, self.texts = [], [], []
        self.feed(path.read_text(encoding="utf-8"))
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        names = [name for name, _ in attributes]
        assert len(names) == len(set(names)), f"<{tag}> has an attribute twice"
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open and self.open.pop() == tag

    def handle_data(self, text):
        if self.open and self.open[-1] not in ("style", "script"):
            self.texts.append(text)

    @property
    def text(self):
        return "".join(self.texts)

    def all(self, tag, **wanted):
        return [
            attributes
            for name, attributes in self.elements
            if name == tag and wanted.items() <= attributes.items()
        ]


def decode(attributes):
    """Open the picture inside an `img`."""
    kind, _, data = attributes["src"].partition(",")
    assert kind == "data:image/jpeg;base64"
    return Image.open(io.BytesIO(base64.b64decode(data, validate=True)))


def make_run(folder, epochs=3, size=(32, 24), settings=None, content=None, first=0):
    """Write a run's folder: frame N has brightness 10 N, each loss at its end is 1 / (N + 1)."""
    (folder / "frames").mkdir(parents=True)
    settings = settings or Settings(epochs=epochs, steps=2)
    paths = {
        "content": content or paint(folder.parent / "photo.png", 1),
        "style": paint(folder.parent / "painting.png", 2, (72, 60)),
    }
    pictures = {role: images.load(path) for role, path in paths.items()}
    network = SimpleNamespace(name="compact VGG19", sha256="ab" * 32)
    record = runs.describe(settings, pictures, network, size) | {
        "total_seconds": 61.5,
        "seconds_per_step": 0.25,
        "steps_done": 6,
        "device": "CPU, 2 threads",
    }
    (folder / "run.json").write_text(json.dumps(record))
    for epoch in range(first, first + epochs + 1):
        gray = Image.new("RGB", size, (10 * epoch % 256,) * 3)
        gray.save(folder / "frames" / f"epoch_{epoch:04}.png")
    gray.save(folder / "result.png")
    lines = ["epoch,step,content,style,total_variation,total"]
    for step in range(2 * (first + epochs) + 1):
        epoch = -(-step // 2)
        lines.append(f"{epoch},{step}" + f",{1 / (epoch + 1):.7g}" * 4)
    (folder / "losses.csv").write_text("\n".join(lines) + "\n")
    return pictures


def write(folder, **keywords):
    """Make a run and its page; return the page's tree."""
    pictures = make_run(folder, **keywords)
    return Tree(
        page.write_report(folder, pictures={role: each.pixels for role, each in pictures.items()})
    )


def make_cells(folder):
    """Frames of a sweep of 2×2: a run of 3 frames, one of 5, one that failed, one not run."""
    cells = {(1, 0): []}
    for column, count in enumerate((3, 5)):
        cells[0, column] = [folder / f"{column}_{index}.png" for index in range(count)]
        for index, path in enumerate(cells[0, column]):
            Image.new("RGB", (960, 640), (50 * index,) * 3).save(path)
    return cells


def write_sheet(folder, title="A sweep", rows=("low", "high"), columns=("few", "many")):
    path = folder / "sheet.html"
    page.write_sheet_page(path, title=title, rows=rows, columns=columns, cells=make_cells(folder))
    return Tree(path)


@pytest.fixture(params=["report", "sheet"])
def tree(request, tmp_path):
    return write(tmp_path / "run") if request.param == "report" else write_sheet(tmp_path)


def test_nothing_comes_from_outside(tree):
    for _, attributes in tree.elements:
        for name in ("src", "href", "srcset", "action", "data", "poster"):
            assert attributes.get(name, "data:").startswith("data:")
    assert not {"link", "iframe", "base", "object", "form"} & {tag for tag, _ in tree.elements}


def test_the_policy_allows_data_pictures_and_one_script(tree):
    (policy,) = [each["content"] for each in tree.all("meta") if "http-equiv" in each]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules.pop("script-src").startswith("'sha256-")
    assert rules == {
        "default-src": "'none'",
        "img-src": "data:",
        "style-src": "'unsafe-inline'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    assert len(tree.all("script")) == 1


def test_it_can_be_used_without_eyes_and_without_a_mouse(tree):
    assert tree.all("html", lang="en")
    assert all(each["alt"] for each in tree.all("img") if "src" in each)
    (slider,) = tree.all("input", type="range")
    assert tree.all("label", **{"for": slider["id"]})


def test_content_style_and_result_stand_first(tmp_path):
    tree = write(tmp_path / "run", size=(1200, 800))
    sizes = [decode(each).size for each in tree.all("img")[:3]]
    assert sizes == [(64, 48), (72, 60), (960, 640)]
    alts = [each["alt"] for each in tree.all("img")[:3]]
    assert alts == ["content: photo.png", "style: painting.png", "result: result.png"]
    assert "photo in the style of painting" in tree.text
    assert "1200 × 800 px · 3 epochs of 2 steps · compact VGG19 · 61.5 s" in tree.text


def test_a_large_photo_is_made_small(tmp_path):
    make_run(tmp_path / "run")
    large = Image.new("RGBA", (400, 1000))
    tree = Tree(page.write_report(tmp_path / "run", pictures={"content": large}))
    assert decode(tree.all("img")[0]).size == (192, 480)
    assert [each["alt"].partition(":")[0] for each in tree.all("img")[:2]] == ["content", "result"]


@pytest.mark.parametrize(
    ("size", "shown"),
    [((1024, 512), (512, 256)), ((200, 150), (200, 150)), ((600, 1800), (256, 768))],
)
def test_frames_are_embedded_small_enough(tmp_path, size, shown):
    frames = [
        each for each in write(tmp_path / "run", size=size).all("img") if "data-epoch" in each
    ]
    assert [decode(each).size for each in frames] == [shown] * 4
    assert {(int(each["width"]), int(each["height"])) for each in frames} == {shown}
    assert [np.asarray(decode(each)).mean() for each in frames] == pytest.approx(
        [0, 10, 20, 30], abs=1
    )


def test_frames_know_their_epoch_and_their_losses(tmp_path):
    frames = [each for each in write(tmp_path / "run").all("img") if "data-epoch" in each]
    assert [each["data-epoch"] for each in frames] == ["0", "1", "2", "3"]
    assert [each["data-total"] for each in frames] == ["1", "0.5", "0.333", "0.25"]
    assert [float(each["data-place"]) for each in frames] == pytest.approx(
        [0, 100 / 3, 200 / 3, 100], abs=0.01
    )
    assert ["hidden" in each for each in frames] == [True, True, True, False]


def test_at_most_sixty_frames_with_the_first_and_the_last(tmp_path):
    tree = write(tmp_path / "run", epochs=90, first=9950)
    epochs = [int(each["data-epoch"]) for each in tree.all("img") if "data-epoch" in each]
    assert len(epochs) == 60
    assert (epochs[0], epochs[-1]) == (9950, 10040)
    assert epochs == sorted(epochs)


def test_what_differs_from_the_defaults_is_marked(tmp_path):
    settings = Settings(style_weight=50.0, style_layers=("block1_conv1:2", "block2_conv1"))
    tree = write(tmp_path / "run", settings=settings)
    assert len(tree.all("tr", **{"class": "changed"})) == 2
    assert f"2 of {len(FIELDS)} differ" in tree.text
    assert "style weight50.0 changed200.0" in tree.text
    assert "style layersblock1_conv1:2, block2_conv1 changedblock1_conv1, block2" in tree.text
    assert "pooling" + "max" * 2 in tree.text


def test_nothing_is_marked_in_a_run_of_defaults(tmp_path):
    tree = write(tmp_path / "run", settings=Settings())
    assert not tree.all("tr", **{"class": "changed"})
    assert not tree.all("span", **{"class": "mark"})


def test_the_command_makes_the_same_settings(tmp_path):
    """The command line's own parser reads the command back."""
    settings = Settings(
        style_weight=1e-7,
        enlarge=True,
        init="a picture's name.png",
        style_layers=("block1_conv1:2", "block2_conv1"),
        content_layers=("block3_conv1", "block4_conv1"),
        optimizer="adam",
        average=0.95,
    )
    content = paint(tmp_path / "it's a $HOME; `photo`.png", 1)
    tree = write(tmp_path / "run", settings=settings, content=content)
    start = tree.text.index("python main.py")
    words = shlex.split(tree.text[start : tree.text.index("\n", start)])
    parsed = main.command.make_context("main.py", words[2:]).params
    assert parsed["content"] == (str(content),)
    assert {name: parsed[name] for name in FIELDS} == dataclasses.asdict(settings)


def test_every_setting_has_the_option_that_the_command_names():
    flags = {each.name: each.opts for each in main.command.params}
    for name, field in FIELDS.items():
        value = {bool: True, tuple: ["x"]}.get(type(field.default), "x")
        assert page.option_words(name, value)[0] in flags[name]


def test_fingerprints_and_versions(tmp_path):
    tree = write(tmp_path / "run")
    for text in (
        files.sha256((tmp_path / "photo.png").read_bytes()),
        files.sha256((tmp_path / "painting.png").read_bytes()),
        "ab" * 32,
        f"python {sys.version.split()[0]}",
        "CPU, 2 threads, 6 steps of 0.25 s",
    ):
        assert text in tree.text


def test_hostile_names_stay_text(tmp_path):
    folder = tmp_path / "<"
    folder.mkdir()
    content = paint(folder / f"script>{HOSTILE}.png".replace("/", ""), 1, (64, 48))
    tree = write(tmp_path / "run", content=content, settings=Settings(init=HOSTILE))
    assert len(tree.all("script")) == 1
    assert not any("onerror" in attributes for _, attributes in tree.elements)
    assert tree.all("img")[0]["alt"] == f"content: {files.printable(content.name)}"
    assert files.printable(HOSTILE) in tree.text


def test_hostile_labels_stay_text(tmp_path):
    tree = write_sheet(tmp_path, HOSTILE, (HOSTILE, "</td></table>"), ("</script>", "b"))
    assert len(tree.all("script")) == 1
    assert len(tree.all("td")) == 1 + 4
    assert not any("onerror" in attributes for _, attributes in tree.elements)
    assert tree.all("button", **{"class": "cell"})[0]["aria-label"] == (
        f"{files.printable(HOSTILE)}, </script>"
    )


def test_names_that_are_not_unicode(tmp_path):
    tree = write(tmp_path / "run", settings=Settings(init="caf\udce9.png"))
    assert "caf\\udce9.png" in tree.text


def test_losses_that_are_no_numbers(tmp_path):
    make_run(tmp_path / "run")
    losses = tmp_path / "run" / "losses.csv"
    losses.write_text(losses.read_text().replace("1,1,0.5,0.5", "1,1,nan,inf"))
    tree = Tree(page.write_report(tmp_path / "run"))
    assert not [each["d"] for each in tree.all("path") if "nan" in each["d"]]


def test_the_settings_of_another_version(tmp_path):
    make_run(tmp_path / "run")
    path = tmp_path / "run" / "run.json"
    record = json.loads(path.read_text())
    del record["settings"]["border"]
    record["settings"]["glitter"] = 3
    path.write_text(json.dumps(record))
    assert "glitter3 changed" in Tree(page.write_report(tmp_path / "run")).text


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("run.json", None, "no such file"),
        ("run.json", "{", "is no JSON"),
        ("run.json", "[]", "is no record of a run"),
        ("losses.csv", None, "no such file"),
        ("losses.csv", "a,b\n1,2\n", "is no table of losses"),
        ("losses.csv", "epoch,step\n", "holds no losses"),
        ("frames", None, "holds no frames"),
        ("result.png", None, "no such file"),
    ],
)
def test_a_folder_without_a_whole_run_is_refused(tmp_path, name, text, reason):
    make_run(tmp_path / "run")
    path = tmp_path / "run" / name
    path.rename(tmp_path / "away")
    if text:
        path.write_text(text)
    with pytest.raises(files.FileError, match=f"{name}: {reason}; give the folder of a run"):
        page.write_report(tmp_path / "run")
    assert not (tmp_path / "run" / "report.html").exists()


def test_a_sheet_has_every_cell(tmp_path):
    tree = write_sheet(tmp_path)
    cells = [each["aria-label"] for each in tree.all("button", **{"class": "cell"})]
    assert cells == ["low, few", "low, many"]
    pictures = [each for each in tree.all("img") if "src" in each]
    assert [decode(each).size for each in pictures] == [(480, 320)] * 8
    assert ["hidden" in each for each in pictures] == [True, True, False] + [True] * 4 + [False]
    absent = [text for text in tree.texts if text in ("failed", "not run")]
    assert absent == ["failed", "not run"]
    assert "2 of 4 runs" in tree.text


def test_a_large_sheet_has_at_most_240_frames(tmp_path):
    frame = tmp_path / "frame.png"
    Image.new("RGB", (16, 16)).save(frame)
    cells = {(row, 0): [frame] * 50 for row in range(9)}
    names = [str(row) for row in range(9)]
    page.write_sheet_page(
        tmp_path / "sheet.html", title="t", rows=names, columns=["c"], cells=cells
    )
    pictures = [each for each in Tree(tmp_path / "sheet.html").all("img") if "src" in each]
    assert len(pictures) == 9 * (240 // 9)


def test_a_sheet_without_any_run(tmp_path):
    path = tmp_path / "sheet.html"
    page.write_sheet_page(path, title="t", rows=["a"], columns=["b"], cells={})
    assert Tree(path).all("input")[0]["max"] == "0"


def test_tensorflow_is_not_loaded():
    code = (
        "import sys; from style_transfer.reports import page; sys.exit('tensorflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=60).returncode == 0


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """A headless Chromium; a page that is well-formed may still not move."""
    pytest.importorskip("fcntl", reason="needs a system with pipes")
    import chromium

    executable = chromium.find()
    if executable is None:
        chromium.missing("no Chromium on this machine")
    try:
        tab = chromium.Chromium(executable, tmp_path_factory.mktemp("profile"))
    except (RuntimeError, OSError) as error:
        chromium.missing(f"{executable} does not start: {error}")
    yield tab
    tab.close()


SHOWN = "[...document.querySelectorAll('#frames img')].filter(e => e.offsetParent)"
EPOCHS = f"{SHOWN}.map(e => e.dataset.epoch).join()"
TOTAL = "document.querySelector('[data-loss=total]').textContent"


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
    assert browser.evaluate("slider.getAttribute('aria-valuetext')") == "epoch 1, total loss 0.5"
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
