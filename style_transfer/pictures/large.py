"""Pictures too large to be held in float32: windows of them are read, and written.

At 8192 × 8192 pixels an image in float32 takes 0.8 GB, and one pass works on half a dozen. What
goes in blocks needs of each no more than a block sees. So a large picture is indexed as an array
of (1, height, width, N) is, `picture[:, top:bottom, left:right]`, and gives float32 for that window
alone; what takes windows works on both. NumPy reads all of it where it must have an array.
"""

import math
import tempfile
import weakref

import numpy as np
from PIL import Image

from style_transfer import files
from style_transfer.pictures import deep, sixteen

BAND = 256  # rows that are looked at at once
SAMPLES = 2**22  # pixels that the colors of a large picture are found by


class Large:
    """What stands for an image in float32; each kind has a `read` of (begin, end) of both axes.

    Attributes:
        shape: (1, height, width, N).
    """

    def __init__(self, shape):
        self.shape = tuple(shape)

    def __getitem__(self, window):
        """Return what a window of slices shows, (1, h, w, N) float32."""
        return self.read(*self.locate(window))

    def __array__(self, dtype=None, copy=None):
        """Return all of it."""
        return np.asarray(self[:, :], dtype)

    def locate(self, window):
        """Return (begin, end) of the rows and of the columns of a window; all, if it has none."""
        slices = (*window[1:], *[slice(None)] * (3 - len(window)))
        return [each.indices(length)[:2] for each, length in zip(slices, self.shape[1:])]


class Photo(Large):
    """A picture file in its size, as it was decoded: 8 or 16 bits a number.

    Args:
        picture: an `images.Picture`.
        size: (width, height).
    """

    def __init__(self, picture, size):
        super().__init__((1, *size[::-1], 3))
        self.samples, self.pixels = None, None
        if picture.deep is not None:
            self.samples = sixteen.resize_samples(picture.deep, size)
        else:
            same = picture.pixels.size == tuple(size)
            resampling = Image.Resampling.LANCZOS
            self.pixels = picture.pixels if same else picture.pixels.resize(size, resampling)

    def read(self, rows, columns):
        """Return a window, in [0, 1]."""
        if self.samples is not None:
            part = self.samples[slice(*rows), slice(*columns)]
            return part[np.newaxis] / np.float32(sixteen.MOST)
        return crop(self.pixels, rows, columns) / 255.0


class Mask(Large):
    """A mask in its size, as it was decoded.

    Args:
        image: a Pillow image of mode RGB.
        size: (width, height).
    """

    def __init__(self, image, size):
        super().__init__((1, *size[::-1], 3))
        self.pixels = image.resize(size, Image.Resampling.BOX)

    def read(self, rows, columns):
        """Return a window, 0 to 255."""
        return crop(self.pixels, rows, columns)


class Shelf(Large):
    """An image in a temporary file, with 16 bits a number: it can be written, a window at a time.

    The file is read and written, not mapped: a full disk is then an error, and no end by a signal.
    """

    def __init__(self, shape):
        super().__init__(shape)
        # Without a buffer, which would still have to be written when the disk is full.
        self.file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - closed with the picture
        weakref.finalize(self, self.file.close)

    def read(self, rows, columns):
        """Return a window, in [0, 1]."""
        height, width = (end - begin for begin, end in (rows, columns))
        found = np.empty((height, width, self.shape[3]), np.uint16)
        for row, line in enumerate(found, start=rows[0]):
            self.seek(row, columns[0])
            self.file.readinto(line)
        return found[np.newaxis] / np.float32(sixteen.MOST)

    def __setitem__(self, window, part):
        """Write a window of an image; what leaves [0, 1] is clipped.

        Raises:
            ValueError: a value is NaN or infinite.
            files.FileError: the disk is full.
        """
        (top, _), (left, _) = self.locate(window)
        try:
            for row, line in enumerate(deep.to_samples(part, 16), start=top):
                self.seek(row, left)
                data = line.tobytes()
                while data:  # of which a nearly full disk takes a part
                    data = data[self.file.write(data) :]
        except OSError as error:
            remedy = "free some, or let TMPDIR name another folder for temporary files"
            raise files.FileError(tempfile.gettempdir(), error.strerror, remedy) from None

    def seek(self, row, column):
        """Go to a pixel."""
        _, _, width, channels = self.shape
        self.file.seek((row * width + column) * channels * np.dtype(np.uint16).itemsize)


class Framed(Large):
    """A large picture with more around it, mirrored; or, by negative numbers, with less.

    Args:
        picture: a `Large`.
        padding: ((top, bottom), (left, right)), less than a side.
    """

    def __init__(self, picture, padding):
        sides = (side + sum(more) for side, more in zip(picture.shape[1:3], padding))
        super().__init__((1, *sides, picture.shape[3]))
        self.picture, self.padding = picture, padding

    def read(self, rows, columns):
        """Return a window."""
        spans = zip((rows, columns), self.padding, self.picture.shape[1:3])
        rows, columns = (
            mirror(np.arange(*span) - before, length) for span, (before, _), length in spans
        )
        top, left = rows.min(), columns.min()
        part = self.picture[:, top : rows.max() + 1, left : columns.max() + 1]
        return part[:, rows - top][:, :, columns - left]


class Combined(Large):
    """What a function of pixels makes of pictures, some of which are large, when it is read."""

    def __init__(self, function, pictures, channels):
        large = next(filter(is_large, pictures))
        super().__init__((*large.shape[:3], channels))
        self.function, self.pictures = function, pictures

    def read(self, rows, columns):
        """Return a window."""
        window = (slice(None), slice(*rows), slice(*columns))
        return self.function(*(each[window] for each in self.pictures))


def crop(pixels, rows, columns):
    """Return a window of a Pillow image, (1, h, w, 3) float32."""
    part = pixels.crop((columns[0], rows[0], columns[1], rows[1]))
    return np.asarray(part, np.float32)[np.newaxis]


def is_large(picture):
    """Tell whether a picture is no array."""
    return isinstance(picture, Large)


def combine(function, *pictures, channels=3):
    """Apply a function of pixels to pictures of one size: at once, or where one is large, later.

    Args:
        function: from arrays (1, h, w, N) to such an array, the same for each pixel.
        channels: that it returns.
    """
    if any(map(is_large, pictures)):
        return Combined(function, pictures, channels)
    return function(*pictures)


def empty_like(picture):
    """Return what can be written in windows: an array, or what a large picture has in its place."""
    return Shelf(picture.shape) if is_large(picture) else np.empty(picture.shape, np.float32)


def list_bands(picture):
    """Return some rows of a picture after the other."""
    return (picture[:, row : row + BAND] for row in range(0, picture.shape[1], BAND))


def sample(picture, step=None):
    """Return a picture to find colors by: of a large one, each n-th pixel of each n-th row.

    Args:
        step: n; None: as many as give `SAMPLES`.
    """
    if not is_large(picture):
        return picture
    step = step or max(1, math.isqrt(math.prod(picture.shape[1:3]) // SAMPLES))
    rows = range(0, picture.shape[1], step)
    return np.concatenate([picture[:, row : row + 1][:, :, ::step] for row in rows], axis=1)


def mirror(indices, length):
    """Mirror indices at the first and at the last of a length."""
    return length - 1 - np.abs(length - 1 - np.abs(indices))
