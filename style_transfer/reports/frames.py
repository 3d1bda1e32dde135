"""The frames of a run, its snapshots `frames/epoch_0000.png`: found, chosen, read, made small."""

import io
import re
from pathlib import Path

from PIL import Image

from style_transfer import files
from style_transfer.runs.losses import REMEDY

NAME = re.compile(r"epoch_(\d+)\.png")


def find(folder):
    """Return the paths of all frames of a run, in the order of their epochs.

    Sorted by number: from epoch 10000 on, the names no longer sort as texts.

    Args:
        folder: of the run, which holds the folder `frames`.
    """
    paths = Path(folder, "frames").glob("*.png")
    return sorted((path for path in paths if NAME.fullmatch(path.name)), key=epoch_of)


def epoch_of(path):
    """Return the number of the epoch after which a frame was saved; 0 is the start image."""
    return int(NAME.fullmatch(path.name)[1])


def choose(items, most):
    """Choose at most `most` of the items, evenly spaced, the first and the last among them.

    Args:
        items: a sequence.
        most: 2 at least.
    """
    if len(items) <= most:
        return list(items)
    return [items[round(index * (len(items) - 1) / (most - 1))] for index in range(most)]


def read(path):
    """Read a picture of a run as it is.

    Returns:
        A Pillow image of mode RGB.

    Raises:
        files.FileError: it is missing or damaged.
    """
    data = files.read(path, remedy=REMEDY)
    try:
        with Image.open(io.BytesIO(data)) as picture:
            return picture.convert("RGB")
    except Exception:  # Pillow's plug-ins raise all kinds of errors for a damaged file
        raise files.FileError(path, "is damaged", REMEDY) from None


def shrink(picture, box):
    """Return a copy in RGB that fits the box (width, height); nothing is enlarged."""
    small = picture.convert("RGB")
    small.thumbnail(box, Image.Resampling.LANCZOS)
    return small
