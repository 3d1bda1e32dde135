"""The loop: train the image epoch by epoch, and yield what is worth showing or saving."""

import math
import os
import time
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

import functions
import optimizers
from settings import parse_scales

SECONDS_BETWEEN_REPORTS = 1.0
SMALLEST_SCALE = 160  # longer side; below it the deepest layers see little more than one stroke
MIN_SIDE = 32  # as in images.MIN_SIDE


class DivergedError(ArithmeticError):
    """The loss is no longer a finite number."""


@dataclass(frozen=True)
class Iterate:
    """Where the optimisation stands.

    Attributes:
        epoch: from 1; 0 for the start image.
        step: steps done, over all epochs.
        losses: (n, 4), a row for each step since the last iterate (for the start image, its
            own): content, style, total variation (unweighted) and total after that step.
        image: (1, height, width, 3) in [0, 1], of the final size, at the end of an epoch, else
            None.
        seconds_per_step: of the steps since the last iterate; None where there were none.
        seconds_left: estimated, for all steps to come.
        taken_back: steps that the optimiser has taken back so far.
    """

    epoch: int
    step: int
    losses: np.ndarray
    image: np.ndarray | None
    seconds_per_step: float | None = None
    seconds_left: float | None = None
    taken_back: int = 0


@dataclass(frozen=True)
class Scale:
    """A part of the run at one size: the longer side of the image, and its epochs."""

    side: int
    epochs: range


def build_network(weights, settings):
    """Build the truncated VGG19 that the settings ask for, with these weights.

    Raises:
        ValueError: the weights do not reach up to the deepest layer.
    """
    model = functions.build_model(settings.layers, widths=weights.widths, pooling=settings.pooling)
    weights.assign(model)
    return model


def start_image(content, style, settings):
    """Return the image that the optimisation starts from, in the size of the content.

    Args:
        content: (1, height, width, 3).
        style: (1, any height, any width, 3): the painting; or the start picture itself, if
            `settings.init` names one.
    """
    if settings.init == "content":
        return content
    if settings.init == "noise":
        generator = np.random.default_rng(settings.seed)
        return generator.uniform(size=content.shape).astype(np.float32)
    return resize_to(style, content.shape[1:3]).numpy()


def plan_scales(side, short_side, settings):
    """Share the epochs out over sizes that grow to the final one.

    Small images let brush strokes grow large, since the network sees only so many pixels
    (Gatys et al., arXiv:1611.07865, section 6), and their steps cost little.

    Args:
        side: longer side of the final image.
        short_side: the shortest side of content and style at that size.
        settings: `scales` and `epochs`.

    Returns:
        A list of `Scale`, the last of the final size; together they have all epochs.
    """
    sides = parse_scales(settings.scales)
    if settings.scales == "1":
        sides = ()
    elif sides is None:
        sides = [round(side / math.sqrt(2) ** power) for power in range(12, 0, -1)]
        sides = [each for each in sides if each >= SMALLEST_SCALE]
    smaller = [each for each in sides if each < side and each / side * short_side >= MIN_SIDE]
    sides = [*smaller, side][-settings.epochs :]
    share, rest = divmod(settings.epochs, len(sides))
    scales, first = [], 1
    for index, each in enumerate(sides):
        epochs = range(first, first + share + (index < rest))
        scales.append(Scale(each, epochs))
        first = epochs.stop
    return scales


def resize(image, scale):
    """Scale (1, height, width, 3) by a factor; a scale of 1 changes nothing."""
    shape = [max(1, round(side * scale)) for side in image.shape[1:3]]
    return resize_to(image, shape)


def resize_to(image, shape):
    """Resize (1, any height, any width, 3) to (height, width) = `shape`, bicubic."""
    if tuple(image.shape[1:3]) == tuple(shape):
        return tf.convert_to_tensor(image)
    resized = tf.image.resize(image, shape, "bicubic", antialias=True)
    return tf.clip_by_value(resized, 0.0, 1.0)


def run(model, content, style, start, settings):
    """Transfer the style: a generator of `Iterate`, about one a second and one an epoch.

    The first is the start image. Every run with the same arguments yields the same images.

    Args:
        model: from `build_network`.
        content, style: images (1, height, width, 3); their sizes may differ.
        start: image of the content's size.
        settings: weights of the losses, scales, epochs, steps, optimiser.

    Raises:
        DivergedError: the loss became infinite or not a number.
    """
    keras.utils.set_random_seed(settings.seed)
    tf.config.experimental.enable_op_determinism()
    shape = content.shape[1:3]
    scales = plan_scales(max(shape), min(*shape, *style.shape[1:3]), settings)
    image = start
    for scale in scales:
        factor = scale.side / max(shape)
        photo, painting = resize(content, factor), resize(style, factor)
        image = resize_to(image, photo.shape[1:3])
        training = Training(model, photo, painting, image, settings)
        if scale is scales[0]:
            losses = training.optimizer.losses.numpy()[np.newaxis]
            check_finite(losses, 0, settings)
            yield Iterate(0, 0, losses, np.asarray(start))
        for epoch in scale.epochs:
            for step, losses, seconds in training.epoch(epoch):
                left = seconds_left(scales, scale, step, seconds, settings)
                ended = step == epoch * settings.steps
                image = training.image.value()
                snapshot = resize_to(image, shape).numpy() if ended else None
                taken_back = training.taken_back
                yield Iterate(epoch, step, losses, snapshot, seconds, left, taken_back)


class Training:
    """The training of an image at one size."""

    def __init__(self, model, content, style, start, settings):
        """Compute the targets and build the training function; arguments as for `run`."""
        self.settings = settings
        self.image = tf.Variable(start)
        targets = functions.compute_targets(model, content, style, settings)
        evaluate = tf.function(functions.build_evaluation(model, targets, settings))
        self.optimizer = build_optimizer(self.image, evaluate, settings)
        self.train = functions.build_training(self.optimizer)
        self.chunk = 1

    @property
    def taken_back(self):
        """Number of steps that the optimiser has taken back."""
        return int(getattr(self.optimizer, "taken_back", 0))

    def epoch(self, number):
        """Run the steps of an epoch; yield (steps done, losses, seconds per step) on the way."""
        done, end = ((number - 1) * self.settings.steps, number * self.settings.steps)
        while done < end:
            count = min(self.chunk, end - done)
            begin = time.perf_counter()
            losses = self.train(tf.constant(count)).numpy()
            seconds = (time.perf_counter() - begin) / count
            check_finite(losses, done + 1, self.settings)
            done += count
            self.chunk = max(1, int(SECONDS_BETWEEN_REPORTS / seconds))
            yield done, losses, seconds


def build_optimizer(image, evaluate, settings):
    """Choose what moves the image."""
    if settings.optimizer == "adam":
        return optimizers.Adam(image, evaluate, learning_rate=settings.learning_rate)
    return optimizers.LBFGS(image, evaluate)


def seconds_left(scales, scale, step, seconds, settings):
    """Estimate the time to the end: a step costs in proportion to its pixels."""
    steps_at = {each.side: settings.steps * len(each.epochs) for each in scales}
    to_come = [each for each in scales if each.side > scale.side]
    here = settings.steps * (scale.epochs.stop - 1) - step
    later = sum(steps_at[each.side] * (each.side / scale.side) ** 2 for each in to_come)
    return seconds * (here + later)


def check_finite(losses, first, settings):
    """Raise DivergedError at the first row that is not finite; the rows are of steps `first` on."""
    bad = ~np.isfinite(losses).all(axis=1)
    if bad.any():
        step = first + int(bad.argmax())
        epoch = max(1, math.ceil(step / settings.steps))
        raise DivergedError(
            f"diverged at epoch {epoch}, step {step}; lower --learning-rate or the weights"
        )


def describe_device():
    """Name what computes: the GPU, or the number of threads on the processor."""
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        details = tf.config.experimental.get_device_details(gpus[0])
        return details.get("device_name", "GPU")
    threads = tf.config.threading.get_intra_op_parallelism_threads() or os.cpu_count()
    return f"CPU, {threads} threads"
