"""Jobs one after the other in this process; one that fails does not stop the others."""

import dataclasses
import os

from style_transfer import files
from style_transfer.errors import BatchError
from style_transfer.optimization import job as jobs
from style_transfer.optimization.events import JobSkipped
from style_transfer.runs import folder as folders
from style_transfer.runs import record as records
from style_transfer.validation import ORIGINAL


class Batch:
    """Jobs that share an engine. What is done is not done again.

    Args:
        entries: `plan.Entry`s.
        overwrite: do again what is done, too.
    """

    def __init__(self, entries, *, overwrite=False):
        self.entries = entries
        self.overwrite = overwrite
        self.engines = jobs.Engines()

    def perform(self, *, should_stop=lambda: False, downloading=None):
        """Do the jobs: a generator of the events of all of them, see `job.perform`."""

        def perform_one(entry):
            return self.perform_one(entry, should_stop, downloading)

        yield from jobs.perform_each(self.entries, perform_one, should_stop=should_stop)

    def perform_one(self, entry, should_stop, downloading):
        """Do one job, continue it, or see that it is done."""
        job = entry.job
        if self.overwrite or not (job.folder / records.NAME).exists():
            paths = dict(job.inputs.items()).values()
            folders.check_folder(job.folder, paths, overwrite=self.overwrite)
        else:
            check_same(job)
            if records.is_finished(job.folder):
                yield JobSkipped(entry.label)
                return
            job = jobs.resume(job.folder, extras=job.extras)
        yield from jobs.perform(job, self.engines, should_stop=should_stop, downloading=downloading)
        if records.is_finished(job.folder):
            # Those of many runs would fill the disk.
            (job.folder / folders.CHECKPOINTS[0]).unlink(missing_ok=True)


def check_same(job):
    """Raise FileError if the folder of a job holds a run with other settings or pictures."""
    record, settings = records.read_folder(job.folder)
    # What was chosen for the pictures and the memory there was is recorded.
    chosen = {"weights": settings.weights, "memory": settings.memory}
    if job.settings.size == ORIGINAL:
        chosen["size"] = settings.size
    chosen["history"] = min(settings.history, job.settings.history)
    wanted = dataclasses.replace(job.settings, **chosen)
    recorded = records.locate_inputs(record, {}, is_trusted=records.is_local)
    same_pictures = resolve(recorded) == resolve(job.inputs)
    # `auto` is recorded as what was found.
    same_weights = job.settings.weights in ("auto", settings.weights)
    if settings != wanted or not same_weights or not same_pictures:
        remedy = "choose another --output, or add --overwrite"
        raise files.FileError(job.folder, "holds a run with other settings", remedy)


def resolve(inputs):
    """Return the `Inputs` with their paths made absolute, symbolic links followed."""
    return inputs.map(os.path.realpath)


def check_failures(failures, count):
    """Raise BatchError, which names the jobs that failed, if any did.

    Args:
        failures: `JobFailed`s.
        count: of all jobs.
    """
    if failures:
        lines = "; ".join(f"{each.label}: {each.error}" for each in failures)
        raise BatchError(f"{len(failures)} of {count} runs failed ({lines})")
