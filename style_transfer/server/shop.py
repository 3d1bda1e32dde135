"""The trained networks that the page offers: files of one folder, known by name alone."""

import contextlib
import logging
import threading
from dataclasses import dataclass

from style_transfer import files
from style_transfer.feedforward import models, style_file

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Offer:
    """One style of a trained network, or a network for any style.

    Attributes:
        path: of the file, a `Path`.
        sha256: of the file.
        title: what people call it.
        index: of the style; None: the network is given a painting.
        count: of the styles that the network knows.
        thumbnail: of the style, a Pillow image; None: the network is given a painting.
    """

    path: object
    sha256: str
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


class Shop:
    """What the `.style` files of a folder can do; those that come later are seen, too.

    Args:
        folder: a `Path`; it need not be there yet.
    """

    def __init__(self, folder):
        self.folder = folder
        self.lock = threading.Lock()
        self.known = {}  # what each file has to offer, by its path, time and size

    def offers(self):
        """Return `Offer` by name.

        The names are all that a browser is told, and all that is taken from it. A file that cannot
        be used is left out, with a line in the log.
        """
        with self.lock:
            there = sorted(self.folder.glob(f"*{style_file.SUFFIX}"))
            states = [(path, stat.st_mtime_ns, stat.st_size) for path, stat in look_at(there)]
            known = self.known
            self.known = {each: known[each] if each in known else read(each[0]) for each in states}
            return {name: each for found in self.known.values() for name, each in found.items()}


def recognize(offers, record, blend):
    """Return the name of the `Offer` that painted a picture; nothing if no trained network did.

    Args:
        offers: by name.
        record: of the picture, see `runs.record`.
        blend: its shares of the styles that the network knows.

    Raises:
        LookupError: it was a network, or a mixture of its styles, that is not offered here.
    """
    name = record.get("model") or record["inputs"]["style"]["path"]
    if not models.is_model(name):
        return ""
    shown = files.printable(name.replace("\\", "/").rpartition("/")[2])
    network = record["weights"]["sha256"]
    own = {each: offer for each, offer in offers.items() if offer.sha256 == network}
    if not own:
        raise LookupError(
            f"It was made with the network {shown}, which is not offered here: put the file into "
            "the folder that web --models names, and drop the picture again."
        )
    chosen = [index for index, share in enumerate(blend) if share] or [0]
    for each, offer in own.items():
        if offer.index is None or [offer.index] == chosen:
            return each
    raise LookupError(f"It mixes styles of the network {shown}: only the command line does that.")


def look_at(paths):
    """List (path, what the system knows of it) of files; one that has just gone is left out."""
    found = []
    for path in paths:
        with contextlib.suppress(FileNotFoundError):
            found.append((path, path.stat()))
    return found


def read(path):
    """Return what a file has to offer, as `Offer` by name; nothing if it cannot be used."""
    try:
        file = style_file.read(str(path))
    except files.FileError as error:
        log.warning("%s", error)
        return {}
    label = files.printable(path.stem).replace("_", " ")
    if file.paints_any:
        return {path.stem: Offer(path, file.sha256, label, None, 0, None)}
    offers = {}
    for index, (name, picture) in enumerate(zip(file.names, file.thumbnails)):
        title = label if file.count == 1 else f"{label}: {name}"
        values = path, file.sha256, title, index, file.count, picture
        offers[f"{path.stem} {index + 1}"] = Offer(*values)
    return offers
