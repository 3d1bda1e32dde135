"""What needs TensorFlow of a film: the network, the painter, and how long a frame takes."""

import dataclasses
import time

from style_transfer.errors import SettingsError
from style_transfer.feedforward import instant, trained
from style_transfer.networks.instant import GOOGLE
from style_transfer.optimization.device import choose_precision, find_device
from style_transfer.optimization.events import Notice
from style_transfer.video.loss import FrameEngine
from style_transfer.video.materials import Materials
from style_transfer.video.painters import Optimizer, Pass
from style_transfer.video.transfer import FilmTransfer


def build(job, prepared):
    """Build what paints a frame: yields notices.

    Returns:
        (painter, computed): one of `painters`, and what computes, for the record.

    Raises:
        SettingsError: the weights do not reach up to the deepest layer.
    """
    device = find_device()
    if device.notice:
        yield Notice(device.notice)
    if job.film.instant:
        precision = choose_pass_precision(job)
        with device.scope():
            network = load_pass(job, precision)
        computed = {"device": device.name, "precision": precision, "terms": []}
        return Pass(network, job.settings, job.film.steadiness), computed
    try:
        engine = FrameEngine(prepared.network, job.settings, job.film.temporal_weight)
    except ValueError as error:
        raise SettingsError(f"--weights: {error}; choose other weights or layers") from None
    computed = {"device": device.name, "precision": engine.precision, "terms": list(engine.terms)}
    count = 2 if job.film.keyframes > 1 else len(job.film.distances)
    return Optimizer(engine, job.settings, job.film, count), computed


def choose_pass_precision(job):
    """Return what one pass computes in: other networks than the universal one have no choice."""
    is_universal = not job.model and job.settings.transform != GOOGLE
    return choose_precision(job.settings) if is_universal else "float32"


def load_pass(job, precision):
    """Return the network that paints in one pass."""
    if job.model:
        return trained.Network(job.model)
    return instant.load_compiled(job.settings.transform, precision)


def make_materials(prepared, job):
    """Return the `Materials` of the frames."""
    parts = prepared.pictures, prepared.sizes, prepared.frames, prepared.masks
    settings = job.settings
    if job.model and not job.model.paints_any:
        # The shares of the styles that a network knows are not those of the pictures.
        settings = dataclasses.replace(settings, blend=())
    return Materials(*parts, settings)


def assemble(painter, prepared, job, planned, run):
    """Return the `FilmTransfer` of a run."""
    return FilmTransfer(painter, make_materials(prepared, job), planned, run.recall)


def time_frames(painter, prepared, job):
    """Return the seconds of the first frame of a shot, and of another one.

    With a deadline, of one step on another one, by which the steps are chosen.
    """
    material = make_materials(prepared, job).of(0, 0)
    if job.film.instant:
        list(painter.paint((material, ()), None))
        began = time.perf_counter()
        list(painter.paint((material, ()), None))
        seconds = time.perf_counter() - began
        return seconds, seconds
    transfer = painter.begin(material)
    first = transfer.seconds_left(transfer.time_step())
    other = painter.go_on(material, [], "follow", own=material.content)
    step = other.time_step()
    return first, step if job.deadline is not None else step * job.film.frame_steps
