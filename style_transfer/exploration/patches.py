"""What excites a channel: the patches of many pictures where it answers most.

As Zeiler & Fergus (arXiv:1311.2901) show them, who look at more than a handful of pictures.
"""

import numpy as np
from PIL import Image

from style_transfer.exploration import drawing
from style_transfer.pictures import images
from style_transfer.reports.page import Grid

MOST = 9  # patches of a channel
ACROSS = 3  # of them in a row
LEAST_SIDE = 32  # pixels of a patch; what a position sees is framed where it is less
DRAWN_SIDE = 96  # pixels of a patch as it is drawn
GAP = 2
OUTSIDE = "#f2efe9"  # of the picture
TITLE = "What excites these channels most, in other pictures"
NOTE = "Nine patches of each channel, the strongest at the upper left; framed: all it sees there."


class Patches:
    """The strongest patches so far of each channel.

    Args:
        geometries: `drawing.Geometry` by layer name.
    """

    def __init__(self, geometries):
        self.geometries = geometries
        self.found = {}  # from layer and channel to a list of (value, picture)

    def add(self, image, features, wanted):
        """Look for patches in one more picture.

        Args:
            image: (1, height, width, 3).
            features: of it, by layer name, (1, height, width, N).
            wanted: channels by layer name.
        """
        photo = images.to_pixels(image)
        for layer, channels in wanted.items():
            geometry = self.geometries[layer]
            apart = max(1, max(geometry.size, LEAST_SIDE) // geometry.stride // 2)
            for channel in channels:
                values = features[layer][0, :, :, channel]
                found = [
                    (value, crop(photo, geometry.field(place)))
                    for value, place in find_peaks(values, apart, MOST)
                ]
                best = self.found.setdefault(layer, {}).setdefault(channel, [])
                best += found
                best.sort(key=lambda each: -each[0])
                del best[MOST:]

    def grid(self, album):
        """Draw the patches of each channel; return their grid."""
        cells, captions = {}, {}
        for row, (layer, channels) in enumerate(self.found.items()):
            for column, (channel, best) in enumerate(channels.items()):
                montage = assemble([patch for _, patch in best])
                name = f"patches_{layer}_{channel:03}"
                cells[row, column] = [album.add_picture(name, montage)]
                captions[row, column] = f"#{channel}"
        widest = max(len(channels) for channels in self.found.values())
        rows = [f"{layer}\nsees {self.geometries[layer].size} px" for layer in self.found]
        return Grid(TITLE, rows, [""] * widest, cells, captions, absent="", note=NOTE)


def find_peaks(values, apart, most):
    """Return the largest values of a map, no two of them near each other.

    Args:
        values: (height, width).
        apart: positions; of two peaks, rows or columns differ by more.
        most: how many, at most.

    Returns:
        A list of (value, (row, column)), the largest first; none of them 0 or less.
    """
    left, peaks = np.array(values, np.float32), []
    while len(peaks) < most:
        row, column = place = drawing.find_peak(left)
        value = float(left[place])
        if value <= 0:
            break
        peaks.append((value, place))
        rows = slice(max(0, row - apart), row + apart + 1)
        left[rows, max(0, column - apart) : column + apart + 1] = 0
    return peaks


def crop(photo, field):
    """Cut out what a position sees, (left, top, right, bottom); where it is small, more."""
    more = max(0, LEAST_SIDE - (field[2] - field[0])) // 2
    box = (field[0] - more, field[1] - more, field[2] + more, field[3] + more)
    scale = DRAWN_SIDE / (box[2] - box[0])
    patch = Image.new("RGB", (box[2] - box[0],) * 2, OUTSIDE)
    patch.paste(photo, (-box[0], -box[1]))
    patch = patch.resize((DRAWN_SIDE, DRAWN_SIDE), Image.Resampling.BICUBIC)
    if more:
        inner = (round(more * scale),) * 2 + (DRAWN_SIDE - round(more * scale),) * 2
        drawing.mark_box(patch, inner)
    return patch


def assemble(patches):
    """Put patches into a square, the strongest at the upper left."""
    pitch = DRAWN_SIDE + GAP
    whole = Image.new("RGB", (ACROSS * pitch - GAP,) * 2, OUTSIDE)
    for number, patch in enumerate(patches):
        whole.paste(patch, (number % ACROSS * pitch, number // ACROSS * pitch))
    return whole
