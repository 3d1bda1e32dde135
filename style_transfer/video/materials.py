"""What each frame of a film is painted from."""

import numpy as np

from style_transfer.method import color, regions
from style_transfer.optimization import material

SHEET = 16  # masks of a film by which the colors of its regions are found


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
