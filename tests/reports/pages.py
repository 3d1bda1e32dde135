"""Invented runs and sweeps with their pages, and a reader of pages, for the tests beside it."""

import base64
import dataclasses
import io
import json
import os
from html.parser import HTMLParser

from conftest import paint
from PIL import Image

from style_transfer.pictures import images
from style_transfer.reports import page
from style_transfer.settings import Settings

VOID = {"meta", "img", "input", "br"}
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

    def handle_startendtag(self, tag, attributes):  # only in SVG is <path/> closed by itself
        self.elements.append((tag, dict(attributes)))

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


TERMS = ("content", "style", "total_variation")


def make_run(folder, epochs=3, size=(32, 24), settings=None, content=None, first=0, terms=TERMS):
    """Write a run's folder: frame N has brightness 10 N, each loss at its end is 1 / (N + 1)."""
    (folder / "frames").mkdir(parents=True)
    settings = settings or Settings(epochs=epochs, steps=2)
    paths = {
        "content": content or paint(folder.parent / "photo.png", 1),
        "style": paint(folder.parent / "painting.png", 2, (72, 60)),
    }
    pictures = {role: images.load(path) for role, path in paths.items()}
    record = {
        "settings": dataclasses.asdict(settings),
        "inputs": {
            role: {"path": os.fsdecode(each.path), "sha256": each.sha256}
            for role, each in pictures.items()
        },
        "weights": {"name": "compact VGG19", "sha256": "ab" * 32},
        "size": size,
        "versions": {"style-transfer": "0.1.0", "python": "3.11.7"},
        "working_folder": str(folder.parent),
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
    lines = [",".join(["epoch", "step", *terms, "total"])]
    for step in range(2 * (first + epochs) + 1):
        epoch = -(-step // 2)
        lines.append(f"{epoch},{step}" + f",{1 / (epoch + 1):.7g}" * (len(terms) + 1))
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
