"""The program with a stand-in for what computes: all of it but TensorFlow and the method.

Kills, signals, full disks and closed streams concern the files, the record, the checkpoint and the
console. All of these are the real ones here, in a process that starts in half a second.
"""

import os
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import main
from style_transfer.batches import desk
from style_transfer.feedforward import apply
from style_transfer.optimization import job
from style_transfer.optimization.events import Iterate
from style_transfer.optimization.schedule import Scale
from style_transfer.pictures import images
from style_transfer.runs import mirror

TERMS = ("content", "style", "total_variation")

LARGE = 256  # pixels of its longer side
SECONDS = "STAND_IN_SECONDS"  # for each step of a smaller one
PATIENCE = "STAND_IN_PATIENCE"  # seconds until a worker that was told to stop is killed


class StandIn:
    """An image that is moved by a rule in which any difference grows."""

    engine = SimpleNamespace(
        device=SimpleNamespace(name="stand-in", notice=""), precision="float32", terms=TERMS
    )

    def __init__(self, prepared, saved):
        self.settings = prepared.settings
        self.scales = [Scale(max(prepared.sizes.content), self.settings.epochs)]
        self.is_new = saved is None
        self.start = images.to_tensor(prepared.pictures.content, prepared.sizes.content)
        self.values, self.step = self.start, 0
        if saved:
            arrays, header = saved
            self.values, self.step = arrays["values"], header["step"]

    @property
    def image(self):
        return self.values

    @property
    def is_finished(self):
        return self.step >= self.settings.epochs * self.settings.steps

    def time_step(self):
        return self.seconds

    @property
    def seconds(self):
        """A large image takes a second, so that a signal comes in the middle of a step."""
        return 1.0 if max(self.values.shape) > LARGE else float(os.environ.get(SECONDS, 0.004))

    def seconds_left(self, seconds):
        return seconds * (self.settings.epochs * self.settings.steps - self.step)

    def save(self):
        memory = np.tile(self.values, (40, 1, 1, 1))  # as large as that of L-BFGS
        return {"values": self.values, "memory": memory}, {"step": self.step}

    def run(self, *, should_stop):
        if self.is_new:
            yield self.iterate(self.start, False)
        while not self.is_finished:
            time.sleep(self.seconds)
            self.values = 3.9 * self.values * (1.0 - self.values) * np.float32(0.999)
            self.step += 1
            stopped = should_stop()
            ended = self.step % self.settings.steps == 0
            yield self.iterate(self.values if ended or stopped else None, stopped)
            if stopped:
                return

    def iterate(self, image, stopped):
        losses = np.array([[self.values.mean(), self.values.std(), self.values.max()]], np.float32)
        return Iterate(
            epoch=-(-self.step // self.settings.steps),
            step=self.step,
            losses=losses,
            totals=losses.sum(axis=1),
            image=image,
            seconds_per_step=self.seconds if self.step else None,
            seconds_left=self.seconds_left(self.seconds),
            stopped=stopped,
        )


def build(prepared, _engines, saved=None):
    """Stand in for `job.build`."""
    yield from ()
    return StandIn(prepared, saved)


def build_pass(_settings, _model):
    """Stand in for `apply.build`: the photo as it is; a large one takes a second."""
    yield from ()

    def compute(pictures, sizes, _settings):
        time.sleep(max(sizes.content) > LARGE)
        return images.to_tensor(pictures.content, sizes.content)

    return compute


def stand_in():
    """Put the stand-ins in place, in this process."""
    job.build, apply.build, desk.load = build, build_pass, lambda: None
    mirror.SECONDS = float(os.environ.get("STAND_IN_UPLOAD", mirror.SECONDS))
    if patience := os.environ.get(PATIENCE):
        from style_transfer.server import studio

        studio.PATIENCE = float(patience)


if __name__ in ("__main__", "__mp_main__"):  # the second in processes that paint
    stand_in()

if __name__ == "__main__":
    main.main()
    assert "tensorflow" not in sys.modules
