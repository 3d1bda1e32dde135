"""Clips whose motion is known exactly: a texture that pans, zooms or turns, an object before it."""

import cv2
import numpy as np

SIZE = (240, 180)  # width and height


def texture(seed, side=400):
    """A picture of smooth random colors of all scales, (side, side, 3) in [0, 1]."""
    generator = np.random.default_rng(seed)
    total = np.zeros((side, side, 3), np.float32)
    for cells in (8, 25, 60, 120):
        coarse = generator.uniform(size=(cells, cells, 3)).astype(np.float32)
        total += (8 / cells) ** 0.5 * cv2.resize(
            coarse, (side, side), interpolation=cv2.INTER_CUBIC
        )
    return (total - total.min()) / np.ptp(total)


def look(picture, matrix, size=SIZE):
    """See a picture through a window: pixel p of it shows matrix @ (p, 1) of the picture."""
    return cv2.warpAffine(
        picture, np.float32(matrix), size, flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    ).clip(0, 1)


def matrix_at(time, *, pan=(0, 0), zoom=1.0, turn=0.0):
    """The matrix of the window at a time: around the middle of a texture, moved, scaled, turned."""
    scale, angle = zoom**time, np.deg2rad(turn) * time
    linear = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    middle = np.array(SIZE) / 2
    offset = 200 - linear @ middle + np.array(pan) * time
    return np.column_stack([linear, offset])


def exact_flow(matrix, other, size=SIZE):
    """The flow between two windows: where in the other one each pixel's point is."""
    x, y = np.meshgrid(*map(np.arange, size))
    here = np.stack([x, y, np.ones_like(x)], axis=-1).astype(float)
    point = here @ matrix.T
    there = (point - other[:, 2]) @ np.linalg.inv(other[:, :2]).T
    return (there - here[..., :2]).astype(np.float32)


def paste(frame, sprite, corner):
    """Lay a sprite on a frame, its upper left pixel at (x, y) = corner; also tell where it is."""
    height, width = sprite.shape[:2]
    frame, mask = frame.copy(), np.zeros(frame.shape[:2], bool)
    x, y = corner
    frame[y : y + height, x : x + width] = sprite
    mask[y : y + height, x : x + width] = True
    return frame, mask


class Clip:
    """A camera that moves over a photo, an object that crosses it: all motion is known.

    Args:
        ground: (height, width, 3) in [0, 1], the photo.
        thing: the object, of its own texture.
        size: (width, height) of the frames.
        pan: pixels of a frame by which the camera moves.
        zoom: by which factor it sees more, a frame.
        step: pixels by which the object moves.
        noise: standard deviation of the grain that a camera adds to each frame.
    """

    def __init__(
        self, ground, thing, size=(480, 270), *, pan=(2, 0.5), zoom=0.998, step=(5, -1), noise=0.0
    ):
        self.ground, self.thing, self.size = ground, thing, size
        self.pan, self.zoom, self.step, self.noise = pan, zoom, step, noise

    def matrix(self, time):
        """Return the matrix of the camera at a time, see `look`."""
        height, width = self.ground.shape[:2]
        scale = 0.75 * min(width / self.size[0], height / self.size[1]) * self.zoom**time
        middle = np.array((width, height)) / 2 + scale * np.array(self.pan) * (time - 12)
        offset = middle - scale * np.array(self.size) / 2
        return np.column_stack([scale * np.eye(2), offset])

    def corner(self, time):
        """Return the upper left pixel of the object."""
        start = 0.1 * self.size[0], 0.6 * self.size[1]
        return tuple(round(each + time * by) for each, by in zip(start, self.step))

    def frame(self, time):
        """Return a frame (height, width, 3), and where the object is in it."""
        seen = look(self.ground, self.matrix(time), self.size)
        frame, mask = paste(seen, self.thing, self.corner(time))
        grain = np.random.default_rng(time).normal(scale=self.noise, size=frame.shape)
        return (frame + grain).clip(0, 1).astype(np.float32), mask

    def flow(self, time, other):
        """Return the exact flow from one frame to another, and where it leads to the same thing."""
        flow = exact_flow(self.matrix(time), self.matrix(other), self.size)
        (_, here), (_, there) = self.frame(time), self.frame(other)
        flow[here] = np.subtract(self.corner(other), self.corner(time))
        x, y = np.meshgrid(*map(np.arange, self.size))
        points = np.stack([x, y], axis=-1) + flow
        inside = np.all((points >= 0) & (points <= np.array(self.size) - 1), axis=-1)
        hidden = cv2.remap(there.astype(np.float32), points.astype(np.float32), None, 1) > 0
        edge = cv2.dilate(here.astype(np.uint8), np.ones((3, 3))) - here
        return flow, (inside & (here | ~hidden) & ~edge.astype(bool)).astype(np.float32)
