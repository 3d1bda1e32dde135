"""What a person asked for and what became of it: `job.json`, in the folder of its run."""

import dataclasses
import json
import logging
import re
from dataclasses import dataclass, field

from style_transfer import files
from style_transfer.errors import SettingsError
from style_transfer.settings import FIELDS, Settings

NAME = "job.json"
INSTANT, PAINTED = WAYS = ("instant", "painted")
WAITING, RUNNING, FINISHED, STOPPED, FAILED = STATES = (
    "waiting",
    "running",
    "finished",
    "stopped",
    "failed",
)
ENDED = (FINISHED, STOPPED, FAILED)
IDENTITY = re.compile(r"[0-9]{8}-[0-9]{6}-[0-9a-f]{6}")  # of an order: when it came, and chance
PICTURE = re.compile(r"[0-9a-f]{16}")  # of a picture: the beginning of its SHA-256

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Order:
    """One picture that somebody wants.

    Attributes:
        id: as of `IDENTITY`; the name of its folder.
        way: `instant` or `painted`.
        content: of the photo, as of `PICTURE`.
        styles: of the paintings.
        names: what people call the photo and the paintings, in that order.
        settings: of the picture.
        created: seconds since 1970.
        place: in the queue; the smaller, the sooner.
        state: one of `STATES`.
        error: why it failed.
        notices: what the user should know, a line each.
        seconds: that it took, over all sessions; None: not known yet.
        model: name of the `shop.Offer` that paints; or nothing.
        mask: of the regions of the photo, as of `PICTURE`; or nothing.
    """

    id: str
    way: str
    content: str
    styles: tuple[str, ...]
    names: tuple[str, ...]
    settings: Settings
    created: float
    place: float = 0.0
    state: str = WAITING
    error: str = ""
    notices: tuple[str, ...] = field(default=())
    seconds: float | None = None
    model: str = ""
    mask: str = ""

    @property
    def title(self):
        """What people call it."""
        return f"{self.names[0]} in the style of {' and '.join(self.names[1:])}"

    @property
    def init(self):
        """The picture that it starts from, as of `PICTURE`; nothing for what is no picture."""
        return self.settings.init if PICTURE.fullmatch(self.settings.init) else ""

    @property
    def pictures(self):
        """All pictures that it needs."""
        return (self.content, *self.styles, *filter(None, (self.init, self.mask)))

    @property
    def has_ended(self):
        """Whether nothing is to be done for it now."""
        return self.state in ENDED


def write(folder, order):
    """Write `job.json` into the folder of an order, whole or not at all."""
    text = json.dumps(dataclasses.asdict(order), indent=2)
    files.write_text(folder / NAME, text + "\n")


def read(folder):
    """Return the `Order` of a folder, or None, with a line in the log, if its file is damaged."""
    path = folder / NAME
    try:
        return parse(json.loads(files.read(path, remedy="remove the folder")), folder.name)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        log.warning("%s is left out: %s", path, error)
        return None


def parse(values, identity):
    """Make an `Order` of what `job.json` holds; raise all kinds of errors for what it cannot be."""
    lists = {name: tuple(map(str, values[name])) for name in ("styles", "names", "notices")}
    settings = {
        name: tuple(each) if isinstance(each, list) else each
        for name, each in values["settings"].items()
        if name in FIELDS
    }
    order = Order(**values | lists | {"settings": Settings(**settings)})
    pictures = order.pictures
    if order.id != identity or order.way not in WAYS or order.state not in STATES:
        raise ValueError("it is no job of this folder")
    if not all(PICTURE.fullmatch(each) for each in pictures) or not order.styles:
        raise ValueError("it names no pictures")
    if len(order.names) != 1 + len(order.styles):
        raise SettingsError("its pictures have no names")
    return order
