"""The trained networks that the page offers: files of one folder, known by name alone."""

import logging
from dataclasses import dataclass

from style_transfer import files
from style_transfer.feedforward import style_file

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Offer:
    """One style of a trained network, or a network for any style.

    Attributes:
        path: of the file, a `Path`.
        title: what people call it.
        index: of the style; None: the network is given a painting.
        count: of the styles that the network knows.
        thumbnail: of the style, a Pillow image; None: the network is given a painting.
    """

    path: object
    title: str
    index: int | None
    count: int
    thumbnail: object

    @property
    def blend(self):
        """How much of each style that the network knows; () for one that is given a painting."""
        if self.index is None or self.count == 1:
            return ()
        return tuple(float(each == self.index) for each in range(self.count))


def list_offers(folder):
    """List what the `.style` files of a folder can do, as `Offer` by name.

    The names are all that a browser is told, and all that is taken from it. A file that cannot be
    used is left out, with a line in the log.
    """
    offers = {}
    for path in sorted(folder.glob(f"*{style_file.SUFFIX}")):
        try:
            file = style_file.read(str(path))
        except files.FileError as error:
            log.warning("%s", error)
            continue
        label = files.printable(path.stem).replace("_", " ")
        if file.paints_any:
            offers[path.stem] = Offer(path, label, None, 0, None)
            continue
        for index, (name, picture) in enumerate(zip(file.names, file.thumbnails)):
            title = label if file.count == 1 else f"{label}: {name}"
            offers[f"{path.stem} {index + 1}"] = Offer(path, title, index, file.count, picture)
    return offers
