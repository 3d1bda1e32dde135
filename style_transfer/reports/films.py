"""The page of a film: its frames under a slider, and how well they go together."""

import csv
from pathlib import Path

import numpy as np
from markupsafe import Markup

from style_transfer import files
from style_transfer.reports import curves, frames, page, provenance
from style_transfer.runs.films import TABLE
from style_transfer.runs.losses import REMEDY

MOST_FRAMES = 60
#: The columns of the table that are drawn, where there are such, and what people call them.
SHOWN = {
    "trust": "trusted share",
    "film_error": "error of the film",
    "warping_error": "warping error",
    "content": "content",
    "style": "style",
    "temporal": "temporal",
}
NOTE = (
    "The warping error is the mean squared difference to the frame before, moved as the film "
    "moves, where that motion is trusted; of the film itself it is what noise, light and errors of "
    "the motion make. First frames of a shot have none."
)


def write_page(folder):
    """Write `report.html` into the folder of a film, from what lies there.

    Args:
        folder: of a run with one frame at least.

    Returns:
        The path of the page.

    Raises:
        files.FileError: the folder lacks its record, its table or its frames.
    """
    folder = Path(folder)
    record = page.read_record(folder / "run.json")
    rows = read_table(folder / TABLE)
    numbers = np.array(sorted(rows))
    lines = list_curves([rows[number] for number in numbers])
    settings = record["settings"] | record["film"]["settings"]
    text = page.render(
        "film",
        script="report",
        title=provenance.entitle(record),
        summary=summarize(record, rows),
        note=NOTE,
        trio=embed_trio(folder, record, numbers),
        film=embed_film(folder, numbers, lines),
        svg=Markup(curves.figure_to_svg(curves.draw_curves(lines, numbers, "frame"))),
        area=curves.AREA,
        curves=lines,
        command=provenance.list_words(record),
        facts=provenance.list_facts(record),
        settings=[provenance.explain(*item) for item in settings.items()],
    )
    files.write_text(folder / "report.html", text)
    return folder / "report.html"


def read_table(path):
    """Read the table of frames: {number of the frame, from 1: its last line}."""
    data = files.read(path, remedy=REMEDY).decode()
    rows = {int(row["frame"]): row for row in csv.DictReader(data.splitlines())}
    if not rows:
        raise files.FileError(path, "holds no frames", REMEDY)
    return rows


def list_curves(rows):
    """Return the curves of the columns that are drawn and filled."""
    names = [name for name in SHOWN if any(row.get(name) for row in rows)]
    return [
        curves.Curve(
            f"curve-{number}",
            SHOWN[name],
            np.array([float(row[name] or "nan") for row in rows]),
        )
        for number, name in enumerate(names, start=1)
    ]


def summarize(record, rows):
    """Say in one line how large, how many, and with what."""
    width, height = record["size"]
    shots = len({row["shot"] for row in rows.values()})
    seconds = np.median([float(row["seconds"]) for row in rows.values()])
    parts = [
        f"{width} × {height} px",
        f"{len(rows)} frames",
        "1 shot" if shots == 1 else f"{shots} shots",
        record["weights"]["name"],
        f"{seconds:.2g} s a frame",
    ]
    return " · ".join(parts)


def embed_trio(folder, record, numbers):
    """Embed the style and the middle frame: (name of the file, picture) by role."""
    middle = numbers[len(numbers) // 2]
    trio = {}
    if picture := page.find_pictures(record, ("style",)).get("style"):
        name = provenance.name_input(record, "style")
        trio["style"] = name, page.embed(picture, page.INPUT_BOX)
    path = picture_of(folder, middle)
    return trio | {"result": (path.name, page.embed(frames.read(path), page.RESULT_BOX))}


def picture_of(folder, number):
    """Return the path of a frame, from 1."""
    return folder / "frames" / f"{number:06}.png"


def embed_film(folder, numbers, lines):
    """Embed frames, each with its values and its place on the curves, in percent."""
    film, last = [], max(1, numbers[-1] - numbers[0])
    for index in frames.choose(range(len(numbers)), MOST_FRAMES):
        picture = page.embed(frames.read(picture_of(folder, numbers[index])), page.FRAME_BOX)
        values = [f"{line.values[index]:.3g}" for line in lines]
        place = 100 * (numbers[index] - numbers[0]) / last
        film.append(
            {"picture": picture, "epoch": int(numbers[index]), "place": place, "losses": values}
        )
    return film
