"""Jobs one after the other in this process; one that fails does not stop the others."""

import dataclasses
import functools
import os

from style_transfer import files
from style_transfer.errors import BatchError
from style_transfer.optimization import job as jobs
from style_transfer.optimization import room
from style_transfer.optimization.events import JobSkipped, Saved
from style_transfer.optimization.preparation import prepare
from style_transfer.runs import folder as folders
from style_transfer.runs import keeping
from style_transfer.runs import record as records
from style_transfer.validation import ORIGINAL


class Batch:
    """Jobs that share an engine. What is done is not done again.

    Args:
        overwrite: do again what is done, too.
    """

    def __init__(self, *, overwrite=False):
        self.overwrite = overwrite

    @functools.cached_property
    def engines(self):
        """The `job.Engines` of this process: another one cannot have them."""
        return jobs.Engines()

    def perform(self, entries, *, should_stop=lambda: False, downloading=None):
        """Do jobs: a generator of the events of all of them, see `job.perform`.

        Args:
            entries: `plan.Entry`s.
        """

        def perform_one(entry):
            return self.perform_one(entry, should_stop=should_stop, downloading=downloading)

        yield from jobs.perform_each(entries, perform_one, should_stop=should_stop)

    def perform_one(self, entry, *, is_retry=False, should_stop, downloading):
        """Do one job, continue it, or see that it is done.

        Args:
            is_retry: whether it was begun just now, by a process that died: what there is of it
                then is not overwritten.
        """
        job = entry.job
        overwrite = self.overwrite and not (is_retry and is_begun(job))
        if overwrite or not (job.folder / records.NAME).exists():
            paths = dict(job.inputs.items()).values()
            folders.check_folder(job.folder, paths, overwrite=overwrite)
        else:
            check_same(job)
            if records.is_finished(job.folder):
                clear(job)
                yield JobSkipped(entry.label)
                return
            job = jobs.resume(job.folder, extras=job.extras, keep=job.keep)
        hooks = {"should_stop": should_stop, "downloading": downloading}
        for event in jobs.perform(job, self.engines, **hooks):
            # Before it is told: whoever hears it may end this process.
            if isinstance(event, Saved) and event.finished:
                clear(job)
            yield event

    def estimate_memory(self, entry):
        """Estimate the bytes that a job takes in a process of its own; raise as `prepare`."""
        prepared = run(prepare(entry.job))
        architecture = prepared.network.architecture
        return room.estimate(prepared.sizes, architecture, prepared.settings, prepared.room)


def clear(job):
    """Remove of a finished job what is not to stay; no checkpoint, which would fill the disk."""
    (job.folder / folders.CHECKPOINTS[0]).unlink(missing_ok=True)
    keeping.clear(job.folder, job.keep or keeping.ALL)


def run(generator):
    """Run a generator to its end, and return what it returns."""
    while True:
        try:
            next(generator)
        except StopIteration as end:
            return end.value


def is_begun(job):
    """Tell whether the folder of a job holds a run of it that is not finished."""
    try:
        check_same(job)
    except files.FileError:  # another one, or none
        return False
    return not records.is_finished(job.folder)


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
