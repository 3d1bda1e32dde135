"""Where an order stands, for the page: what is happening, epoch, losses, seconds left."""

import functools
from dataclasses import dataclass, field

import numpy as np

from style_transfer import files
from style_transfer.batches.desk import Downloading
from style_transfer.optimization import events
from style_transfer.reports.frames import choose
from style_transfer.runs import losses

POINTS = 160  # of a curve, at most
PREPARING, PAINTING, SAVING = "preparing", "painting", "saving"


@dataclass
class Progress:
    """What the worker has told of an order so far.

    Attributes:
        folder: of the run.
        phase: what is happening, for people.
        epoch, step: done.
        epochs, steps: in all.
        seconds_left: estimated, or None.
        pace: seconds a step takes, or None.
        terms: names of the losses.
        rows: a list of a number for each term and the total, for each step.
        began: when it was handed to the worker, by `time.monotonic`.
        heard: how many events it took.
        told: what a page was told last: what that depends on, the answer, its fingerprint; or None.
    """

    folder: object
    phase: str = PREPARING
    epoch: int = 0
    step: int = 0
    epochs: int = 0
    steps: int = 0
    seconds_left: float | None = None
    pace: float | None = None
    terms: tuple = ()
    rows: list = field(default_factory=list)
    began: float = 0.0
    heard: int = 0
    told: tuple | None = None

    def take(self, event):
        """Take in an event of the worker; what is not shown is passed over."""
        self.note(event)
        self.heard += 1

    @functools.singledispatchmethod
    def note(self, _event):
        """Change by an event."""

    @note.register
    def _(self, _event: events.Loading):
        self.phase = "TensorFlow is being loaded"

    @note.register
    def _(self, event: Downloading):
        size = f" of {event.total / 1e6:.0f}" if event.total else ""
        self.phase = f"downloading the weights: {event.done / 1e6:.0f}{size} MB"

    @note.register
    def _(self, planned: events.Planned):
        self.phase = PAINTING
        self.terms, self.seconds_left = planned.terms, planned.seconds
        self.epochs = planned.settings.epochs
        self.steps = self.epochs * planned.settings.steps
        self.step = planned.steps_done
        self.epoch = planned.steps_done // planned.settings.steps
        if planned.steps_done:
            self.rows = read_rows(self.folder)[: planned.steps_done + 1]

    @note.register
    def _(self, iterate: events.Iterate):
        self.epoch, self.step = iterate.epoch, iterate.step
        self.seconds_left = iterate.seconds_left
        self.pace = iterate.seconds_per_step or self.pace
        self.rows += np.column_stack([iterate.losses, iterate.totals]).tolist()

    @note.register
    def _(self, _event: events.Saving):
        self.phase, self.seconds_left = SAVING, None


def read_rows(folder):
    """Return the losses that lie in the folder of a run, as the `rows` of `Progress`."""
    try:
        table = losses.read(folder / "losses.csv")
    except files.FileError:  # none yet
        return []
    return np.column_stack([table.values, table.totals]).tolist()


def draw_curve(rows, step):
    """Return the points of the curve of the total loss.

    Args:
        rows: of `Progress`.
        step: of the last row.

    Returns:
        A list of [step, total], at most `POINTS` long.
    """
    first = step - len(rows) + 1
    chosen = choose(range(len(rows)), POINTS)
    return [[first + index, float(f"{rows[index][-1]:.4g}")] for index in chosen]
