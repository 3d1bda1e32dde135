"""The process that paints what is ordered on the page, see `batches.desk`."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from style_transfer import files
from style_transfer.batches import desk
from style_transfer.feedforward import apply, models
from style_transfer.optimization import job as jobs
from style_transfer.optimization.events import Iterate, JobFailed
from style_transfer.runs import record as records
from style_transfer.runs.inputs import Inputs
from style_transfer.settings import Settings


@dataclass(frozen=True)
class Assignment:
    """What is to be painted.

    Attributes:
        id: of the order.
        is_instant: in one pass; else by optimization.
        inputs: paths of the pictures.
        settings: of the picture.
        folder: a `Path`; where it holds a run already, that is continued.
        model: path of the trained network of one pass, or None.
    """

    id: str
    is_instant: bool
    inputs: Inputs
    settings: Settings
    folder: Path
    model: str | None = None


class Desk(desk.Desk):
    """The worker's end of the pipe, on which what takes one pass may be taken first."""

    def take_instant(self):
        """Return an assignment of one pass, or None if there is none."""
        with self.arrival:
            found = next((each for each in self.waiting if each.is_instant), None)
            if found:
                self.waiting.remove(found)
            return found


class Workshop:
    """Paints, and keeps what several orders share: compiled steps, the network of one pass."""

    def __init__(self, desk):
        self.desk = desk
        self.engines = jobs.Engines()
        self.passes = {}  # what paints in one pass, by transform and trained network

    def paint(self, assignment):
        """Do an assignment; a pass that is asked for in the middle of a long one goes between."""
        for event in self.perform(assignment):
            self.desk.send(assignment.id, event)
            if isinstance(event, Iterate):
                while urgent := self.desk.take_instant():
                    self.paint(urgent)
        self.desk.stopped.discard(assignment.id)

    def perform(self, assignment):
        """Paint: a generator of events, the last of which is one of `desk.LAST`."""
        way = self.paint_instantly if assignment.is_instant else self.optimize
        try:
            yield from way(assignment)
        except jobs.FAILURES as error:
            yield JobFailed(assignment.id, explain(error))

    def paint_instantly(self, assignment):
        """Paint in one pass."""
        settings, inputs = assignment.settings, assignment.inputs
        model = models.read(assignment.model) if assignment.model else None
        if model and not model.paints_any:
            inputs = dataclasses.replace(inputs, styles=(model.picture(),))
        painter = apply.Painter(settings, model=model, overwrite=True)
        known = settings.transform, model and model.sha256
        painter.compute = self.passes.get(known)
        yield from painter.perform([apply.Task(inputs, assignment.folder / "result.png")])
        self.passes[known] = painter.compute

    def optimize(self, assignment):
        """Paint by optimization, from the start or from where it was."""
        folder, settings = assignment.folder, assignment.settings
        if (folder / records.NAME).exists():
            job = jobs.resume(folder, {"epochs": settings.epochs})
        else:
            job = jobs.Job(assignment.inputs, settings, folder)
        hooks = self.desk.hooks(assignment.id)
        yield from jobs.perform(job, self.engines, **hooks)


def serve(connection):
    """Paint what comes over a pipe, until it ends."""
    own = Desk(connection)
    own.open()
    workshop = Workshop(own)
    while True:
        workshop.paint(own.take())


def explain(error):
    """Say in a line why a painting failed; where the disk is full, what to do, and no path."""
    if isinstance(error, OSError) and error.errno in files.FULL:
        return f"{error.strerror}: free some space, then try again; what is painted is kept"
    return str(error)
