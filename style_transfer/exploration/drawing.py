"""Numbers as pictures: maps of channels, Gram matrices, what a position sees."""

from dataclasses import dataclass

import numpy as np
from matplotlib import colormaps
from PIL import Image, ImageDraw

from style_transfer.reports import sheet

WHITE = 0.995  # of a map's values are below the one that is drawn white: a glint darkens no map
MARK = "#ff3b30"
DECADES = 3.0  # of a Gram matrix that its colors show
GRAM_SIDE = 384  # pixels
BAR_WIDTH, BAR_HEIGHT = 60, 300  # pixels, of the bar that explains the colors
COLORS = colormaps["magma"]


def draw_map(values, brightest):
    """Draw a map (height, width), a gray pixel for each position: 0 black, `brightest` white."""
    share = np.clip(values / max(brightest, 1e-12), 0.0, 1.0)
    return Image.fromarray(np.rint(share * 255).astype(np.uint8)).convert("RGB")


def draw_gram(gram, most):
    """Draw a Gram matrix (N, N), by the logarithm of its numbers: bright is `most` and above."""
    share = 1.0 + np.log10(np.maximum(gram / max(most, 1e-12), 10.0**-DECADES)) / DECADES
    pixels = np.rint(COLORS(np.clip(share, 0.0, 1.0))[..., :3] * 255).astype(np.uint8)
    return Image.fromarray(pixels).resize((GRAM_SIDE, GRAM_SIDE), Image.Resampling.NEAREST)


def draw_color_bar():
    """Draw the colors of `draw_gram`, with the shares of `most` that they stand for."""
    bar = np.logspace(0.0, -DECADES, BAR_HEIGHT)[:, np.newaxis]
    picture = Image.new("RGB", (GRAM_SIDE, GRAM_SIDE), sheet.PAPER)
    top = (GRAM_SIDE - BAR_HEIGHT) // 2
    picture.paste(draw_gram(bar, 1.0).resize((BAR_WIDTH, BAR_HEIGHT)), (top, top))
    pen, font = ImageDraw.Draw(picture), sheet.load_font(2 * sheet.LABEL_SIZE)
    for decade in range(int(DECADES) + 1):
        place = (top + BAR_WIDTH + sheet.GAP, top + BAR_HEIGHT * decade / DECADES)
        pen.text(place, f"{10.0**-decade:g}", sheet.INK, font, anchor="lm")
    return picture


def find_peak(values):
    """Return the position (row, column) of the largest of (height, width)."""
    return tuple(map(int, np.unravel_index(np.argmax(values), values.shape)))


@dataclass(frozen=True)
class Geometry:
    """Where the positions of a layer look.

    Attributes:
        stride: pixels between two positions.
        size: pixels, along one axis, that a position sees.
    """

    stride: int
    size: int

    def field(self, place):
        """Return the box (left, top, right, bottom), in pixels, that a position sees.

        Position p has the pixels from p stride to (p + 1) stride - 1 as its own: VGG pads each
        convolution alike on both sides, so that the field lies around their middle.

        Args:
            place: (row, column) of the position.
        """
        row, column = (each * self.stride + (self.stride - self.size) // 2 for each in place)
        return column, row, column + self.size, row + self.size


def mark_box(picture, box):
    """Draw a frame around a box of a Pillow image; the box may reach beyond it."""
    left, top, right, bottom = box
    width = max(2, round(max(picture.size) / 150))
    outer = (left - width, top - width, right - 1 + width, bottom - 1 + width)
    ImageDraw.Draw(picture).rectangle(outer, outline=MARK, width=width)


def correlate(first, second):
    """Return the correlation of two arrays of one shape; 0 where one of them does not vary."""
    first, second = first - first.mean(), second - second.mean()
    scale = np.sqrt((first**2).sum() * (second**2).sum())
    return float((first * second).sum() / scale) if scale > 0 else 0.0
