"""A job in, events out: one picture, from the paths of its inputs to a finished folder.

Nothing here prints, exits or handles signals: a terminal, a page, a notebook or a worker process
decides what becomes of the events. TensorFlow is imported once the inputs are known to be good.
"""

import dataclasses
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from style_transfer import files
from style_transfer.errors import ComputationError, SettingsError
from style_transfer.networks import instant
from style_transfer.optimization import room, schedule
from style_transfer.optimization.events import (
    JobFailed,
    JobStarted,
    Loading,
    Notice,
    Planned,
    Saved,
    Saving,
)
from style_transfer.optimization.failures import explain, smaller, tensorflow_errors
from style_transfer.optimization.preparation import prepare
from style_transfer.pictures import profiles
from style_transfer.runs import keeping
from style_transfer.runs import record as records
from style_transfer.runs.checkpoint import CheckpointError
from style_transfer.runs.folder import Run
from style_transfer.runs.inputs import Inputs, flag
from style_transfer.settings import FIELDS, Settings

FAILURES = (files.FileError, SettingsError, ComputationError, OSError, ArithmeticError)
OTHERS = {  # what is wrong with the record of another command, and what to do
    "apply": ("was made by apply", "add that: main.py apply --from-image"),
    "train": ("is of a training", "give the same train command again"),
    "video": ("is of a film", "continue it with: main.py video --resume"),
}


@dataclass(frozen=True)
class Job:
    """One picture to make.

    Attributes:
        inputs: paths of the pictures.
        settings: what determines the picture.
        folder: where the run goes; None: only plan it.
        extras: what is wanted besides the result and the GIF: `tiff`, `webp`, `mp4`.
        deadline: by `time.monotonic()`, or None.
        record: of a run with the same inputs and weights, or None.
        weights: what `weights.load` takes, where that differs from the setting.
        resumes: whether that run lies in `folder`, to be continued.
        progress: see `Transfer`, or None.
        keep: what stays once it is finished, see `keeping`; None: as recorded, or all.
    """

    inputs: Inputs
    settings: Settings
    folder: Path | None
    extras: tuple = ()
    deadline: float | None = None
    record: dict | None = None
    weights: str | None = None
    resumes: bool = False
    progress: Callable | None = None
    keep: str | None = None


class Engines:
    """The engine of the last job, for as long as its network and compiled steps fit."""

    def __init__(self):
        self.key = self.engine = None
        self.lock = threading.Lock()

    def get(self, network, settings):
        """Return an `engine.Engine` for weights and settings; raise as it does."""
        from style_transfer.optimization import engine

        key = network.sha256, engine.compiled_part(settings)
        with self.lock:
            if key != self.key:
                self.key = self.engine = None  # lets go of the old one's memory first
                self.engine = engine.Engine(network, settings)
                self.key = key
            return self.engine


def perform(job, engines=None, *, should_stop=lambda: False, downloading=None):
    """Make a picture: a generator of events, see `events`, that works between them.

    Args:
        engines: `Engines` that several jobs share, or None.
        should_stop: asked about every second; if it says so, the run ends there and then, with a
            result, and can be continued.
        downloading: called with (bytes so far, bytes in all or None) while weights are downloaded.

    Raises:
        files.FileError: a file cannot be used.
        SettingsError: the settings do not fit the inputs, the weights or the memory.
        ArithmeticError: the loss diverged.
        ComputationError: the memory ran out, or the device failed.
        OSError: a file could not be written.
    """
    run = continue_run if job.resumes else begin_run
    try:
        prepared = yield from prepare(job, downloading)
        yield from run(job, prepared, engines or Engines(), should_stop)
    except MemoryError as error:
        raise ComputationError(f"the memory ran out; {smaller(job.settings)}") from error
    except tensorflow_errors() as error:
        raise explain(error, job.settings) from error


def perform_each(jobs, function, *, should_stop):
    """Do jobs one after the other; of one that fails there is an event, and the others go on.

    Args:
        jobs: a list of what has a `label` and the path of its `content`.
        function: makes a generator of events from a job.
        should_stop: asked before each job.
    """
    for number, job in enumerate(jobs, start=1):
        if should_stop():
            return
        yield JobStarted(number, len(jobs), job.label)
        try:
            yield from function(job)
        except FAILURES as error:
            # As text: the error itself would keep the pictures of the failed job in memory.
            yield JobFailed(job.label, str(error), job.content)


def begin_run(job, prepared, engines, should_stop):
    """Make a picture from the start; see `perform`."""
    transfer = yield from build(prepared, engines)
    seconds = transfer.time_step()
    if job.deadline is not None:
        left = job.deadline - time.monotonic()
        fitted = schedule.fit_into(left, transfer.scales, seconds, prepared.settings)
        prepared = dataclasses.replace(prepared, settings=fitted)
        transfer = yield from build(prepared, engines)
    yield describe_plan(prepared, transfer, seconds)
    if job.folder is None:
        return
    record = make_record(prepared, transfer)
    if job.record:
        yield from tell_differences(job.record, record)
    record |= {"keep": job.keep} if job.keep else {}
    with Run.create(job.folder, record) as run:
        yield from complete(run, transfer, prepared, job, should_stop)


def continue_run(job, prepared, engines, should_stop):
    """Continue the run in the job's folder; see `perform`."""
    was_finished = records.is_finished(job.folder)
    record = job.record | ({"keep": job.keep} if job.keep else {})
    with Run(job.folder, record) as run:
        saved, notice = run.load_checkpoint()
        has_begun = saved is not None
        if notice:
            yield Notice(notice)
        if was_finished and not has_begun:
            remedy = "run it again with --from-image result.png or --overwrite"
            raise files.FileError(job.folder, "is finished, and its checkpoint is gone", remedy)
        try:
            transfer = yield from build(prepared, engines, saved)
        except CheckpointError as error:
            raise files.FileError(job.folder, error, "start anew with --overwrite") from None
        yield from tell_differences(job.record, make_record(prepared, transfer))
        yield describe_plan(prepared, transfer, transfer.time_step(), run.steps_done)
        run.save_record(finished=False)  # it may have got more epochs
        run.image = transfer.image if has_begun else None
        yield from complete(run, transfer, prepared, job, should_stop)


def build(prepared, engines, saved=None):
    """Load TensorFlow and build a `transfer.Transfer`."""
    if "tensorflow" not in sys.modules:
        yield Loading()
    from style_transfer.feedforward import instant
    from style_transfer.optimization import material
    from style_transfer.optimization.transfer import Transfer

    settings = prepared.settings
    ready = material.prepare(prepared.pictures, prepared.sizes, settings)
    try:
        engine = engines.get(prepared.network, settings)
    except ValueError as error:
        raise SettingsError(f"--weights: {error}; choose other weights or layers") from None
    if engine.device.notice:
        yield Notice(engine.device.notice)
    if settings.init == "instant" and not saved:
        ready = dataclasses.replace(ready, start=instant.painter(settings))
    return Transfer(engine, ready, settings, saved=saved, room=prepared.room)


def complete(run, transfer, prepared, job, should_stop):
    """Optimize to the end, or until asked to stop, and write the result."""

    def is_time():
        return should_stop() or (job.deadline is not None and time.monotonic() >= job.deadline)

    if job.progress:
        transfer.progress = job.progress
    for iterate in transfer.run(should_stop=is_time):
        run.add(iterate, transfer)
        yield iterate
        yield from map(Notice, iterate.notices)
    yield Saving()
    options = profiles.describe_result(prepared.pictures.content, prepared.settings)
    run.save_result(finished=transfer.is_finished, as_tiff="tiff" in job.extras, **options)
    report(run, prepared.pictures, job.extras)
    if transfer.is_finished:
        run.writer.finish()
        keeping.clear(run.folder, run.keep)
    if run.taken_back:
        steps = "step" if run.taken_back == 1 else "steps"
        yield Notice(f"{run.taken_back} {steps} raised the loss beyond reason; taken back")
    yield Saved(run.folder, run.path("result.png"), transfer.is_finished, run.steps_done)


def report(run, pictures, extras):
    """Write what shows how the result came about."""
    from style_transfer.reports import animation, curves, page

    if run.keep == keeping.ALL:
        curves.save_png(run.losses, run.path("losses.png"))
        animation.save_gif(run.frames, run.path("progress.gif"))
    if "webp" in extras:
        animation.save_webp(run.frames, run.path("progress.webp"))
    if "mp4" in extras:
        animation.save_mp4(run.frames, run.path("progress.mp4"))
    if run.keep == keeping.ALL:
        shown = {"content": pictures.content.pixels, "style": pictures.styles[0].pixels}
        page.write_report(run.folder, pictures=shown)


def make_record(prepared, transfer):
    """Return the record of a run."""
    engine = transfer.engine
    settings = prepared.settings
    starts_from_pass = settings.init == "instant"
    return records.make_record(
        settings,
        prepared.pictures,
        prepared.network,
        prepared.sizes.content,
        device=engine.device.name,
        precision=engine.precision,
        terms=list(engine.terms),
        start=instant.identify(settings.transform).sha256 if starts_from_pass else None,
    )


def tell_differences(record, now):
    """Say, in one notice, what computes otherwise than when a run was recorded."""
    if found := records.differences(record, now):
        yield Notice(f"recorded with {', '.join(found)}: the bytes may differ")


def describe_plan(prepared, transfer, seconds, steps_done=0):
    """Return the `Planned` of a run whose steps take so many seconds."""
    sizes, settings = prepared.sizes, prepared.settings
    architecture = prepared.network.architecture
    return Planned(
        network=prepared.network.name,
        size=sizes.content,
        precision=transfer.engine.precision,
        device=transfer.engine.device.name,
        settings=settings,
        terms=transfer.engine.terms,
        sides=tuple(scale.side for scale in transfer.scales),
        seconds=transfer.seconds_left(seconds),
        memory=room.estimate(sizes, architecture, settings, prepared.room),
        steps_done=steps_done,
    )


def resume(folder, given=None, **options):
    """Return the `Job` that continues the run in a folder.

    Args:
        folder: a `Path`.
        given: settings by name that the user gave; only more epochs are allowed to differ.
        options: `extras` and `deadline` of the job.

    Raises:
        files.FileError: the folder holds no run that can be continued.
        SettingsError: a setting would change the run.
    """
    record, settings = records.read_folder(folder)
    check_command(folder, record)
    settings = with_more_epochs(settings, given or {})
    record["settings"] = dataclasses.asdict(settings)
    trusted = {"is_trusted": records.is_local}
    inputs = records.locate_inputs(record, {}, **trusted)
    source = records.locate_weights(record, **trusted)
    return Job(inputs, settings, folder, record=record, weights=source, resumes=True, **options)


def check_command(path, record):
    """Raise FileError unless a record is one of painting."""
    maker = record.get("command")
    if "choices" in record:
        raise files.FileError(path, f"was made by {maker}", f"try: main.py {maker} --resume")
    if maker in OTHERS:
        raise files.FileError(path, *OTHERS[maker])


def with_more_epochs(settings, given):
    """Return a run's settings with more epochs, or other memory; refuse all other changes."""
    for name, value in given.items():
        kept = getattr(settings, name)
        if value != kept and name != "memory" and not (name == "epochs" and value > kept):
            option = FIELDS[name].metadata["flags"][0]
            more = " (or more)" if name == "epochs" else ""
            raise SettingsError(f"--resume: {option} is {kept}{more} in that run, not {value}")
    return dataclasses.replace(settings, **given)


def repeat(image, given, **options):
    """Return the `Job` that makes a result again, by the record in it.

    Args:
        image: path of a `result.png`.
        given: paths by role, `weights` among them, that the user names instead of the record's.
        options: `extras` and `deadline` of the job; its folder is still to be chosen.

    Raises:
        files.FileError: the picture has no record, or names files that it has no business with.
        SettingsError: a role is none of that run.
    """
    record, settings = records.read_image(image)
    check_command(image, record)
    for role in given.keys() - record["inputs"].keys() - {"weights"}:
        raise SettingsError(f"--from-image: that run had no {role}; leave out {flag(role)}")
    trusted = {"is_trusted": records.is_below_home}
    inputs = records.locate_inputs(record, given, **trusted)
    source = given.get("weights") or records.locate_weights(record, **trusted)
    return Job(inputs, settings, None, record=record, weights=source, **options)
