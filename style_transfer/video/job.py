"""A film in, events out: from paths to a finished folder.

Nothing here prints, exits or handles signals, see `optimization.job`. TensorFlow is imported once
the inputs are known to be good.
"""

import dataclasses
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from style_transfer import files
from style_transfer.errors import ComputationError, SettingsError
from style_transfer.feedforward import models
from style_transfer.film_settings import FilmSettings
from style_transfer.optimization.events import (
    FilmPlanned,
    FrameDone,
    Loading,
    Notice,
    Saved,
    Saving,
)
from style_transfer.optimization.failures import explain, smaller, tensorflow_errors
from style_transfer.optimization.job import tell_differences
from style_transfer.runs import record as records
from style_transfer.runs.films import FilmRun
from style_transfer.runs.inputs import Inputs
from style_transfer.settings import Settings
from style_transfer.video import visits
from style_transfer.video.preparation import (
    estimate_disk,
    estimate_memory,
    make_record,
    prepare,
)
from style_transfer.video.selection import Selection

LEAST_STEPS, MOST_STEPS = 3, 200  # on a frame, that a time budget chooses among
SECONDS_TO_ENCODE = 0.03  # of each frame of 480×270 px


@dataclass(frozen=True)
class FilmJob:
    """One film to make.

    Attributes:
        inputs: paths; the content is a film.
        settings: of its pictures.
        film: a `FilmSettings`.
        selection: a `Selection` of its frames.
        folder: where the run goes; None: only plan it.
        model: the `style_file.StyleFile` of a trained network, or None.
        has_sound: whether the sound is copied.
        deadline: by `time.monotonic()`, or None.
        record: of the run that is continued, or None.
        weights: what `weights.load` takes, where that differs from the setting.
    """

    inputs: Inputs
    settings: Settings
    film: FilmSettings
    selection: Selection
    folder: Path | None
    model: object = None
    has_sound: bool = True
    deadline: float | None = None
    record: dict | None = None
    weights: str | None = None


def perform(job, *, should_stop=lambda: False, downloading=None):
    """Make a film: a generator of events, see `events`, that works between them.

    Args:
        should_stop: asked after every frame and about every second; if it says so, the run ends
            with a film of the frames that are done, and can be continued.
        downloading: see `optimization.job.perform`.

    Raises:
        As of `optimization.job.perform`.
    """
    try:
        prepared = yield from prepare(job, downloading)
        yield from paint(job, prepared, should_stop)
    except MemoryError as error:
        raise ComputationError(f"the memory ran out; {smaller(job.settings)}") from error
    except tensorflow_errors() as error:
        raise explain(error, job.settings) from error


def paint(job, prepared, should_stop):
    """Do the work of `perform` from where all is read."""
    if "tensorflow" not in sys.modules:
        yield Loading()
    from style_transfer.video import building

    painter, computed = yield from building.build(job, prepared)
    first, each = building.time_frames(painter, prepared, job)
    if job.deadline is not None:
        job = fit(job, len(prepared.times), first, each)
        painter = dataclasses.replace(painter, film=job.film)
        each *= job.film.frame_steps
    planned = plan(job, prepared)
    done = count_done(job)
    yield describe(job, prepared, computed, len(planned), done, (first, each))
    if job.folder is None:
        return
    record = make_record(job, prepared, film=describe_film(job), **computed)
    with open_run(job, record) as run:
        if job.record:
            yield from tell_differences(job.record, record)
        transfer = building.assemble(painter, prepared, job, planned, run)
        yield from complete(run, transfer, planned, should_stop)
        yield from finish(run, job, prepared, planned)


def plan(job, prepared):
    """List the visits: each of a few frames of a preview is painted as a picture of its own."""
    count = len(prepared.times)
    if job.selection.preview:
        return [visits.Visit(index, 0, ()) for index in range(count)]
    return visits.plan(count, job.film)


def describe_film(job):
    """Return what the record of a film has besides that of a picture."""
    film = dataclasses.asdict(job.film)
    selection = dataclasses.asdict(job.selection)
    return {"settings": film, "selection": selection, "sound": job.has_sound}


def fit(job, count, first, step):
    """Choose the steps on a frame by the time that is left; `step`: seconds of one."""
    left = job.deadline - time.monotonic() - first - SECONDS_TO_ENCODE * count
    steps = int(left / max(1, count - 1) / step)
    steps = max(LEAST_STEPS, min(MOST_STEPS, steps))
    return dataclasses.replace(job, film=dataclasses.replace(job.film, frame_steps=steps))


def count_done(job):
    """Count the visits that are done of the run that is continued."""
    if not job.record:
        return 0
    path = job.folder / "frames.csv"
    return max(0, path.read_text().count("\n") - 1) if path.exists() else 0


def describe(job, prepared, computed, count, done, seconds):
    """Return the `FilmPlanned`."""
    width, height = prepared.sizes.content
    parts = prepared.network.name, f"{width}×{height} px", computed["precision"]
    return FilmPlanned(
        parts=(*parts, computed["device"]),
        frames=len(prepared.times),
        visits=count,
        done=done,
        steps=0 if job.film.instant else job.film.frame_steps,
        seconds_first=seconds[0],
        seconds_each=seconds[0] if job.selection.preview else seconds[1],
        memory=estimate_memory(job, prepared),
        disk=estimate_disk(job, prepared),
    )


def open_run(job, record):
    """Return the `FilmRun`, begun or continued."""
    from style_transfer.video.transfer import MEASURES

    columns = ("number", "frame", *MEASURES, *record["terms"])
    if job.record:
        return FilmRun(job.folder, job.record, columns)
    return FilmRun.create(job.folder, record, columns)


def complete(run, transfer, planned, should_stop):
    """Paint what is left to do: yields iterates, and a `FrameDone` for each visit."""
    from style_transfer.video.transfer import Frame

    stale = [[] for _ in planned]
    for name, number in visits.last_uses(planned).items():
        stale[number].append(name)
    began, done = time.monotonic(), len(run.rows)
    for event in transfer.run(done, should_stop=should_stop):
        if not isinstance(event, Frame):
            yield event
            continue
        run.add(event, stale[event.number])
        count = len(run.rows) - done
        left = (time.monotonic() - began) / count * (len(planned) - len(run.rows))
        is_cut = event.measures["shot"] == event.visit.frame
        seconds = event.measures["seconds"]
        frame = event.visit.frame + 1
        yield FrameDone(event.number + 1, len(planned), frame, is_cut, seconds, left)


def finish(run, job, prepared, planned):
    """Write the films and the page of the frames that are done."""
    from style_transfer.video import results

    run.writer.finish()
    is_over = len(run.rows) == len(planned)
    yield Saving()
    result = results.write(run, job, prepared)
    run.save_record(finished=is_over, frames=len(run.rows))
    if is_over:
        run.clear()
    if result is None:
        yield Notice("no frame is done yet")
        result = run.folder
    yield Saved(run.folder, result, is_over, len(run.rows))


def resume(folder, **options):
    """Return the `FilmJob` that continues the run in a folder.

    Raises:
        files.FileError: the folder holds no film that can be continued.
    """
    record, settings = records.read_folder(folder)
    if record.get("command") != "video":
        raise files.FileError(folder, "is no run of a film", "leave out `video`")
    try:
        made = record["film"]
        film, selection = FilmSettings(**made["settings"]), Selection(**made["selection"])
        has_sound = made["sound"]
    except (KeyError, TypeError, SettingsError) as error:
        reason = f"is not the record of a film ({error})"
        raise files.FileError(folder, reason, "start anew with --overwrite") from None
    trusted = {"is_trusted": records.is_local}
    inputs = records.locate_inputs(record, {}, **trusted)
    model = weights = None
    if record.get("model"):
        model = models.read(records.locate_model(record, {}, **trusted))
        if not model.paints_any:
            inputs = dataclasses.replace(inputs, styles=(model.picture(),))
    if not film.instant:
        weights = records.locate_weights(record, **trusted)
    return FilmJob(
        inputs,
        settings,
        film,
        selection,
        folder,
        model=model,
        has_sound=has_sound,
        record=record,
        weights=weights,
        **options,
    )
