"""Web pages of a run, and of grids of pictures: one file each, everything in it."""

import base64
import dataclasses
import io
import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from style_transfer import files
from style_transfer.pictures import images
from style_transfer.reports import curves, frames, provenance
from style_transfer.runs import losses
from style_transfer.runs.losses import REMEDY

TEMPLATES = Path(__file__).resolve().parent / "templates"
QUALITY = 85  # of the JPEGs

SOURCES = ("content", "style")  # the inputs that are shown
INPUT_BOX = (480, 480)  # width and height in pixels, at most
RESULT_BOX = (960, 960)
FRAME_BOX = (512, 768)
MOST_FRAMES = 60

SHEET_BOX = (480, 480)
SHEET_FRAMES = 240  # of all cells together, but two of each cell at least


@dataclass(frozen=True)
class Grid:
    """A labelled grid of pictures.

    Attributes:
        title: above it.
        rows, columns: labels, a text each, of one line or more.
        cells: from (row index, column index), both from 0, to the paths of a film's frames, in
            order; one path is a picture, none a film that failed.
        captions: lines under the pictures, by the same indices.
        absent: what is written where there is nothing.
        note: what the pictures show, a sentence or more.
    """

    title: str
    rows: list
    columns: list
    cells: dict
    captions: dict = dataclasses.field(default_factory=dict)
    absent: str = "not run"
    note: str = ""


@dataclass(frozen=True)
class Embedded:
    """A picture inside a page: a JPEG in base64, and its size in pixels."""

    data: str
    width: int
    height: int


def write_report(folder, pictures=None):
    """Write `report.html` into a run's folder, from what lies there.

    A frame of 512×342 px takes about 60 kB: a run of 10 epochs makes a page of 1 MB, and any
    longer one of 4 MB, since at most 60 frames are shown. Pictures of pure noise reach 25 MB.

    Args:
        folder: of a run that has ended.
        pictures: Pillow images by role, `content` and `style`, where they are at hand; if None,
            the files that the record names are shown, as long as they are what they were.

    Returns:
        The path of the page.

    Raises:
        files.FileError: the folder lacks its record, losses, frames or result.
    """
    folder = Path(folder)
    record = read_record(folder / "run.json")
    table = losses.read(folder / "losses.csv")
    shown = find_pictures(record) if pictures is None else pictures
    page = render(
        "report",
        title=provenance.entitle(record),
        summary=provenance.summarize(record),
        trio=embed_trio(folder, record, shown),
        absent=[role for role in SOURCES if role not in shown and pictures is None],
        film=embed_film(folder, table),
        svg=Markup(curves.to_svg(table)),
        area=curves.AREA,
        curves=curves.list_curves(table),
        last_step=table.steps[-1],
        command=provenance.list_words(record),
        facts=provenance.list_facts(record),
        settings=[provenance.explain(*item) for item in record["settings"].items()],
    )
    files.write_text(folder / "report.html", page)
    return folder / "report.html"


def write_sheet_page(path, *, title, rows, columns, cells):
    """Write the page of a sweep: a labelled grid of runs, all moved by one slider.

    A frame takes about 50 kB, and there are at most 240, or two of each cell if that is more:
    12 MB.

    Args:
        path: of the page.
        title: its heading.
        rows, columns: labels, a text each.
        cells: paths of a run's frames, in order, by (row index, column index), both from 0. An
            empty list is a run that failed; what is not there was not run.
    """
    count = sum(bool(paths) for paths in cells.values())
    summary = f"{count} of {len(rows) * len(columns)} runs"
    grid = Grid(title, rows, columns, cells)
    write_grids(path, title=title, summary=summary, grids=[grid])


def write_grids(path, *, title, summary, grids, record=None, command=(), svg=""):
    """Write a page of labelled grids of pictures; see `write_sheet_page`.

    Args:
        path: of the page.
        title, summary: its heading, and the line under it.
        grids: `Grid`s; of several, each has its own title above it.
        record: of what made them, to be shown under them, or None.
        command: the words that make them again.
        svg: a drawing to be shown above them, the text of an SVG.
    """
    films = [paths for grid in grids for paths in grid.cells.values() if paths]
    most = max(2, SHEET_FRAMES // max(1, len(films)))
    page = render(
        "sheet",
        title=title,
        summary=summary,
        grids=[(grid, embed_cells(grid, most)) for grid in grids],
        svg=Markup(svg[svg.find("<svg") :] if svg else ""),
        last=max((min(len(paths), most) for paths in films), default=1) - 1,
        command=command,
        facts=provenance.list_facts(record) if record else [],
    )
    files.write_text(path, page)


def render(kind, *, script=None, **parts):
    """Fill in the template of a kind of page, with its style sheet and its script's file."""
    script = read_template("player.js") + read_template(f"{script or kind}.js")
    fingerprint = base64.b64encode(bytes.fromhex(files.sha256(script.encode()))).decode()
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        finalize=make_visible,
    )
    parts |= {"css": Markup(read_template("page.css")), "script": Markup(script)}
    template = environment.get_template(f"{kind}.html")
    return template.render(parts, kind=kind, fingerprint=fingerprint)


def read_template(name):
    """Read a file of the folder `templates`."""
    return (TEMPLATES / name).read_text(encoding="utf-8")


def make_visible(value):
    """Let a page show any text: what is no HTML gets its control characters escaped."""
    return value if isinstance(value, Markup) else files.printable(value)


def read_record(path):
    """Read `run.json`.

    Raises:
        files.FileError: it is missing, no JSON, or no record of a run.
    """
    data = files.read(path, remedy=REMEDY)
    try:
        record = json.loads(data)
    except ValueError:
        raise files.FileError(path, "is no JSON", REMEDY) from None
    if not is_record(record):
        raise files.FileError(path, "is no record of a run", REMEDY)
    return record


def is_record(record):
    """Tell whether JSON has the parts of a record that a page shows."""
    try:
        inputs, weights, settings = record["inputs"], record["weights"], record["settings"]
        texts = [each[name] for each in inputs.values() for name in ("path", "sha256")]
        texts += [weights["name"], weights["sha256"], record.get("working_folder", "")]
        numbers = [*record["size"], settings["epochs"], settings["steps"]]
        versions = record["versions"]
    except (KeyError, TypeError, AttributeError):
        return False
    return (
        set(SOURCES) <= set(inputs)
        and len(record["size"]) == 2
        and isinstance(versions, dict)
        and all(isinstance(each, str) for each in texts)
        and all(isinstance(each, int) for each in numbers)
    )


def find_pictures(record, roles=SOURCES):
    """Read the pictures of a record, by role, whose files are still there and unchanged."""
    found = {}
    for role in roles:
        source = record["inputs"][role]
        try:
            picture = images.load(os.path.join(record.get("working_folder", ""), source["path"]))
        except files.FileError:
            continue
        if picture.sha256 == source["sha256"]:
            found[role] = picture.pixels
    return found


def embed(picture, box):
    """Make a Pillow image small enough for a box (width, height), and embed it."""
    small, jpeg = frames.shrink(picture, box), io.BytesIO()
    small.save(jpeg, "JPEG", quality=QUALITY, optimize=True)
    return Embedded(base64.b64encode(jpeg.getvalue()).decode(), *small.size)


def embed_trio(folder, record, shown):
    """Embed what is shown of content, style and result: (name of the file, picture) by role."""
    trio = {
        role: (provenance.name_input(record, role), embed(shown[role], INPUT_BOX))
        for role in SOURCES
        if role in shown
    }
    result = embed(frames.read(folder / "result.png"), RESULT_BOX)
    return trio | {"result": ("result.png", result)}


def embed_film(folder, table):
    """Embed frames of a run, each with its losses and its place on the curves, in percent."""
    chosen = frames.choose(frames.find(folder), MOST_FRAMES)
    if not chosen:
        raise files.FileError(folder / "frames", "holds no frames", REMEDY)
    film, last = [], max(1, table.steps[-1])
    for path in chosen:
        epoch = frames.epoch_of(path)
        row = max(0, np.searchsorted(table.epochs, epoch, side="right") - 1)
        values = [f"{value:.3g}" for value in (*table.values[row], table.totals[row])]
        place = 100 * table.steps[row] / last
        picture = embed(frames.read(path), FRAME_BOX)
        film.append({"picture": picture, "epoch": epoch, "place": place, "losses": values})
    return film


def embed_cells(grid, most):
    """Embed the cells of a `Grid`, by their places, see `embed_cell`."""
    places = np.ndindex(len(grid.rows), len(grid.columns))
    return {place: embed_cell(grid.cells.get(place), most, grid.absent) for place in places}


def embed_cell(paths, most, absent):
    """Embed at most so many of a cell's frames, or say why there are none."""
    if not paths:
        return absent if paths is None else "failed"
    return [embed(frames.read(path), SHEET_BOX) for path in frames.choose(paths, most)]
