"""The frames that a film is painted from: read as they are needed, the last ones kept."""

from collections import OrderedDict
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from style_transfer.method import color, regions
from style_transfer.optimization import material
from style_transfer.pictures import images

BLOCK = 16  # frames that are read at once where a film is gone through backwards
SHEET = 16  # masks of a film by which the colors of its regions are found


@dataclass
class Frames:
    """The chosen frames of a film, in the size of the run.

    Attributes:
        film: a `films.Film`.
        times: of the chosen frames.
        size: (width, height).
        reach: how far apart two frames may be that are needed together.
    """

    film: object
    times: tuple
    size: tuple[int, int]
    reach: int = 1
    position: int = 0
    reader: object = None
    kept: OrderedDict = field(default_factory=OrderedDict)

    def picture(self, index):
        """Return a frame as an `images.Picture`."""
        if index not in self.kept:
            self.fetch(index)
        self.kept.move_to_end(index)
        return images.Picture(self.film.path, self.film.sha256, self.kept[index], ())

    def tensor(self, index):
        """Return a frame as (1, height, width, 3)."""
        return images.to_tensor(self.picture(index), self.size)

    def fetch(self, index):
        """Read on to a frame; to one before, from some frames before it."""
        if self.reader is None or not self.position <= index < self.position + BLOCK:
            is_before = self.reader is not None and index < self.position
            self.position = max(0, index - BLOCK + 1) if is_before else index
            self.reader = self.film.read(self.times[self.position :])
        while self.position <= index:
            _, pixels = next(self.reader)
            self.keep(pixels.resize(self.size, Image.Resampling.LANCZOS))

    def keep(self, pixels):
        """Keep the frame at the position, and let go of the oldest."""
        self.kept[self.position] = pixels
        self.position += 1
        if len(self.kept) > BLOCK + self.reach + 1:
            self.kept.popitem(last=False)


class Materials:
    """Makes the `Material` of each frame; the painting's colors are those for its shot's first.

    Args:
        pictures, sizes: `Inputs`, see `material.prepare`; their content stands for any frame.
        frames: `Frames`.
        masks: `Frames` of a film of masks, of as many frames; None: the mask is one picture.
        settings: a `Settings`.
    """

    def __init__(self, pictures, sizes, frames, masks, settings):
        self.pictures, self.sizes, self.frames, self.masks = pictures, sizes, frames, masks
        self.settings = settings
        self.colors = find_colors(masks) if masks else None
        self.shot = self.prepared = None

    def of(self, index, shot):
        """Return the material of a frame of the shot whose first frame is `shot`."""
        if shot != self.shot:
            inputs = self.with_frame(shot)
            self.prepared = material.prepare(inputs, self.sizes, self.settings, self.colors)
            self.shot = shot
        if index == shot:
            return self.prepared
        mode, photo = self.settings.preserve_color, self.frames.tensor(index)
        return material.retake(self.prepared, photo, self.mask(index), mode)

    def with_frame(self, index):
        """Return the `Inputs` with a frame as the content, and its mask."""
        inputs, picture = self.pictures, self.frames.picture(index)
        mask = self.masks.picture(index) if self.masks else inputs.content_mask
        return type(inputs)(picture, inputs.styles, mask, inputs.style_masks, inputs.init)

    def mask(self, index):
        """Return the regions of a frame."""
        if self.masks is None:
            return self.prepared.mask
        return regions.memberships(np.asarray(self.masks.picture(index).pixels), self.colors)

    def show(self, image, index):
        """Return an image (1, height, width, 3) of a frame as it is to be shown."""
        mode = self.settings.preserve_color
        return np.asarray(color.restore(image, content=self.frames.tensor(index), mode=mode))


def find_colors(masks):
    """Find the colors of the regions in a film of masks, by some of its frames."""
    count = len(masks.times)
    chosen = sorted({round(index * (count - 1) / (SHEET - 1)) for index in range(SHEET)})
    sheet = [np.asarray(masks.picture(index).pixels) for index in chosen]
    return regions.find_colors(np.concatenate(sheet))
