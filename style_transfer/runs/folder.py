"""A run's folder: snapshots, losses, checkpoint, result, and the record to run it again by."""

import csv
import dataclasses
import io
import json
import math
import os
import platform
import statistics
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path

import numpy as np

from style_transfer import files
from style_transfer.networks import weights
from style_transfer.pictures import images
from style_transfer.runs import checkpoint
from style_transfer.settings import VERSION, Settings

COLUMNS = ("epoch", "step", "content", "style", "total_variation", "total")
RECORD = "run.json"
CHECKPOINTS = ("checkpoint.npz", "checkpoint.previous.npz")
PICTURES = ("result.png", "progress.gif", "progress.webp", "progress.mp4", "losses.png")
FILES = (*PICTURES, "losses.csv", "report.html", RECORD, *CHECKPOINTS)
RECORDED = (
    *("settings", "inputs", "weights", "size", "versions"),
    *("working_folder", "device", "precision"),
)
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
    folder = OUTPUT / f"{Path(content).stem}-{Path(style).stem}"
    number = 1
    while folder.exists():
        number += 1
        folder = folder.with_name(f"{Path(content).stem}-{Path(style).stem}-{number}")
    return folder


def check_folder(folder, inputs, *, overwrite):
    """Raise FileError if a run may not write to `folder`; nothing is created or changed.

    Args:
        inputs: paths of the pictures; none of them may lie where the run writes.
        overwrite: allow a folder that holds a run already.
    """
    if folder.exists() and not folder.is_dir():
        raise files.FileError(folder, "is a file", "name a folder with --output")
    held = [name for name in (*FILES, "frames") if (folder / name).exists()]
    for path in inputs:
        inside = Path(path).resolve().parent
        if Path(path).name in held and inside == folder.resolve():
            raise files.FileError(path, "would be overwritten", "choose another --output")
        if inside == (folder / "frames").resolve():
            raise files.FileError(path, "would be removed", "choose another --output")
    files.check_unlocked(folder / LOCK)
    if held and not overwrite:
        remedy = (
            "continue it with --resume, replace it with --overwrite, or choose another --output"
        )
        raise files.FileError(folder, "holds a run", remedy)
    parent = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    if not os.access(parent, os.W_OK | os.X_OK):
        raise files.FileError(parent, "cannot be written to", "choose another --output")


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
        """Wait until all is written, and end the thread."""
        self.finish()
        self.thread.shutdown()

    @property
    def is_idle(self):
        """Whether nothing waits to be written."""
        return all(each.done() for each in self.waiting)


class Run:
    """A run's folder, being written by this process alone. Every file is whole at any time.

    Args:
        folder: a `Path`; it exists.
        record: from `describe`.

    Raises:
        files.FileError: another process writes there.
    """

    def __init__(self, folder, record):
        self.folder = folder
        self.record = record
        self.lock = files.Lock(folder / LOCK)
        self.writer = Writer()
        self.history = np.empty((0, 4), np.float32)
        self.seconds = []
        self.taken_back = 0
        self.image = self.alpha = None
        self.begin = self.saved = time.monotonic()
        for place in (folder, folder / "frames"):
            files.remove_temporary(place)

    @classmethod
    def create(cls, folder, record):
        """Begin a run: make the folder, remove what an earlier run wrote, write the record."""
        (folder / "frames").mkdir(parents=True, exist_ok=True)
        run = cls(folder, record)
        for stale in (*(folder / name for name in FILES), *folder.glob("frames/epoch_*.png")):
            stale.unlink(missing_ok=True)
        run.save_record()
        return run

    @property
    def steps_done(self):
        """Number of steps whose loss is known."""
        return max(0, len(self.history) - 1)

    @property
    def rows(self):
        """The losses: (epoch, step, content, style, total variation, total) for each step."""
        steps = self.record["settings"]["steps"]
        return [
            (math.ceil(step / steps), step, *map(float, losses))
            for step, losses in enumerate(self.history)
        ]

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

    def add(self, iterate, job):
        """Take in a `transfer.Iterate`; save what is due, the snapshot before the checkpoint.

        Args:
            job: the `transfer.Transfer` that it comes from.

        Raises:
            OSError: an earlier file could not be written.
        """
        self.history = np.vstack([self.history, iterate.losses])
        if iterate.seconds_per_step is not None:
            self.seconds.append(iterate.seconds_per_step)
        self.taken_back = iterate.taken_back
        if iterate.image is not None:
            self.image = iterate.image
            self.writer.submit(images.save_png, self.frame(iterate.epoch), iterate.image)
            self.writer.submit(files.write_text, self.path("losses.csv"), self.table())
        late = time.monotonic() - self.saved >= SECONDS_BETWEEN_CHECKPOINTS
        if iterate.image is not None or (late and self.writer.is_idle):
            self.save_checkpoint(*job.save())

    def table(self):
        """Return the text of `losses.csv`."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows((*row[:2], *(f"{value:.7g}" for value in row[2:])) for row in self.rows)
        return text.getvalue()

    def save_checkpoint(self, tensors, header):
        """Write the state of the optimization and the losses so far, in the writer's thread."""
        header = header | {"fingerprint": fingerprint(self.record)}
        history = self.history
        newest, previous = map(self.path, CHECKPOINTS)

        def write():
            arrays = {name: np.asarray(tensor) for name, tensor in tensors.items()}
            checkpoint.write(newest, arrays | {"history": history}, header, keep=previous)

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
                if header.pop("fingerprint", None) != fingerprint(self.record):
                    reason = f"{path.name} belongs to another run"
                    raise files.FileError(self.folder, reason, "start anew with --overwrite")
                self.history = arrays.pop("history")
                return (arrays, header), notice
        if notice:
            reason = notice.partition(";")[0]
            raise files.FileError(self.folder, reason, "start anew with --overwrite")
        return None, notice

    def save_record(self, measured=None):
        """Write `run.json`."""
        text = json.dumps(self.record | (measured or {}), indent=2)
        files.write_text(self.path(RECORD), text + "\n")

    def save_result(self, *, finished):
        """Write `result.png`, which carries what made it but no time and no place; `run.json`.

        Args:
            finished: whether nothing is left to do.

        Raises:
            OSError: a file could not be written.
        """
        self.writer.finish()
        what = {name: value for name, value in self.record.items() if name != "working_folder"}
        texts = {"Software": f"style-transfer {VERSION}", "Settings": json.dumps(what)}
        images.save_png(self.path("result.png"), self.image, texts=texts, alpha=self.alpha)
        files.write_text(self.path("losses.csv"), self.table())
        self.save_record(
            {
                "seconds_per_step": statistics.median(self.seconds) if self.seconds else None,
                "total_seconds": time.monotonic() - self.begin,
                "steps_done": self.steps_done,
                "steps_taken_back": self.taken_back,
                "finished": finished,
                "final_losses": dict(zip(COLUMNS[2:], map(float, self.history[-1]))),
            }
        )

    def close(self, *, finished):
        """Let others into the folder; a run that is finished needs no second checkpoint."""
        self.writer.close()
        if finished:
            self.path(CHECKPOINTS[1]).unlink(missing_ok=True)
        self.lock.release()


def describe(settings, pictures, network, size):
    """Collect what determines the result, for `run.json` and for the result's own text.

    Args:
        pictures: dictionary from role (`content`, `style`) to `images.Picture`.
        network: `weights.Weights`.
        size: (width, height) of the result.
    """
    return {
        "settings": dataclasses.asdict(settings),
        "inputs": {
            role: {"path": os.fsdecode(picture.path), "sha256": picture.sha256}
            for role, picture in pictures.items()
        },
        "weights": {"name": network.name, "sha256": network.sha256},
        "size": list(size),
        "versions": versions(),
        "working_folder": os.getcwd(),  # the paths are relative to it
    }


def fingerprint(record):
    """Fingerprint what determines every step of a run: all but how many epochs there are."""
    settings = {name: each for name, each in record["settings"].items() if name != "epochs"}
    inputs = {role: each["sha256"] for role, each in record["inputs"].items()}
    facts = [settings, inputs, record["weights"]["sha256"], record["size"]]
    return files.sha256(json.dumps(facts, sort_keys=True).encode())


def read_record(folder):
    """Read the record of the run that a folder holds.

    Returns:
        (record, settings): what was recorded when the run began, and the `Settings` in it.

    Raises:
        files.FileError: there is none, or it is damaged or of another version.
    """
    path = Path(folder) / RECORD
    if not path.exists():
        raise files.FileError(folder, "holds no run", "name the folder of a run with --resume")
    return parse_record(path, files.read(path, remedy="start anew with --overwrite"))


def read_image(path):
    """Read the record that a `result.png` carries; return and raise as `read_record`.

    Its paths are relative to where this process runs, since the picture names no place.
    """
    return parse_record(path, images.read_text(path, "Settings"), working_folder="")


def parse_record(path, text, **more):
    """Turn the text of a record into (record, settings)."""
    try:
        record = json.loads(text) | more
        fingerprint(record)
        locate_inputs(record)
        values = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in record["settings"].items()
        }
        return {name: record[name] for name in RECORDED if name in record}, Settings(**values)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        reason = f"is not the record of a run of version {VERSION} ({error})"
        raise files.FileError(path, reason, "start anew") from None


def is_finished(folder):
    """Tell whether a folder holds a run that has nothing left to do."""
    path = Path(folder) / RECORD
    try:
        return json.loads(files.read(path, remedy=""))["finished"] is True
    except (ValueError, KeyError, TypeError):  # FileError is a ValueError, too
        return False


def locate_inputs(record):
    """Return the paths of the pictures of a record, by role, wherever this process runs."""
    folder = record["working_folder"]
    return {role: os.path.join(folder, each["path"]) for role, each in record["inputs"].items()}


def locate_weights(record):
    """Return what `weights.load` takes to load the weights of a record."""
    source = record["settings"]["weights"]
    if source in weights.NAMES:
        return source
    return os.path.join(record["working_folder"], source)


def versions():
    """Return the versions of the tool and of what it computes with."""
    packages = ("tensorflow", "keras", "numpy", "pillow")
    return {
        "style-transfer": VERSION,
        "python": platform.python_version(),
        **{name: metadata.version(name) for name in packages},
    }
