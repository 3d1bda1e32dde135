"""What is kept on the disk: pictures by their fingerprint, and a folder for each order."""

import contextlib
import dataclasses
import io
import math
import os
import secrets
import shutil
import time
from pathlib import Path

from PIL import Image

from style_transfer import files
from style_transfer.pictures import images
from style_transfer.reports import frames
from style_transfer.runs import record as records
from style_transfer.runs.folder import CHECKPOINTS
from style_transfer.server import orders

MAX_SIDE = 4096  # of a picture that is kept; twice what the page lets one paint
PREVIEW = (1280, 1280)  # box in pixels of what is shown of a picture
FAST = 3  # of zlib's levels: a third of the time of the usual one, 5 % more bytes
QUALITY = 86  # of the thumbnails
FORGOTTEN = 7 * 86400  # seconds after which a picture that no order names is removed
RECENT = 10.0  # seconds for which a count of all bytes will do
RESUMABLE = 10  # finished runs that keep their checkpoint, so that more epochs can follow


@dataclasses.dataclass(frozen=True)
class Kept:
    """A picture that is kept, and its width and height in pixels."""

    id: str
    width: int
    height: int


class Store:
    """A folder of the server's own.

    Args:
        folder: a `Path`; it is made.
    """

    def __init__(self, folder):
        self.folder = folder
        self.pictures, self.jobs = folder / "pictures", folder / "jobs"
        for each in (self.pictures, self.jobs):
            each.mkdir(parents=True, exist_ok=True)
        files.remove_temporary(self.pictures)
        self.counted, self.counted_at = 0, -math.inf

    def keep(self, name, data):
        """Keep a picture: decoded, made upright, and written anew as PNG, never as it came.

        Args:
            name: what it is called in messages.
            data: its bytes.

        Returns:
            `Kept`; the same pixels get the same id.

        Raises:
            files.FileError: it is no picture, or too small or large.
            OSError: the disk is full.
        """
        picture = images.read(name, data)
        size = images.fitted_size(picture.pixels.size, MAX_SIDE)
        images.check_sides(picture, size)
        pixels = picture.pixels
        if picture.alpha:
            pixels = pixels.copy()
            pixels.putalpha(picture.alpha)
        if size != pixels.size:
            pixels = pixels.resize(size, Image.Resampling.LANCZOS)
        png = encode(pixels, "PNG", compress_level=FAST)
        identity = files.sha256(png)[:16]
        path = self.path(identity)
        files.write(path.with_suffix(".jpg"), make_thumbnail(picture.pixels, PREVIEW))
        if not path.exists():
            files.write(path, png)
        os.utime(path)
        return Kept(identity, *size)

    def picture(self, identity):
        """Return the path of a picture.

        Raises:
            LookupError: there is none of that id.
        """
        if not self.has(identity):
            raise LookupError("that picture is no longer there; choose it again")
        return self.path(identity)

    def has(self, identity):
        """Tell whether a picture is kept."""
        return bool(orders.PICTURE.fullmatch(identity)) and self.path(identity).is_file()

    def path(self, identity):
        """Return where a picture lies, if it is kept."""
        return self.pictures / f"{identity}.png"

    def size(self, identity):
        """Return (width, height) of a picture; raise as `picture`."""
        with Image.open(self.picture(identity)) as image:
            return image.size

    def identify(self, fingerprint):
        """Return the id of the picture whose file has a SHA-256, or None if it is not kept."""
        identity = fingerprint[:16]
        if not self.has(identity):
            return None
        return identity if files.sha256(self.path(identity).read_bytes()) == fingerprint else None

    def place(self, identity):
        """Return the folder of an order."""
        return self.jobs / identity

    def create(self, **values):
        """Keep a new order; return it.

        Args:
            values: of the `orders.Order`, without what is chosen here.
        """
        now = time.time()
        moment = time.strftime("%Y%m%d-%H%M%S", time.localtime(now))
        order = orders.Order(id=f"{moment}-{secrets.token_hex(3)}", created=now, **values)
        self.place(order.id).mkdir()
        try:
            orders.write(self.place(order.id), order)
        except BaseException:
            self.remove(order.id)
            raise
        return order

    def write(self, order):
        """Write what became of an order."""
        orders.write(self.place(order.id), order)

    def read_all(self):
        """Return all orders, the oldest first."""
        found = sorted(each for each in self.jobs.iterdir() if orders.IDENTITY.fullmatch(each.name))
        for each in found:
            files.remove_temporary(each)
        return [order for order in map(orders.read, found) if order]

    def remove(self, identity):
        """Remove an order and all that was painted for it."""
        shutil.rmtree(self.place(identity))
        self.counted_at = -math.inf

    def result(self, order):
        """Return the path of an order's picture, or None: the result, or the latest snapshot."""
        path = self.place(order.id) / "result.png"
        if path.is_file() and order.has_ended:
            return path
        return next(reversed(self.frames(order)), None)

    def result_size(self, order):
        """Return (width, height) of an order's picture, or None if there is nothing yet."""
        path = self.result(order)
        if path is None:
            return None
        with Image.open(path) as image:
            return image.size

    def frames(self, order):
        """Return the paths of the snapshots of a painted order, in order."""
        return frames.find(self.place(order.id))

    def last_epoch(self, order):
        """Return the epoch of the latest snapshot of an order, or None: asked for very often."""
        try:
            names = os.listdir(self.place(order.id) / "frames")
        except FileNotFoundError:
            return None
        found = [each for each in names if frames.NAME.fullmatch(each)]
        return int(frames.NAME.fullmatch(max(found, key=rank))[1]) if found else None

    def can_continue(self, order):
        """Tell whether a painted order can go on from where it is."""
        return (self.place(order.id) / CHECKPOINTS[0]).is_file()

    def has_begun(self, order):
        """Tell whether the folder of an order holds a run already."""
        return (self.place(order.id) / records.NAME).is_file()

    def drop_checkpoints(self, ended):
        """Remove the checkpoints of finished orders, save the newest: they are most of the bytes.

        Args:
            ended: orders that are finished, the oldest first.
        """
        for order in ended[:-RESUMABLE]:
            for name in CHECKPOINTS:
                (self.place(order.id) / name).unlink(missing_ok=True)

    def forget_pictures(self, every):
        """Remove pictures that no order names and nobody has chosen for a week."""
        named = {each for order in every for each in order.pictures}
        for path in self.pictures.iterdir():
            if path.stem not in named and time.time() - path.stat().st_mtime > FORGOTTEN:
                path.unlink(missing_ok=True)

    def count_bytes(self):
        """Return the bytes that all orders and pictures take, or took some seconds ago."""
        if time.monotonic() - self.counted_at > RECENT:
            self.counted = sum(map(bytes_of, (self.pictures, self.jobs)))
            self.counted_at = time.monotonic()
        return self.counted


def rank(name):
    """Order the names of snapshots as their numbers, without a look at those."""
    return len(name), name


def encode(pixels, kind, **options):
    """Return a Pillow image as the bytes of a file, with nothing but pixels in it."""
    buffer = io.BytesIO()
    pixels.info = {}  # neither a profile nor a text of the file that it came from
    pixels.save(buffer, kind, **options)
    return buffer.getvalue()


def make_thumbnail(pixels, box):
    """Return a Pillow image as a JPEG that fits a box."""
    return encode(frames.shrink(pixels, box), "JPEG", quality=QUALITY)


def bytes_of(folder):
    """Return the bytes that the files below a folder take."""
    total = 0
    for path in Path(folder).rglob("*"):
        with contextlib.suppress(FileNotFoundError):  # a temporary file, just renamed
            total += path.lstat().st_size
    return total
