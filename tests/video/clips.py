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
