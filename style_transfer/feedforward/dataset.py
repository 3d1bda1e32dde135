"""Batches of crops from a folder of pictures, such as COCO's photos or WikiArt's paintings.

Which pictures a batch holds, where they are cropped and which are mirrored follows from the seed
and the number of the batch alone: a training that was killed goes on with the same ones.
"""

import functools
import math
import os
import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from style_transfer import files
from style_transfer.pictures import images, samples

MARGIN = 1.125  # the shorter side of a picture, against that of the crops out of it, at least
AHEAD = 2  # batches that are made while one is used
CACHE = 2**30  # bytes of decoded pictures
FITS = ("crop", "resize")


def list_pictures(folder):
    """Return the paths of all pictures in a folder and in the folders below, by name.

    Raises:
        files.FileError: there is none.
    """
    folder = Path(folder)
    suffixes = [each for each, kind in Image.registered_extensions().items()]
    known = {each for each in suffixes if Image.registered_extensions()[each] in images.FORMATS}
    found = [
        Path(place, name)
        for place, _, names in os.walk(folder)
        for name in names
        if Path(name).suffix.lower() in known and not name.startswith(".")
    ]
    if not found:
        reason = "holds no picture" if folder.is_dir() else "is no folder"
        raise files.FileError(folder, reason, "name a folder of photos or paintings")
    return sorted(found)


class Batches:
    """Batch after batch, without end.

    Every picture comes once in each pass through the folder, in an order drawn anew. One that
    cannot be read is replaced by the one that comes after it.

    Args:
        paths: of the pictures, in an order that does not change.
        size: (how many pictures make a batch, pixels of a side of the crops).
        seed: of the order, the crops and the mirroring.
        fit: `crop`: out of the picture, at a place that is drawn; `resize`: squeezed into the
            square.
        shorter_side: of the picture that is cropped; None: 1.125 times that of the crop.
        cache: bytes of decoded pictures to keep.
        threads: that decode at once.
    """

    def __init__(
        self, paths, size, *, seed=0, fit="crop", shorter_side=None, cache=CACHE, threads=None
    ):
        self.paths = list(paths)
        self.count, self.side = size
        self.seed, self.fit = seed, fit
        self.shorter_side = shorter_side or math.ceil(MARGIN * self.side)
        self.free = cache
        self.decoded, self.unreadable = {}, {}  # by index; the latter: why
        self.lock = threading.Lock()
        self.threads = threads or os.cpu_count()
        self.draw_order = functools.lru_cache(maxsize=2)(self.draw_order)

    def __iter__(self):
        return self.from_batch(0)

    def from_batch(self, number):
        """Generate the batches from a number on; the next ones are made meanwhile."""
        with ThreadPoolExecutor(self.threads, "dataset") as pool:
            waiting = deque()
            try:
                while True:
                    while len(waiting) <= AHEAD:
                        waiting.append(self.submit(pool, number))
                        number += 1
                    batch, futures = waiting.popleft()
                    for future in futures:
                        future.result()
                    yield batch
            finally:
                pool.shutdown(cancel_futures=True)

    def batch(self, number):
        """Make one batch: (count, side, side, 3) float32, sRGB in [0, 1].

        Raises:
            files.FileError: none of the pictures can be read.
        """
        with ThreadPoolExecutor(self.threads) as pool:
            batch, futures = self.submit(pool, number)
            for future in futures:
                future.result()
        return batch

    def submit(self, pool, number):
        """Have a batch made by a pool of threads; return it, still empty, and what to wait for."""
        batch = np.empty((self.count, self.side, self.side, 3), np.float32)
        first = number * self.count
        return batch, [pool.submit(self.fill, batch[row], first + row) for row in range(self.count)]

    def fill(self, crop, position):
        """Put the crop at a position in the endless row of pictures into (side, side, 3)."""
        pixels = self.find(position)
        draw = np.random.default_rng((self.seed, position))
        top, left = (draw.integers(length - self.side + 1) for length in pixels.shape[:2])
        pixels = pixels[top : top + self.side, left : left + self.side]
        if draw.integers(2):
            pixels = pixels[:, ::-1]
        np.multiply(pixels, np.float32(1 / 255), out=crop, dtype=np.float32)

    def find(self, position):
        """Return the picture at a position, (height, width, 3) uint8, or the next readable one."""
        turn, place = divmod(position, len(self.paths))
        order = self.draw_order(turn)
        for step in range(len(order)):
            pixels = self.decode(int(order[(place + step) % len(order)]))
            if pixels is not None:
                return pixels
        folder = Path(self.paths[0]).parent
        reason = f"holds no picture that can be read ({next(iter(self.unreadable.values()))})"
        raise files.FileError(folder, reason, images.REMEDY)

    def draw_order(self, turn):
        """Draw the order of the pictures in one pass through them."""
        return np.random.default_rng((self.seed, turn, 1)).permutation(len(self.paths))

    def decode(self, index):
        """Return a picture, as it is cropped from, or None if it cannot be read."""
        if index in self.unreadable:
            return None
        pixels = self.decoded.get(index)
        if pixels is None:
            try:
                pixels = np.asarray(self.load(self.paths[index]))
            except files.FileError as error:
                self.unreadable[index] = str(error)
                return None
            self.keep(index, pixels)
        return pixels

    def load(self, path):
        """Decode a picture file to a Pillow image."""
        if self.fit == "resize":
            return samples.load_squeezed(path, self.side)
        return samples.load_reduced(path, self.shorter_side)

    def keep(self, index, pixels):
        """Keep a decoded picture as long as there is room."""
        with self.lock:
            if index not in self.decoded and pixels.nbytes <= self.free:
                self.decoded[index] = pixels
                self.free -= pixels.nbytes
