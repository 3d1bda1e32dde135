"""A run's folder: snapshots, losses, checkpoint, result and record, each whole at any time."""

import json
import math
import os
import statistics
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from style_transfer import files, storage
from style_transfer.pictures import images, tiff
from style_transfer.runs import checkpoint, keeping
from style_transfer.runs import record as records
from style_transfer.runs.losses import Losses

CHECKPOINTS = keeping.CHECKPOINTS
PICTURES = ("result.png", "progress.gif", "progress.webp", "progress.mp4", "losses.png")
TIFF = "result.tif"
FILES = (*PICTURES, TIFF, "losses.csv", "report.html", records.NAME, *CHECKPOINTS)
LOCK = ".lock"
OUTPUT = Path("data/output")
SECONDS_BETWEEN_CHECKPOINTS = 30.0
WAITING_WRITES = 4  # more would fill the memory where the disk is slower than the run


def choose_folder(output, content, style):
    """Return the folder that a run will write to, without creating it.

    Args:
        output: what the user named, or None: then `data/output/<content>-<style>`, with the
            first number appended that is not taken.
        content, style: paths of the inputs.
    """
    if output is not None:
        return Path(output)
    return choose_free(f"{Path(content).stem}-{Path(style).stem}")


def choose_free(name, suffix=""):
    """Return a path in `data/output`: the name, or the first with a number that is not taken.

    Args:
        name: may have dots in it.
        suffix: what comes behind the number.
    """
    found, number = OUTPUT / f"{name}{suffix}", 1
    while found.exists():
        number += 1
        found = OUTPUT / f"{name}-{number}{suffix}"
    return found


def check_writable(folder):
    """Raise FileError unless a folder can be written to, or made; nothing is changed."""
    storage.refuse(folder)
    place = Path(folder).absolute()
    there = next(each for each in (place, *place.parents) if each.exists())
    if not there.is_dir():
        raise files.FileError(there, "is a file", "name a folder with --output")
    if not os.access(there, os.W_OK | os.X_OK):
        raise files.FileError(there, "cannot be written to", "choose another --output")


def check_folder(folder, inputs, *, overwrite, own=FILES, subfolders=("frames",), what="a run"):
    """Raise FileError if a run may not write to `folder`; nothing is created or changed.

    Args:
        inputs: paths of the pictures; none of them may lie where the run writes.
        overwrite: allow a folder that holds a run already.
        own: names of the files that the run writes.
        subfolders: names of the folders that it fills.
        what: the folder would hold, for people.
    """
    if folder.exists() and not folder.is_dir():
        raise files.FileError(folder, "is a file", "name a folder with --output")
    held = [name for name in (*own, *subfolders) if (folder / name).exists()]
    for path in inputs:
        check_input(Path(path), folder, held, subfolders)
    check_writable(folder)
    files.check_unlocked(folder / LOCK)
    if held and not overwrite:
        remedy = (
            "continue it with --resume, replace it with --overwrite, or choose another --output"
        )
        raise files.FileError(folder, f"holds {what}", remedy)


def check_input(path, folder, held, subfolders):
    """Raise FileError if a run in `folder` would replace or remove an input.

    Both what the path is called and what it leads to count, in case it is a symbolic link.

    Args:
        held: the names of a run that the folder has.
        subfolders: names of the folders that it empties.
    """
    # `Path.resolve` would raise for a link to itself (before Python 3.13).
    target, place, own = map(os.path.realpath, (path, path.parent, folder))
    places = {Path(target), Path(place, path.name)}
    if places & {Path(own, name) for name in held}:
        raise files.FileError(path, "would be overwritten", "choose another --output")
    emptied = {Path(os.path.realpath(folder / name)) for name in subfolders}
    if emptied & {place.parent for place in places}:
        raise files.FileError(path, "would be removed", "choose another --output")


class Writer:
    """Writes in a thread of its own, one thing after the other, while the run goes on."""

    def __init__(self):
        self.thread = ThreadPoolExecutor(1, "writer")
        self.waiting = deque()

    def submit(self, function, *arguments, **keywords):
        """Call a function later; raise what an earlier one raised."""
        while self.waiting and (self.waiting[0].done() or len(self.waiting) >= WAITING_WRITES):
            self.waiting.popleft().result()
        self.waiting.append(self.thread.submit(function, *arguments, **keywords))

    def finish(self):
        """Wait until all is written; raise what a function raised."""
        while self.waiting:
            self.waiting.popleft().result()

    def close(self):
        """End the thread, once it has written what waits."""
        self.thread.shutdown()

    @property
    def is_idle(self):
        """Whether nothing waits to be written."""
        return all(each.done() for each in self.waiting)


class Run:
    """A run's folder, being written by this process alone; a context.

    Args:
        folder: a `Path`; it exists.
        record: from `record.make_record`.

    Raises:
        files.FileError: another process writes there.
    """

    def __init__(self, folder, record):
        self.folder = folder
        self.record = record
        self.terms = tuple(record["terms"])
        self.keep = keeping.find(record)
        self.lock = files.Lock(folder / LOCK)
        self.writer = Writer()
        self.values = np.empty((0, len(self.terms)), np.float32)
        self.totals = np.empty(0, np.float32)
        self.seconds = []
        self.seconds_before = 0.0
        self.taken_back = 0
        self.image = None
        self.begin = self.saved = time.monotonic()
        for place in (folder, folder / "frames"):
            files.remove_temporary(place)

    @classmethod
    def create(cls, folder, record):
        """Begin a run: make the folder, remove what an earlier run wrote, write the record."""
        (folder / "frames").mkdir(parents=True, exist_ok=True)
        run = cls(folder, record)
        try:
            for stale in (*(folder / name for name in FILES), *folder.glob("frames/epoch_*.png")):
                stale.unlink(missing_ok=True)
            run.save_record(finished=False)
        except BaseException:
            run.close()
            raise
        return run

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        try:
            if kind is None:
                self.writer.finish()
        finally:
            self.close()

    def close(self):
        """End the writer's thread, and let others into the folder."""
        self.writer.close()
        self.lock.release()

    @property
    def steps_done(self):
        """Number of steps whose loss is known."""
        return max(0, len(self.totals) - 1)

    @property
    def losses(self):
        """The `Losses` so far."""
        steps = np.arange(len(self.totals))
        epochs = -(-steps // self.record["settings"]["steps"])
        return Losses(self.terms, epochs, steps, self.values, self.totals)

    @property
    def frames(self):
        """The paths of the snapshots, in order."""
        epochs = math.ceil(self.steps_done / self.record["settings"]["steps"])
        frames = (self.frame(epoch) for epoch in range(epochs + 1))
        return [path for path in frames if path.exists()]

    def frame(self, epoch):
        """Return the path of an epoch's snapshot."""
        return self.path("frames") / f"epoch_{epoch:04}.png"

    def path(self, name):
        """Return the path of a file in the folder."""
        return self.folder / name

    def add(self, iterate, transfer):
        """Take in a `transfer.Iterate`; save what is due, the snapshot before the checkpoint.

        Args:
            transfer: the `transfer.Transfer` that it comes from.

        Raises:
            OSError: an earlier file could not be written.
        """
        self.values = np.vstack([self.values, iterate.losses])
        self.totals = np.append(self.totals, iterate.totals)
        if iterate.seconds_per_step is not None:
            self.seconds.append(iterate.seconds_per_step)
        self.taken_back = iterate.taken_back
        self.image = iterate.image  # the last has one; to keep another would take its memory
        if iterate.image is not None:
            if self.keep != keeping.RESULT:
                self.writer.submit(images.save_png, self.frame(iterate.epoch), iterate.image)
            self.writer.submit(self.save_losses, self.losses)
        late = time.monotonic() - self.saved >= SECONDS_BETWEEN_CHECKPOINTS
        if iterate.image is not None or (late and self.writer.is_idle):
            self.save_checkpoint(*transfer.save())

    def save_losses(self, losses):
        """Write `losses.csv`, if it is to stay."""
        if self.keep == keeping.ALL:
            files.write_text(self.path("losses.csv"), losses.to_csv())

    def save_checkpoint(self, tensors, header):
        """Write the state of the optimization and the losses so far, in the writer's thread."""
        header = header | {
            "fingerprint": records.fingerprint(self.record),
            "seconds": self.total_seconds,
        }
        history = {"history.values": self.values, "history.totals": self.totals}
        newest, previous = map(self.path, CHECKPOINTS)

        def write():
            arrays = {name: np.asarray(tensor) for name, tensor in tensors.items()}
            checkpoint.write(newest, arrays | history, header, keep=previous)

        self.writer.submit(write)
        self.saved = time.monotonic()

    def load_checkpoint(self):
        """Read the newest checkpoint that is whole, and the losses with it.

        Returns:
            ((arrays, header), notice): for `transfer.Transfer`, and what to tell the user; the
            first is None if the run was stopped before its first checkpoint.

        Raises:
            files.FileError: no checkpoint can be used; says why.
        """
        paths = [path for path in map(self.path, CHECKPOINTS) if path.exists()]
        notice = ""
        for path in paths:
            try:
                arrays, header = checkpoint.read(path)
            except checkpoint.DamagedError as error:
                notice = f"{error}; continuing from the one before"
            except checkpoint.CheckpointError as error:
                raise files.FileError(self.folder, error, "start anew with --overwrite") from None
            else:
                return self.restore(path, arrays, header), notice
        if notice:
            reason = notice.partition(";")[0]
            raise files.FileError(self.folder, reason, "start anew with --overwrite")
        return None, notice

    def restore(self, path, arrays, header):
        """Take in the losses of a checkpoint; return the rest of it."""
        if header.pop("fingerprint", None) != records.fingerprint(self.record):
            reason = f"{path.name} belongs to another run"
            raise files.FileError(self.folder, reason, "start anew with --overwrite")
        self.values, self.totals = arrays.pop("history.values"), arrays.pop("history.totals")
        self.seconds_before = header.pop("seconds")
        return arrays, header

    @property
    def total_seconds(self):
        """How long the run has taken, over all sessions."""
        return self.seconds_before + time.monotonic() - self.begin

    def save_record(self, **measured):
        """Write `run.json`."""
        text = json.dumps(self.record | measured, indent=2)
        files.write_text(self.path(records.NAME), text + "\n")

    def save_result(self, *, finished, as_tiff=False, **options):
        """Write `result.png`, which carries what made it but no time and no place; `run.json`.

        Args:
            finished: whether nothing is left to do.
            as_tiff: whether to write `result.tif`, too.
            options: of `images.encode_png`.

        Raises:
            OSError: a file could not be written.
        """
        self.writer.finish()
        texts = records.texts(self.record)
        images.save_png(self.path("result.png"), self.image, texts=texts, **options)
        if as_tiff:
            files.write(self.path(TIFF), tiff.encode(self.image, texts=texts, **options))
        self.save_losses(self.losses)
        final = dict(zip(self.terms, map(float, self.values[-1])))
        self.save_record(
            seconds_per_step=statistics.median(self.seconds) if self.seconds else None,
            total_seconds=self.total_seconds,
            steps_done=self.steps_done,
            steps_taken_back=self.taken_back,
            finished=finished,
            final_losses=final | {"total": float(self.totals[-1])},
        )
        if finished:  # a run that is over needs no second checkpoint
            self.path(CHECKPOINTS[1]).unlink(missing_ok=True)
