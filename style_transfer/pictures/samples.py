"""Pictures for training: decoded no larger than they are needed."""

import math

from PIL import Image

from style_transfer import files
from style_transfer.pictures import images

#: Bilinear, over a box as large as the reduction: enough for a network, a third of Lanczos' time.
RESAMPLING, GAP = Image.Resampling.BILINEAR, 2.0


def load_reduced(path, shorter_side):
    """Read a picture file, upright, sRGB, opaque, its shorter side `shorter_side` pixels.

    A JPEG of more than twice that is decoded at a half, a quarter or an eighth of its size, which
    takes as much less time.

    Returns:
        A Pillow image of mode RGB; a small picture is enlarged.

    Raises:
        files.FileError: as `images.load`.
    """
    image = images.open_header(path, files.read(path, remedy=images.REMEDY))
    image.draft("RGB", (shorter_side, shorter_side))  # upright or not: both sides reach it
    picture, *_ = images.decode(path, image, notices=[])
    scale = shorter_side / min(picture.size)
    size = tuple(max(shorter_side, math.floor(side * scale + 0.5)) for side in picture.size)
    return picture.resize(size, RESAMPLING, reducing_gap=GAP)


def load_squeezed(path, side):
    """Read a picture file as `load_reduced`, squeezed into a square of `side` pixels."""
    return load_reduced(path, side).resize((side, side), RESAMPLING, reducing_gap=GAP)
