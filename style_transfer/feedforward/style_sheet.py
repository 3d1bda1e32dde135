"""One photo in every style that a trained network knows, as a labelled sheet."""

import dataclasses
import tempfile
import time
from pathlib import Path

from style_transfer.feedforward.apply import Painter, Task
from style_transfer.optimization.events import JobStarted, Painted
from style_transfer.reports import frames, sheet

COLUMNS = ("painting", "photo")


def perform(task, settings, model, *, should_stop=lambda: False, downloading=None):
    """Paint a photo in each style and draw the sheet: a generator of events.

    Args:
        task: an `apply.Task`; its output is the sheet.
        settings: a `Settings`; its blend does not count.
        model: a `style_file.StyleFile`.
        should_stop, downloading: see `job.perform`; nothing is downloaded.

    Raises:
        as `apply.Painter.perform`.
    """
    began, compute, cells = time.perf_counter(), None, {}
    with tempfile.TemporaryDirectory() as folder:
        for row, name in enumerate(model.names):
            if should_stop():
                return
            yield JobStarted(row + 1, model.count, name)
            shares = tuple(float(each == row) for each in range(model.count))
            painter = Painter(dataclasses.replace(settings, blend=shares), model=model)
            painter.compute = compute  # built for the first of them
            cells[row, 1] = Path(folder, f"{row}-photo.png")
            for event in painter.paint(Task(task.inputs, cells[row, 1])):
                if not isinstance(event, Painted):
                    yield event
            compute = painter.compute
            cells[row, 0] = Path(folder, f"{row}-painting.png")
            model.thumbnails[row].save(cells[row, 0])
        draw(task, model, cells)
    seconds = time.perf_counter() - began
    yield Painted(task.content, task.output, frames.read(task.output).size, seconds, b"")


def draw(task, model, cells):
    """Draw the sheet: a painting and what it makes of the photo in each row."""
    rows = [f"{number}. {name}" for number, name in enumerate(model.names, start=1)]
    title = f"{task.label} by {Path(model.path).name}"
    task.output.parent.mkdir(parents=True, exist_ok=True)
    sheet.draw(task.output, title=title, rows=rows, columns=COLUMNS, cells=cells)
