"""What an exploring command is to do, and what all of them share: a study in, events out.

Nothing here prints or exits, see `optimization.job`. TensorFlow is imported once the inputs are
known to be good.
"""

import dataclasses
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from style_transfer import files
from style_transfer.errors import ComputationError, SettingsError
from style_transfer.exploration.album import PAGE, Album
from style_transfer.networks.weights import Weights
from style_transfer.optimization import memory
from style_transfer.optimization.events import Drawn, Loading, Notice, Outlined, Saved, Saving
from style_transfer.optimization.failures import explain, smaller, tensorflow_errors
from style_transfer.optimization.preparation import check_unchanged, load_weights
from style_transfer.pictures import images
from style_transfer.runs import record as records
from style_transfer.settings import FIELDS, Settings


@dataclass(frozen=True)
class Study:
    """One exploring command.

    Attributes:
        command: its name.
        inputs: paths of pictures, by role.
        settings: size, network, weights, precision; what else there is in `Settings` is not used.
        choices: its own options, `choices.Choices`.
        folder: where it goes; None: only plan it.
        record: of the one that lies in `folder`, to be continued, or None.
    """

    command: str
    inputs: dict
    settings: Settings
    choices: Any
    folder: Path | None
    record: dict | None = None


@dataclass(frozen=True)
class Prepared:
    """What a study has before TensorFlow is needed.

    Attributes:
        pictures: `images.Picture`s by role.
        network: `Weights`.
        settings: of the study, `auto` decided.
    """

    pictures: dict
    network: Weights
    settings: Settings

    def for_layers(self, layers):
        """Return the settings of a network that ends at the deepest of these layers."""
        return dataclasses.replace(self.settings, content_layers=tuple(layers), style_layers=())

    def fit(self, picture):
        """Return (width, height) of a picture, within `--size`; refuse one too small."""
        settings = self.settings
        size = images.fitted_size(picture.pixels.size, settings.size, enlarge=settings.enlarge)
        images.check_sides(picture, size)
        return size

    def check_memory(self, size, layers):
        """Raise SettingsError if features of these layers, and a way back, do not fit."""
        settings = self.for_layers(layers)
        needed = memory.estimate(size, [], self.network.architecture, settings)
        there = memory.resident() + memory.available()
        if needed > there:
            width, height = size
            raise SettingsError(
                f"--size: {width}×{height} px need about {needed / 1e9:.1f} GB of memory, and "
                f"{there / 1e9:.1f} GB are there; {smaller(self.settings)}"
            )


class Explorer:
    """What explores: built from a `Study` and what is `Prepared`.

    Attributes:
        title: of its page.
        size: (width, height) of what it makes.
        result: name of the file that is the result.
        precision: what its convolutions compute in.
        svg: a drawing for the page, the text of an SVG; or nothing.
    """

    title, size, result, precision, svg = "", (0, 0), "sheet.png", "float32", ""

    def outline(self):
        """Return lines that say what will be done, with what."""
        raise NotImplementedError

    def explore(self, album, should_stop):
        """Make the pictures: a generator of events.

        Args:
            album: an `Album`; what lies there already is not made again.
            should_stop: asked between two pictures.

        Returns:
            (done, finished): how many there are, and whether these are all.
        """
        raise NotImplementedError

    def estimate(self):
        """Say, for a dry run, what it would cost: a generator of events."""
        yield from ()

    def list_grids(self, _album):
        """Return what the page shows: from the name of a sheet's file to its `page.Grid`."""
        return {}


class Progress:
    """How many pictures are done, and how long the others will take.

    Args:
        count: of all pictures.
        done: before.
    """

    def __init__(self, count, done=0):
        self.count, self.done, self.before = count, done, done
        self.began = time.monotonic()

    def add(self, count, label):
        """Count pictures that are done; return the event that tells it."""
        self.done += count
        seconds = (time.monotonic() - self.began) / (self.done - self.before)
        return Drawn(self.done, self.count, label, seconds * (self.count - self.done))


def time_call(function):
    """Return the seconds that a function takes; the first call, which may compile it, is free."""
    function()
    began = time.perf_counter()
    function()
    return time.perf_counter() - began


def perform(study, *, should_stop=lambda: False, downloading=None):
    """Explore: a generator of events, see `optimization.events`, that works between them.

    Args:
        should_stop: asked between two pictures; if it says so, the study ends there and then, and
            can be continued.
        downloading: see `job.perform`.

    Raises:
        files.FileError: a file cannot be used.
        SettingsError: the options do not fit the inputs, the network or the memory.
        ComputationError: the memory ran out, or the device failed.
        OSError: a file could not be written.
    """
    try:
        prepared = yield from prepare(study, downloading)
        explorer = yield from build(study, prepared)
        yield Outlined(explorer.outline())
        if study.folder is None:
            yield from explorer.estimate()
        else:
            yield from explore(study, prepared, explorer, should_stop)
    except MemoryError as error:
        raise ComputationError(f"the memory ran out; {smaller(study.settings)}") from error
    except tensorflow_errors() as error:
        raise explain(error, study.settings) from error


def prepare(study, downloading):
    """Read the pictures and the weights: a generator of events that returns `Prepared`."""
    pictures = {role: images.load(path) for role, path in study.inputs.items()}
    for picture in pictures.values():
        yield from map(Notice, picture.notices)
    settings = study.settings
    network = load_weights(settings.weights, settings, downloading)
    if study.record:
        check_unchanged(study.record, pictures, network)
    if settings.weights == "auto":
        settings = dataclasses.replace(settings, weights=network.source)
    return Prepared(pictures, network, settings)


def build(study, prepared):
    """Load TensorFlow and build the `Explorer`: a generator of events that returns it."""
    if "tensorflow" not in sys.modules:
        yield Loading()
    from style_transfer.exploration.channels import Channels
    from style_transfer.exploration.dreams import choose_explorer
    from style_transfer.exploration.features import Features
    from style_transfer.exploration.graph import Graph
    from style_transfer.exploration.reconstruction import Reconstruction
    from style_transfer.optimization.device import find_device

    if notice := find_device().notice:
        yield Notice(notice)
    explorers = {
        "features": Features,
        "reconstruct": Reconstruction,
        "dream": choose_explorer,
        "channels": Channels,
        "model": Graph,
    }
    return explorers[study.command](study, prepared)


def explore(study, prepared, explorer, should_stop):
    """Make the pictures, their sheets and the page; see `perform`."""
    record = study.record or make_record(study, prepared, explorer)
    begin = Album if study.record else Album.create
    with begin(study.folder, record) as album:
        done, finished = yield from explorer.explore(album, should_stop)
        yield Saving()
        write_reports(album, study, explorer)
        album.save_record(finished=finished, pictures_done=done)
        result = album.path(explorer.result)
        yield Saved(album.folder, result, finished, done, study.command, "pictures")


def make_record(study, prepared, explorer):
    """Return the record of a study."""
    from style_transfer.optimization.device import find_device

    return records.make_record(
        prepared.settings,
        prepared.pictures,
        prepared.network,
        explorer.size,
        device=find_device().name,
        precision=explorer.precision,
        terms=[],
        command=study.command,
        choices=dataclasses.asdict(study.choices),
    )


def write_reports(album, study, explorer):
    """Write a sheet for each grid, and the page of all."""
    from style_transfer.reports import page, provenance, sheet

    grids = explorer.list_grids(album)
    for name, grid in grids.items():
        last = {place: paths[-1] for place, paths in grid.cells.items() if paths}
        labels = {"title": grid.title, "rows": grid.rows, "columns": grid.columns}
        captions = {"captions": grid.captions, "absent": grid.absent, "note": grid.note}
        sheet.draw(album.path(name), cells=last, **labels, **captions)
    record = album.record
    # What has the name of a setting is among them.
    fields = [each for each in dataclasses.fields(study.choices) if each.name not in FIELDS]
    own = [(each, getattr(study.choices, each.name)) for each in fields]
    page.write_grids(
        album.path(PAGE),
        title=explorer.title,
        summary=f"{record['weights']['name']}, {' × '.join(map(str, record['size']))} px",
        grids=list(grids.values()),
        record=record,
        command=provenance.list_words(record, own),
        svg=explorer.svg,
    )


def resume(folder, command, kind):
    """Return the `Study` that continues the one in a folder.

    Args:
        folder: a `Path`.
        command: what it must have been made by.
        kind: class of its `choices`.

    Raises:
        files.FileError: the folder holds none that can be continued.
    """
    record, settings = records.read_folder(folder)
    if record.get("command") != command:
        maker = record.get("command", "paint")
        remedy = f"try: main.py {maker} --resume"
        raise files.FileError(folder, f"was not made by {command}", remedy)
    choices = kind.from_json(record["choices"])
    inputs = {
        role: records.locate(record, each["path"], role, records.is_local)
        for role, each in record["inputs"].items()
    }
    source = records.locate_weights(record, is_trusted=records.is_local)
    settings = dataclasses.replace(settings, weights=source)
    return Study(command, inputs, settings, choices, folder, record)
