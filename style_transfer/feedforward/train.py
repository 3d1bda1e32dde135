"""Photos and paintings in, a trained network out: from paths to finished files, as events.

Nothing here prints or exits, see `optimization.job`. TensorFlow is imported once the first inputs
are known to be good.
"""

import dataclasses
import math
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from style_transfer import files
from style_transfer.errors import ComputationError
from style_transfer.feedforward import dataset, replicas, style_file
from style_transfer.networks import weights
from style_transfer.optimization import failures, job, memory
from style_transfer.optimization.events import Loading, Notice, Planned, Saved, Saving
from style_transfer.optimization.preparation import load_weights
from style_transfer.pictures import images
from style_transfer.runs import record as records
from style_transfer.runs.checkpoint import CheckpointError
from style_transfer.runs.folder import Run
from style_transfer.runs.inputs import Inputs
from style_transfer.settings import Settings

HELD_BACK = 8  # photos that the network is judged by
CROP = 168  # pixels: with the border, what VGG halves four times
SHORTER_SIDE = 288  # of the photos that are cropped, so that things have the size they have at use
RESERVE = 10.0  # seconds of a time budget for what comes before and after the steps
LEAST_STEPS = 2  # of an epoch
THUMBNAILS = 24  # of the paintings that a network for any style was trained with, at most
LIBRARIES = {"tensorflow": "TensorFlow", "jax": "JAX"}
OTHER = "choose another --output, or add --overwrite"


@dataclass(frozen=True)
class Task:
    """One network to train.

    Attributes:
        styles: paths of the paintings, a style each.
        photos: path of a folder.
        output: path of the `.style` file; beside it lies the folder of the training.
        settings: a `Settings`: layers and weights of the loss, epochs and steps, learning rate.
        batch: photos a step.
        preview: path of the photo to show, or None: one that is held back.
        minutes: how long it may take: chooses the steps; or None.
        overwrite: whether to begin anew what was trained, or begun, with other settings.
        arch: `johnson`, a scale and a shift for each painting, or one of `style_file.FOR_ANY`.
        start: path of a trained network to begin with, or None.
        add: whether the styles are added to those that it has, of which nothing changes.
        critic: weight of the critic's loss; 0: there is none.
        backend: what computes, of `LIBRARIES`; Keras' own by the time that it is imported.
        gpus: how many share a batch, or `replicas.ALL`; None: what computes by itself.
    """

    styles: tuple
    photos: str
    output: Path
    settings: Settings
    batch: int
    preview: str | None = None
    minutes: float | None = None
    overwrite: bool = False
    arch: str = "johnson"
    start: str | None = None
    add: bool = False
    critic: float = 0.0
    backend: str = "tensorflow"
    gpus: int | str | None = None

    @property
    def folder(self):
        """Where snapshots, losses and checkpoints go."""
        return self.output.with_suffix(".training")


def perform(task, *, should_stop=lambda: False, downloading=None):
    """Train a network: a generator of events, see `events`, that works between them.

    Args:
        should_stop, downloading: see `job.perform`.

    Raises:
        files.FileError: a file cannot be used.
        SettingsError: there are no such weights, or GPUs.
        ArithmeticError: the loss diverged.
        ComputationError: the memory ran out, or the device failed.
        OSError: a file could not be written.
    """
    try:
        began = time.monotonic()
        material = Material.load(task, downloading)
        for picture in material.pictures:
            yield from map(Notice, picture.notices)
        record = make_record(task, material)
        record, settings = find_run(task, record) or (record, task.settings)
        if task.backend not in sys.modules:
            yield Loading(LIBRARIES[task.backend])
        devices = replicas.find(task.gpus, task.batch)
        if devices.notice:
            yield Notice(devices.notice)
        with open_run(task, record) as run:
            yield from train(run, task, settings, material, devices, began, should_stop)
    except MemoryError as error:
        raise ComputationError("the memory ran out; close other programs") from error
    except (*failures.tensorflow_errors(), *failures.jax_errors()) as error:
        failure = failures.explain(error, task.settings)
        if failures.is_out_of_memory(error):
            failure = ComputationError(f"{failure}, or give a smaller --batch")
        raise failure from error


@dataclass(frozen=True)
class Material:
    """What a training has before TensorFlow is needed.

    Attributes:
        styles, preview: `images.Picture`s.
        paths: of the photos to train on.
        held_back: of those to judge by.
        network: `Weights` of the network that sees.
        start: `StyleFile` of the network to begin with, or None.
    """

    styles: tuple
    preview: images.Picture
    paths: list
    held_back: list
    network: object
    start: object

    @classmethod
    def load(cls, task, downloading):
        """Read the paintings and the preview, list the photos, load the weights."""
        styles = tuple(map(images.load, task.styles))
        paths, held_back = split(dataset.list_pictures(task.photos), task.settings.seed)
        preview = images.load(task.preview or held_back[0])
        network = load_weights(task.settings.weights, task.settings, downloading)
        start = style_file.read(task.start) if task.start else None
        if start:
            style_file.check_start(start, task.arch)
        return cls(styles, preview, paths, held_back, network, start)

    @property
    def pictures(self):
        """All pictures that are read whole."""
        return self.preview, *self.styles


def split(paths, seed):
    """Hold back an eighth of the photos, eight at most; of fewer than eight, one is not spared."""
    order = np.random.default_rng((seed, 3)).permutation(len(paths))
    count = min(HELD_BACK, len(paths) // 8)
    shuffled = [paths[index] for index in order]
    return sorted(shuffled[count:]), shuffled[: max(1, count)]


def make_record(task, material):
    """Return the record of a training."""
    size = images.fitted_size(material.preview.pixels.size, task.settings.size)
    inputs = Inputs(material.preview, material.styles)
    listed = "\n".join(f"{each.name} {each.stat().st_size}" for each in material.paths)
    training = {"photos": str(task.photos), "sha256": files.sha256(listed.encode())}
    training |= {"count": len(material.paths), "minutes": task.minutes}
    training |= {"batch": task.batch, "crop": CROP, "shorter_side": SHORTER_SIDE}
    training |= {"arch": task.arch, "add": task.add, "critic": task.critic}
    training |= {"from": material.start and material.start.sha256}
    training |= {"backend": task.backend} if task.backend != "tensorflow" else {}
    computed = {
        "device": "",
        "precision": task.settings.precision,
        "command": "train",
        "training": training,
        "versions": records.versions(task.backend),
    }
    terms = ["content", "style", "total_variation", *["critic"] * bool(task.critic), "validation"]
    return records.make_record(
        task.settings, inputs, material.network, size, terms=terms, **computed
    )


def find_run(task, now):
    """Return record and settings of the training that the folder holds, or None.

    Raises:
        files.FileError: it is another one, and not to be overwritten.
    """
    if task.overwrite or not (task.folder / records.NAME).exists():
        if task.output.exists() and not task.overwrite:
            raise files.FileError(task.output, "is there already", OTHER)
        return None
    then, settings = records.read_folder(task.folder)
    if identify(then, task.minutes) != identify(now, task.minutes):
        raise files.FileError(task.folder, "holds the training of another network", OTHER)
    return then, settings


def identify(record, minutes):
    """Return what tells one training from another; a time budget chooses the steps."""
    settings = dict(record["settings"])
    if minutes:
        settings.pop("steps")
    fingerprint = records.fingerprint(record | {"settings": settings})
    return fingerprint, settings["epochs"], record.get("training")


def open_run(task, record):
    """Return the `Run` of a training, begun or continued."""
    if (task.folder / records.NAME).exists() and not task.overwrite:
        return Run(task.folder, record)
    task.output.parent.mkdir(parents=True, exist_ok=True)
    return Run.create(task.folder, record)


def train(run, task, settings, material, devices, began, should_stop):
    """Train to the end, or until asked to stop, and write the network: a generator of events."""
    if records.is_finished(run.folder) and task.output.exists():
        yield Notice("trained before; --overwrite trains it anew")
        yield Saved(run.folder, task.output, True, 0)
        return
    from style_transfer.feedforward.start import build_trainer

    saved, notice = run.load_checkpoint()
    if notice:
        yield Notice(notice)
    try:
        with devices.scope():
            trainer = build_trainer(task, material, settings, devices, saved)
    except CheckpointError as error:
        raise files.FileError(run.folder, error, "start anew with --overwrite") from None
    seconds = trainer.time_step()
    if task.minutes and not saved:
        settings = fit(settings, 60 * task.minutes - (time.monotonic() - began), seconds)
        run.record["settings"] = dataclasses.asdict(settings)
        trainer.reschedule(settings)
    run.record |= {"precision": trainer.loss.precision, "device": devices.name}
    run.save_record(finished=False)
    run.image = trainer.image
    yield describe_plan(run, trainer, material, seconds)
    for iterate in trainer.run(should_stop=should_stop):
        run.add(iterate, trainer)
        yield iterate
    yield Saving()
    run.save_result(finished=trainer.is_finished)
    job.report(run, Inputs(material.preview, material.styles), ())
    write(task, trainer, material, run.record)
    yield from tell_unreadable(trainer.lesson.photos)
    yield Saved(run.folder, task.output, trainer.is_finished, trainer.step)


def fit(settings, seconds, step):
    """Return the settings with as many steps as fit into so many seconds."""
    steps = (seconds - RESERVE) / step / settings.epochs
    return dataclasses.replace(settings, steps=max(LEAST_STEPS, math.floor(steps)))


def describe_plan(run, trainer, material, seconds):
    """Return the `Planned` of a training."""
    left = trainer.schedule.steps - trainer.step
    return Planned(
        network=f"trained by {material.network.name}",
        size=(CROP, CROP),
        precision=run.record["precision"],
        device=", ".join(filter(None, [f"{len(material.paths)} photos", trainer.devices.name])),
        settings=trainer.settings,
        terms=tuple(run.record["terms"]),
        sides=(CROP,),
        seconds=left * seconds,
        memory=memory.resident(),  # steps have been done, to time them
        steps_done=trainer.step,
    )


def write(task, trainer, material, record):
    """Write the best network so far."""
    styles = [(Path(each.path).stem, each.pixels) for each in material.styles]
    if task.arch in style_file.FOR_ANY:
        styles = styles[:THUMBNAILS]
    if task.add:
        styles = [*zip(material.start.names, material.start.thumbnails), *styles]
    facts = {"settings": record["settings"], "training": record["training"], "arch": task.arch}
    facts |= {"weights": record["weights"], "versions": record["versions"]}
    facts |= {"eye": weights.load("compact").sha256}
    facts |= {"steps": trainer.step, "validation": trainer.best_validation}
    style_file.write(task.output, trainer.best, styles, facts)


def tell_unreadable(photos):
    """Say how many photos could not be read."""
    if photos.unreadable:
        first = next(iter(photos.unreadable.values()))
        yield Notice(f"{len(photos.unreadable)} photos could not be read, for example: {first}")
