"""What a batch or a sweep is to do: jobs, each with a label and its place in a sheet."""

import dataclasses
import glob
import itertools
from dataclasses import dataclass
from pathlib import Path

from style_transfer import storage
from style_transfer.errors import SettingsError
from style_transfer.optimization.job import Job
from style_transfer.pictures import images
from style_transfer.runs.folder import OUTPUT
from style_transfer.runs.inputs import Inputs
from style_transfer.settings import FIELDS


@dataclass(frozen=True)
class Axis:
    """What is varied.

    Attributes:
        label: as people know it, such as `beta`; of pictures, `content` or `style`.
        name: of the setting; None for pictures.
        values: at least one.
    """

    label: str
    name: str | None
    values: tuple

    def label_of(self, value):
        """Write a value for a label: `beta 10`, or the name of a picture."""
        return f"{self.label} {shortest(value, self.values)}" if self.name else Path(value).stem


@dataclass(frozen=True)
class Entry:
    """A job of a batch: its label, and its place in the sheet."""

    label: str
    job: Job
    row: int = 0
    column: int = 0

    @property
    def content(self):
        """The path of its content."""
        return self.job.inputs.content


@dataclass(frozen=True)
class Sheet:
    """What a sweep is to do: its entries, and the labels of its rows and columns."""

    rows: list
    columns: list
    entries: list


def shortest(value, values):
    """Write a number as shortly as it can still be told from the others."""
    for digits in range(6, 17):
        text = f"{value:.{digits}g}"
        if all(f"{each:.{digits}g}" != text for each in values if each != value):
            return text
    return repr(value)


def expand(paths):
    """Return the pictures that paths, folders and patterns such as `*.jpg` mean, or addresses."""
    found = []
    for path in paths:
        is_there = storage.is_address(path) or Path(path).exists()
        matches = [path] if is_there else sorted(glob.glob(path))
        found += [each for match in matches or [path] for each in images.expand(match)]
    return tuple(found)


def sweep(contents, styles, init, settings, values, folder, wanted=None):
    """List the runs of a sweep.

    Args:
        contents, styles: paths of pictures, each of which is combined with each.
        init: path of a picture to start all from, or None.
        settings: those that are not varied.
        values: from name of a setting to its values.
        folder: of the sweep.
        wanted: `extras` and `keep` of each job, by name.

    Returns:
        A `Sheet`.

    Raises:
        SettingsError: two runs would have one name.
    """
    axes = [Axis("content", None, contents), Axis("style", None, styles)]
    axes += [Axis(label_of_setting(name), name, several) for name, several in values.items()]
    varied = [axis for axis in axes if len(axis.values) > 1]
    rows, columns = map(combine_labels, (varied[:-1], varied[-1:]))
    entries = []
    for number, combination in enumerate(itertools.product(*(axis.values for axis in axes))):
        chosen = list(zip(axes, combination))
        texts = [axis.label_of(value) for axis, value in chosen if axis in varied]
        changes = {axis.name: value for axis, value in chosen if axis.name}
        inputs = Inputs(combination[0], (combination[1],), init=init)
        place = folder / ("_".join(texts).replace(" ", "-") or "run")
        job = Job(inputs, dataclasses.replace(settings, **changes), place, **(wanted or {}))
        entries.append(Entry(", ".join(texts), job, *divmod(number, len(columns))))
    check_names(entries)
    return Sheet(rows, columns, entries)


def label_of_setting(name):
    """Return what people call a setting: its first flag, without dashes."""
    return FIELDS[name].metadata["flags"][0].removeprefix("--").replace("-", " ")


def combine_labels(axes):
    """Write a label for each combination of the values of axes."""
    labels = [[axis.label_of(value) for value in axis.values] for axis in axes]
    return [", ".join(texts) for texts in itertools.product(*labels)]


def batch(contents, inputs, settings, folder, wanted=None):
    """List the runs of several contents with the same settings, each in a folder of its own.

    Args:
        contents: paths.
        inputs: `Inputs`, whose content each of them takes the place of.
        folder: of the batch.

    Raises:
        SettingsError: two runs would have one name.
    """
    entries = []
    for content in contents:
        stem = Path(content).stem
        its_inputs = dataclasses.replace(inputs, content=content)
        entries.append(Entry(stem, Job(its_inputs, settings, folder / stem, **(wanted or {}))))
    check_names(entries)
    return entries


def select(entries, shard):
    """Return the part of a list that one of several machines does.

    Every N-th of them, so that the parts of a long list, and of rows of a sweep, are alike.

    Args:
        entries: a list, the same on all machines.
        shard: (number, count), counted from 1; None: all.
    """
    if shard is None:
        return entries
    number, count = shard
    return entries[number - 1 :: count]


def check_names(entries):
    """Raise SettingsError if two runs would go to one folder."""
    seen = set()
    for folder in (entry.job.folder for entry in entries):
        if folder in seen:
            raise SettingsError(f"two runs would be called {folder.name}; rename a picture")
        seen.add(folder)


def batch_folder(inputs):
    """Return the folder of a batch where none is named."""
    return OUTPUT / f"batch-{Path(inputs.styles[0]).stem}"


def sweep_folder(contents, styles):
    """Return the folder of a sweep where none is named."""
    return OUTPUT / f"sweep-{Path(contents[0]).stem}-{Path(styles[0]).stem}"
