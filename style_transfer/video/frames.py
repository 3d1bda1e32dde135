"""The frames that a film is painted from: read as they are needed, the last ones kept."""

from collections import OrderedDict
from dataclasses import dataclass, field

from PIL import Image

from style_transfer.pictures import images

BLOCK = 16  # frames that are read at once where a film is gone through backwards


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
