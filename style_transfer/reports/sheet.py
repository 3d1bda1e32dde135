"""A labelled grid of pictures, as PNG: the contact sheet of a sweep, the maps of a network."""

import io
import itertools
import math
import textwrap
from pathlib import Path

import matplotlib
from PIL import Image, ImageDraw, ImageFont, ImageText

from style_transfer import files
from style_transfer.reports.frames import read, shrink

PIXELS = 4_000_000  # of all cells together, about
WIDEST = 384  # pixels of a cell
GAP = 10  # pixels between cells
ROW_LABEL_WIDTH = 220  # pixels, at most
NOTE_LINES = 6  # at most
LABEL_SIZE, TITLE_SIZE = 15, 20  # of the letters, in pixels
PAPER, INK, SHADE, MUTED = "#ffffff", "#1e1d1b", "#f2efe9", "#68655e"


def draw(path, *, title, rows, columns, cells, captions=None, absent="failed", note=""):
    """Draw a labelled grid of pictures.

    The cells are alike, shaped as the first picture; each picture fits into its cell.

    Args:
        path: of the PNG.
        title, note: above the grid; the note says what the pictures show.
        rows, columns: their labels.
        cells: from (row index, column index), both from 0, to the path of a picture; what is
            not there is marked.
        captions: lines under the pictures, by the same indices, or None.
        absent: what is written where there is no picture.

    Raises:
        files.FileError: a picture is missing or damaged.
    """
    size = choose_size(next(iter(cells.values()), None), len(rows) * len(columns))
    title = ImageText.Text(files.printable(title), load_font(TITLE_SIZE))
    beside = [wrap(label, ROW_LABEL_WIDTH) for label in rows]
    above = [wrap(label, size[0]) for label in columns]
    left = 2 * GAP + max((measure(label)[0] for label in beside), default=0)
    lefts = [left + column * (size[0] + GAP) for column in range(len(columns) + 1)]
    width = max(lefts[-1], math.ceil(title.get_length()) + 2 * GAP)
    note = wrap(note, width - 2 * GAP, most=NOTE_LINES)
    head = 2 * GAP + TITLE_SIZE + (GAP + measure(note)[1] if note else 0)
    top = head + GAP + max((measure(label)[1] for label in above), default=0)
    under = LABEL_SIZE + GAP // 2 if captions else 0
    tops = [top + row * (size[1] + under + GAP) for row in range(len(rows) + 1)]
    sheet = Image.new("RGB", (width, tops[-1]), PAPER)
    pen = ImageDraw.Draw(sheet)
    for row, column in itertools.product(range(len(rows)), range(len(columns))):
        x, y = lefts[column], tops[row]
        sheet.paste(draw_cell(cells.get((row, column)), size, absent), (x, y))
        text = wrap((captions or {}).get((row, column), ""), size[0]).partition("\n")[0]
        write_label(pen, (x + size[0] / 2, y + size[1] + 2), text, "ma", "center", MUTED)
    pen.text((GAP, GAP), title, INK)
    write_label(pen, (GAP, 2 * GAP + TITLE_SIZE), note, "la", "left", MUTED)
    write_labels(pen, (above, lefts), (beside, tops), size)
    files.write(path, encode(sheet))


def encode(picture):
    """Return a Pillow image as the bytes of a PNG."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def choose_size(first, count):
    """Choose (width, height) of a cell so that `count` of them have `PIXELS` at most, about.

    Args:
        first: path of the picture that gives the shape; a square if None.
    """
    width, height = read(first).size if first else (WIDEST, WIDEST)
    scale = min(1.0, WIDEST / width, math.sqrt(PIXELS / (width * height * max(1, count))))
    return max(1, round(width * scale)), max(1, round(height * scale))


def draw_cell(path, size, absent):
    """Draw a picture in the middle of a cell; say so where there is none, if it is to be said."""
    cell = Image.new("RGB", size, SHADE if path or absent else PAPER)
    if path is None:
        middle = (size[0] / 2, size[1] / 2)
        write_label(ImageDraw.Draw(cell), middle, absent, "mm", "center", MUTED)
        return cell
    picture = shrink(read(path), size)
    cell.paste(picture, ((size[0] - picture.width) // 2, (size[1] - picture.height) // 2))
    return cell


def load_font(size):
    """Load the font that comes with Matplotlib: Pillow's own knows neither × nor Greek."""
    return ImageFont.truetype(Path(matplotlib.get_data_path(), "fonts/ttf/DejaVuSans.ttf"), size)


def wrap(text, width, most=3):
    """Break a label into `most` lines at most, each about as wide as `width` pixels.

    Its own line ends stay, as long as there is room.
    """
    letters = max(4, int(width / load_font(LABEL_SIZE).getlength("n")))
    lines = []
    for part in text.split("\n"):
        rest = {"max_lines": most - len(lines), "placeholder": "…"}
        lines += textwrap.wrap(files.printable(part), letters, **rest) if len(lines) < most else []
    return "\n".join(lines)


def measure(label):
    """Return (width, height) of a label in pixels."""
    _, _, right, bottom = ImageText.Text(label, load_font(LABEL_SIZE)).get_bbox()
    return math.ceil(right), math.ceil(bottom)


def write_labels(pen, columns, rows, size):
    """Write the labels above the columns and beside the rows, each of them (labels, places)."""
    left, top = columns[1][0], rows[1][0]
    for label, x in zip(*columns):
        write_label(pen, (x + size[0] / 2, top - GAP / 2), label, "md", "center")
    for label, y in zip(*rows):
        write_label(pen, (left - GAP, y + size[1] / 2), label, "rm", "right")


def write_label(pen, place, label, anchor, align, color=INK):
    """Write a label of one or more lines at a place."""
    pen.text(place, label, color, load_font(LABEL_SIZE), anchor=anchor, align=align)
