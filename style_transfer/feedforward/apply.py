"""Pictures in, pictures out, one pass each: from paths to finished files, as events.

Nothing here prints or exits, see `optimization.job`. TensorFlow is imported once the first inputs
are known to be good.
"""

import dataclasses
import json
import math
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from style_transfer import files
from style_transfer.errors import ComputationError, SettingsError
from style_transfer.feedforward import models, style_file, watch
from style_transfer.feedforward.used import USED
from style_transfer.networks import instant
from style_transfer.optimization import room
from style_transfer.optimization.events import JobSkipped, Loading, Notice, Painted
from style_transfer.optimization.failures import explain, smaller, tensorflow_errors
from style_transfer.optimization.job import perform_each
from style_transfer.optimization.preparation import UNCHANGED, choose_sizes, load_pictures
from style_transfer.pictures import images, profiles
from style_transfer.runs import record as records
from style_transfer.runs.inputs import Inputs, flag


@dataclass(frozen=True)
class Task:
    """One picture to paint.

    Attributes:
        inputs: paths of the pictures; an `images.Picture` in place of a path is taken as it is.
        output: path of the PNG or TIFF; None: the bytes of a PNG go into the event.
        record: of a picture that was made from the same inputs, or None.
    """

    inputs: Inputs
    output: Path | None
    record: dict | None = None

    @property
    def label(self):
        """What people call it."""
        return files.printable(Path(self.content).stem)

    @property
    def content(self):
        """The path of the content."""
        return getattr(self.inputs.content, "path", self.inputs.content)


class Painter:
    """Paints pictures with the same settings; the network is built for the first of them.

    Args:
        settings: a `Settings`.
        model: the `style_file.StyleFile` of a trained network; None: any style, by `instant`.
        overwrite: replace a picture that is there.

    Raises:
        SettingsError: the trained network cannot do what the settings ask for.
    """

    #: Told the share of a pass in blocks that is done; the painter itself can be pickled.
    progress = staticmethod(lambda share: None)

    def __init__(self, settings, *, model=None, overwrite=False):
        if model:
            style_file.check_settings(settings, model)
        self.settings, self.model, self.overwrite = settings, model, overwrite
        self.compute = None  # what `build` returns
        self.shared = {}  # pictures of styles and their masks, by path

    def perform(self, tasks, *, should_stop=lambda: False, downloading=None):
        """Paint pictures: a generator of events; of several, one that fails is an event, too.

        Args:
            should_stop, downloading: see `job.perform`; nothing is downloaded.

        Raises:
            files.FileError: a file cannot be used.
            SettingsError: the settings do not fit the inputs or the memory.
            ComputationError: the memory ran out.
            OSError: a file could not be written.
        """
        if len(tasks) == 1:
            yield from self.paint(*tasks)
        else:
            yield from perform_each(tasks, self.paint, should_stop=should_stop)

    def perform_one(self, task, **_hooks):
        """Paint one picture, see `paint`: a pass is too short to be asked anything."""
        return self.paint(task)

    def estimate_memory(self, task):
        """Estimate the bytes that a picture takes in a process of its own; raise as `paint`."""
        pictures = load_pictures(task.inputs, self.settings, self.read)
        return estimate_memory(pictures, choose_sizes(pictures, self.settings))

    def paint(self, task):
        """Paint one picture, unless the same is there already."""
        pictures = self.load(task.inputs)
        for _, picture in pictures.items():
            yield from map(Notice, picture.notices)
        sizes = choose_sizes(pictures, self.settings)
        check_memory(pictures, sizes, self.settings)
        record = make_record(self.settings, pictures, sizes, self.model)
        if task.record:
            check_unchanged(task.record, record, find_source(self.settings, self.model).path)
        if task.output and task.output.exists() and not self.overwrite:
            check_same(task.output, record)
            yield JobSkipped(task.label, task.output, task.content, sizes.content)
            return
        try:
            self.compute = self.compute or (yield from build(self.settings, self.model))
            began = time.perf_counter()
            with watch.watching(self.progress):
                image = self.compute(pictures, sizes, self.settings)
            seconds = time.perf_counter() - began
        except MemoryError as error:
            raise ComputationError(f"the memory ran out; {smaller(self.settings)}") from error
        except tensorflow_errors() as error:
            raise explain(error, self.settings) from error
        data = self.write(task, image, pictures.content, record)
        yield Painted(task.content, task.output, sizes.content, seconds, data)

    def load(self, inputs):
        """Load the pictures of a task; the styles and masks that all share are read once."""
        read = load_pictures(inputs, self.settings, self.read)
        kept = zip((*inputs.styles, *inputs.style_masks), (*read.styles, *read.style_masks))
        profile = read.content.profile
        self.shared = {(path, profile): each for path, each in kept if not is_read(path)}
        return read

    def read(self, path, *, keeps=False, profile=None):
        """Read a picture, unless that was done before."""
        if is_read(path):
            return path
        known = None if keeps else self.shared.get((path, profile))
        return known or images.load(path, keeps=keeps, profile=profile)

    def write(self, task, image, photo, record):
        """Write a picture, where it is to be a file; return its bytes."""
        options = profiles.describe_result(photo, self.settings)
        suffix = task.output.suffix if task.output else images.SUFFIXES[0]
        data = images.encode(image, suffix, texts=records.texts(record), **options)
        if task.output:
            task.output.parent.mkdir(parents=True, exist_ok=True)
            files.write(task.output, data)
        return data


def clean(tasks):
    """Remove what processes that were killed left in the folders of tasks."""
    for folder in {task.output.parent for task in tasks if task.output}:
        files.remove_temporary(folder, is_shared=True)


def build(settings, model):
    """Load TensorFlow and build what paints: a generator of events.

    Returns:
        A function from (pictures, sizes, settings) to an image.
    """
    if "tensorflow" not in sys.modules:
        yield Loading()
    from style_transfer.optimization import material
    from style_transfer.optimization.device import find_device
    from style_transfer.pictures import large

    device = find_device()
    if device.notice:
        yield Notice(device.notice)
    with device.scope():
        network = load_network(settings, model)

    def compute(pictures, sizes, settings):
        # The shares of the styles that a network knows are not those of the pictures.
        has_own = model and not model.paints_any
        own = dataclasses.replace(settings, blend=()) if has_own else settings
        left, take = find_left(pictures, sizes, settings), images.to_tensor
        if left:  # it goes in blocks
            settings = dataclasses.replace(settings, memory=f"{left / 1e6:.0f}MB")
            take = large.Photo
        with device.scope():
            ready = material.prepare(pictures, sizes, own, take=take)
            return ready.show(network.paint(ready, settings))

    return compute


def load_network(settings, model):
    """Return what paints: a trained network, or one for any style."""
    from style_transfer.feedforward import instant, trained

    return trained.Network(model) if model else instant.load_network(settings.transform)


def is_read(value):
    """Tell whether an input is a picture already, and no path of one."""
    return isinstance(value, images.Picture)


def make_record(settings, pictures, sizes, model):
    """Return what determines a picture, see `runs.record`.

    A trained network is its style; one for any style, which is given one, is named beside it.
    """
    source = find_source(settings, model)
    computed = {"device": "", "precision": "float32", "terms": [], "command": "apply"}
    if model and model.paints_any:
        computed["model"] = str(model.path)
    return records.make_record(settings, pictures, source, sizes.content, **computed)


def find_source(settings, model):
    """Return the `instant.Source` of what paints."""
    if model is None:
        return instant.identify(settings.transform)
    name = f"trained network ({files.printable(Path(model.path).name)})"
    return instant.Source(name, model.path, model.sha256)


def find_left(pictures, sizes, settings):
    """Return the bytes for a pass in blocks, beside the files' pixels; None: it goes at once."""
    budget = room.find_budget(settings.memory)
    if room.choose_pass_block(list_sizes(sizes), budget) == math.inf:
        return None
    return budget - count_beside(pictures, sizes)


def estimate_memory(pictures, sizes):
    """Estimate the least memory that a pass takes, in bytes, see `room.estimate_pass`."""
    every = list_sizes(sizes)
    at_once = room.estimate_pass(every, math.inf)
    return min(at_once, room.estimate_pass(every) + count_beside(pictures, sizes))


def count_beside(pictures, sizes):
    """Count the bytes of the pictures as they were read, and what 16 bits take beside 8."""
    total = 0
    for (_, picture), (_, size) in zip(pictures.items(), sizes.items()):
        if picture.pixels.size == size:  # which are painted as they are
            total += picture.nbytes - room.PHOTO_BYTES * math.prod(size)
        else:
            total += picture.nbytes + (0 if picture.deep is None else 2) * math.prod(size)
    return total


def list_sizes(sizes):
    """List (width, height) of the photo first, then of all other pictures."""
    return [size for _, size in sizes.items()]


def check_memory(pictures, sizes, settings):
    """Raise SettingsError if a pass would need more memory than there is.

    What does not fit at once goes in blocks.
    """
    needed, budget = estimate_memory(pictures, sizes), room.find_budget(settings.memory)
    if needed > budget:
        width, height = sizes.content
        left = budget - count_beside(pictures, sizes)
        side = room.largest_pass_side(list_sizes(sizes), left)
        free = "free" if settings.memory == "auto" else "given"
        remedy = f"--size {side} would fit" if side else "no size would fit; free some memory"
        raise SettingsError(
            f"--size: {width}×{height} px need about {needed / 1e9:.1f} GB of memory, and "
            f"{budget / 1e9:.1f} GB are {free}; {remedy}"
        )


def check_unchanged(then, now, path):
    """Raise FileError if what a recorded picture was made from is no longer what it was."""
    if then["weights"]["sha256"] != now["weights"]["sha256"]:
        reason = "are other weights than that picture was made with"
        raise files.FileError(path, reason, "use the version that made it")
    for role, each in now["inputs"].items():
        if each["sha256"] != then["inputs"][role]["sha256"]:
            raise files.FileError(each["path"], "has changed since that picture", UNCHANGED)


def check_same(path, record):
    """Raise FileError if a file is not the picture that a record would give."""
    remedy = "choose another --output, or add --overwrite"
    try:
        there, _ = records.read_image(path)
    except files.FileError:
        raise files.FileError(path, "is there already", remedy) from None
    if identify(there) != identify(json.loads(json.dumps(record))):
        raise files.FileError(path, "is there, made from other settings or pictures", remedy)


def identify(record):
    """Return what tells one picture from another: of the settings, those that a pass uses."""
    settings = {name: record["settings"].get(name) for name in USED}
    return records.fingerprint(record | {"settings": settings})


def repeat(image, given, output):
    """Return (settings, task, model) that make a picture again, by the record in it.

    Args:
        image: path of a PNG that `apply` made.
        given: paths by role that the user names instead of the record's.
        output: of the `Task`.

    Raises:
        files.FileError: the picture has no record, or one of another command.
        SettingsError: a role is none of that picture.
    """
    record, settings = records.read_image(image)
    if record.get("command") != "apply":
        raise files.FileError(
            image, "was not made by apply", "leave out apply: main.py --from-image"
        )
    for role in given.keys() - {*record["inputs"], *record.keys() & {"model"}}:
        raise SettingsError(f"--from-image: that picture had no {role}; leave out {flag(role)}")
    inputs = records.locate_inputs(record, given, is_trusted=records.is_below_home)
    model = None
    if record.get("model"):
        model = models.read(records.locate_model(record, given, is_trusted=records.is_below_home))
    elif models.is_model(str(inputs.styles[0])):
        model = models.read(str(inputs.styles[0]))
        inputs = dataclasses.replace(inputs, styles=(model.picture(),))
    return settings, Task(inputs, output, record), model
