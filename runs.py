"""A run's folder: snapshots, losses, the result, and the record that lets it be run again."""

import csv
import dataclasses
import io
import json
import math
import os
import platform
import statistics
import time
from importlib import metadata
from pathlib import Path

import files
import images
from settings import VERSION

COLUMNS = ("epoch", "step", "content", "style", "total_variation", "total")
FILES = ("result.png", "progress.gif", "losses.csv", "losses.png", "run.json")
OUTPUT = Path("data/output")


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
    if held and not overwrite:
        raise files.FileError(folder, "holds a run", "choose another --output, or add --overwrite")
    parent = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    if not os.access(parent, os.W_OK | os.X_OK):
        raise files.FileError(parent, "cannot be written to", "choose another --output")


class Run:
    """A run's folder, being written. Every file in it is whole at any time."""

    def __init__(self, folder, record):
        """Create the folder, without the files of an earlier run.

        Args:
            folder: a `Path`.
            record: from `describe`.
        """
        self.folder = folder
        self.record = record
        self.rows = []
        self.frames = []
        self.seconds = []
        self.taken_back = 0
        self.image = None
        self.begin = time.monotonic()
        (folder / "frames").mkdir(parents=True, exist_ok=True)
        for stale in (*(folder / name for name in FILES), *folder.glob("frames/epoch_*.png")):
            stale.unlink(missing_ok=True)

    @property
    def steps_done(self):
        """Number of steps whose loss is known."""
        return max(0, len(self.rows) - 1)

    def path(self, name):
        """Return the path of a file in the folder."""
        return self.folder / name

    def add(self, iterate):
        """Take in a `transfer.Iterate`; at the end of an epoch save the snapshot and losses."""
        self.add_losses(iterate.losses)
        if iterate.seconds_per_step is not None:
            self.seconds.append(iterate.seconds_per_step)
        self.taken_back = iterate.taken_back
        if iterate.image is not None:
            self.image = iterate.image
            self.frames.append(self.path("frames") / f"epoch_{iterate.epoch:04}.png")
            images.save_png(self.frames[-1], iterate.image)
            self.save_losses()

    def add_losses(self, losses):
        """Append rows (epoch, step, content, style, total variation, total), one a step."""
        steps = self.record["settings"]["steps"]
        for values in losses:
            step = len(self.rows)
            self.rows.append((math.ceil(step / steps), step, *map(float, values)))

    def save_losses(self):
        """Write `losses.csv`."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows((*row[:2], *(f"{value:.7g}" for value in row[2:])) for row in self.rows)
        files.write_text(self.path("losses.csv"), text.getvalue())

    def save_result(self):
        """Write `result.png`, which carries what made it but no time and no place; `run.json`."""
        texts = {"Software": f"style-transfer {VERSION}", "Settings": json.dumps(self.record)}
        images.save_png(self.path("result.png"), self.image, texts=texts)
        self.save_losses()
        measured = {
            "seconds_per_step": statistics.median(self.seconds) if self.seconds else None,
            "total_seconds": time.monotonic() - self.begin,
            "steps_done": self.steps_done,
            "steps_taken_back": self.taken_back,
            "final_losses": dict(zip(COLUMNS[2:], self.rows[-1][2:])) if self.rows else None,
        }
        text = json.dumps(self.record | measured, indent=2, ensure_ascii=False)
        files.write_text(self.path("run.json"), text + "\n")


def describe(settings, pictures, weights, size):
    """Collect what determines the result, for `run.json` and for the result's own text.

    Args:
        pictures: dictionary from role (`content`, `style`) to `images.Picture`.
        weights: `weights.Weights`.
        size: (width, height) of the result.
    """
    return {
        "settings": dataclasses.asdict(settings),
        "inputs": {
            role: {"path": files.printable(picture.path), "sha256": picture.sha256}
            for role, picture in pictures.items()
        },
        "weights": {"name": weights.name, "sha256": weights.sha256},
        "size": list(size),
        "versions": versions(),
    }


def versions():
    """Return the versions of the tool and of what it computes with."""
    packages = ("tensorflow", "keras", "numpy", "pillow")
    return {
        "style-transfer": VERSION,
        "python": platform.python_version(),
        **{name: metadata.version(name) for name in packages},
    }
