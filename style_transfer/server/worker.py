"""The process that paints: TensorFlow is loaded at once, orders come over a pipe, events go back.

Its main thread paints; another one listens. Where the pipe ends, the server is gone, and this
process ends as well, in the middle of whatever it does: a run goes on from its checkpoint.
"""

import dataclasses
import os
import threading
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from style_transfer import files
from style_transfer.feedforward import apply, models
from style_transfer.optimization import job as jobs
from style_transfer.optimization.events import Iterate, JobFailed, Painted, Saved
from style_transfer.runs import record as records
from style_transfer.runs.inputs import Inputs
from style_transfer.settings import Settings

LAST = (Saved, Painted, JobFailed)  # the events that end an assignment


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


@dataclass(frozen=True)
class Stop:
    """The painting of an order is to end after its step, with a picture."""

    id: str


@dataclass(frozen=True)
class Ready:
    """TensorFlow is loaded."""


@dataclass(frozen=True)
class Downloading:
    """Weights are downloaded: bytes so far, and bytes in all or None."""

    done: int
    total: int | None


class Desk:
    """The worker's end of the pipe."""

    def __init__(self, connection):
        self.connection = connection
        self.waiting = deque()
        self.arrival = threading.Condition()
        self.stopped = set()  # ids

    def listen(self):
        """Take in what comes, until the server is gone."""
        while True:
            try:
                message = self.connection.recv()
            except (EOFError, OSError):
                os._exit(0)  # nothing is lost: each file on the disk is whole
            with self.arrival:
                if isinstance(message, Stop):
                    self.stopped.add(message.id)
                else:
                    self.waiting.append(message)
                    self.arrival.notify()

    def take(self):
        """Wait for an assignment, and return it."""
        with self.arrival:
            self.arrival.wait_for(lambda: self.waiting)
            return self.waiting.popleft()

    def take_instant(self):
        """Return an assignment of one pass, or None if there is none."""
        with self.arrival:
            found = next((each for each in self.waiting if each.is_instant), None)
            if found:
                self.waiting.remove(found)
            return found

    def send(self, identity, event):
        """Tell the server an event, without its pixels: those lie in files."""
        self.connection.send((identity, slim(event)))


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
        """Paint: a generator of events, the last of which is one of `LAST`."""
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

        def downloading(done, total):
            self.desk.send(assignment.id, Downloading(done, total))

        def should_stop():
            return assignment.id in self.desk.stopped

        hooks = {"should_stop": should_stop, "downloading": downloading}
        yield from jobs.perform(job, self.engines, **hooks)


def serve(connection):
    """Paint what comes over a pipe, until it ends."""
    desk = Desk(connection)
    threading.Thread(target=desk.listen, daemon=True).start()
    load()
    desk.send(None, Ready())
    workshop = Workshop(desk)
    while True:
        workshop.paint(desk.take())


def load():
    """Load TensorFlow, which takes some seconds: while the user still chooses."""
    import tensorflow  # noqa: F401

    from style_transfer.feedforward import universal  # noqa: F401
    from style_transfer.optimization import transfer  # noqa: F401


def explain(error):
    """Say in a line why a painting failed; where the disk is full, what to do, and no path."""
    if isinstance(error, OSError) and error.errno in files.FULL:
        return f"{error.strerror}: free some space, then try again; what is painted is kept"
    return str(error)


def slim(event):
    """Return an event without its pixels."""
    if isinstance(event, Iterate):
        return dataclasses.replace(event, image=None)
    return dataclasses.replace(event, data=b"") if isinstance(event, Painted) else event
