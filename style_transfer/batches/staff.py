"""How many processes are to paint several pictures, and what each of them may take."""

import os
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from style_transfer.optimization import processors, room
from style_transfer.optimization.job import FAILURES

AUTO = "auto"
# Measured on two cores, see docs/scale.md.
GAIN = "auto: one a core, up to 1.5 times as fast for small pictures, as fast for large ones"
GPUS = Path("/proc/driver/nvidia/gpus")  # with a folder for each; where there is none, none is used
VISIBLE = "CUDA_VISIBLE_DEVICES"


@dataclass(frozen=True)
class Staff:
    """Workers.

    Attributes:
        count: how many.
        threads: that each computes with.
        memory: bytes that each may take; None: a share of its machine's.
        gpus: their names for CUDA, a place for each; none: the processor computes.
        reason: why so many, or nothing.
    """

    count: int
    threads: int
    memory: float | None
    gpus: tuple = ()
    reason: str = ""

    @property
    def text(self):
        """Say what was chosen, a line."""
        workers = "1 worker" if self.count == 1 else f"{self.count} workers"
        threads = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        what = "a GPU" if self.gpus else threads
        each = "" if self.count == 1 else " each"
        room = f", {self.memory / 1e9:.1f} GB of memory{each}" if self.memory else ""
        reason = f" ({self.reason})" if self.reason else ""
        return f"{workers} of {what}{room}{reason}"

    def environment(self, place):
        """Return the variables that the worker in a place needs before TensorFlow is loaded."""
        found = {processors.THREADS: str(self.threads), room.SHARE: str(self.memory)}
        if self.gpus:
            found[VISIBLE] = self.gpus[place % len(self.gpus)]
            # More than one on a GPU: else the first would take all of its memory.
            found["TF_FORCE_GPU_ALLOW_GROWTH"] = "true"
        return found


def choose(wanted, tasks, craft, settings):
    """Choose how many workers there are to be.

    Args:
        wanted: how many, or `auto`: one a GPU, or one a core, as far as the memory goes.
        tasks: what they are to do, at least one.
        craft: what has `estimate_memory`, see `local.Batch`.
        settings: `memory`, of which each gets its share.

    Raises:
        files.FileError, SettingsError: as of `estimate_memory`, for `auto`, of all tasks.
    """
    gpus, budget = list_gpus(), room.find_budget(settings.memory)
    count, reason = wanted, ""
    if wanted == AUTO:
        count, reason = fit(gpus, budget, tasks, craft)
    count = min(count, len(tasks))
    told = os.environ.get(processors.THREADS)
    threads = processors.threads() if told else max(1, processors.count() // count)
    return Staff(count, threads, budget / count, gpus, reason)


def fit(gpus, budget, tasks, craft):
    """Return (how many workers pay, why so many)."""
    most = len(gpus) or processors.count()
    reason = "auto: one a GPU" if gpus else GAIN
    if len(tasks) < most:
        most, reason = len(tasks), "auto: one a picture"
    if most > 1 and budget < most * (need := estimate_memory(tasks, craft)):
        most, reason = max(1, int(budget // need)), f"auto: one takes {need / 1e9:.1f} GB"
    return most, reason


def estimate_memory(tasks, craft):
    """Estimate the bytes that a picture takes: the first that can be read."""
    for task in tasks[:-1]:
        try:
            return craft.estimate_memory(task)
        except FAILURES:  # which is told when it is its turn
            continue
    return craft.estimate_memory(tasks[-1])


def list_gpus():
    """List the GPUs that this process may use, as CUDA names them; Linux and NVIDIA alone.

    The package of TensorFlow that knows none leaves them alone.
    """
    if any(metadata.distributions(name="tensorflow-cpu")):
        return ()
    given = os.environ.get(VISIBLE)
    if given is not None:
        return tuple(each for each in given.split(",") if each not in ("", "-1"))
    return tuple(map(str, range(len(list(GPUS.glob("*"))))))
