"""The loop: train the image epoch by epoch, and yield what is worth showing or saving."""

import math
import os
import time
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

import functions
import optimizers
import schedule

SECONDS_BETWEEN_REPORTS = 1.0
SETTLED = 0.001  # a loss that falls by less than this share has settled


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


def choose_precision(settings):
    """Return what the convolutions compute in: `float32`, `bfloat16` or `float16`.

    `auto` is what the machine computes fastest: float16 on a GPU with tensor cores, bfloat16 on
    a processor with instructions for it (without them it is emulated, and slower), else float32.
    """
    if settings.precision != "auto":
        return settings.precision
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        details = tf.config.experimental.get_device_details(gpus[0])
        return "float16" if details.get("compute_capability", (0, 0)) >= (7, 0) else "float32"
    cpuinfo = Path("/proc/cpuinfo")  # Linux; elsewhere float32 is always right
    flags = cpuinfo.read_text().split() if cpuinfo.exists() else []
    return "bfloat16" if {"avx512_bf16", "amx_bf16"} & set(flags) else "float32"


def build_network(weights, settings):
    """Build the truncated VGG19 that the settings ask for, with these weights.

    Raises:
        ValueError: the weights do not reach up to the deepest layer.
    """
    model = functions.build_model(
        settings.layers,
        widths=weights.widths,
        pooling=settings.pooling,
        precision=choose_precision(settings),
    )
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
    """Transfer the style: `Transfer(...).run()`."""
    return Transfer(model, content, style, start, settings).run()


@dataclass
class Position:
    """How far a run has come.

    Attributes:
        scale: index into the scales.
        epoch: epochs ended, over all scales.
        step: steps done in the epoch that runs.
        totals: the weighted loss at the start of the scale and after each epoch there.
        taken_back: steps that the optimiser took back at earlier scales.
    """

    scale: int = 0
    epoch: int = 0
    step: int = 0
    totals: tuple = ()
    taken_back: int = 0


class Transfer:
    """A style transfer, ready to run. Every one with the same arguments yields the same images.

    Args:
        model: from `build_network`.
        content, style: images (1, height, width, 3); their sizes may differ.
        start: image of the content's size.
        settings: weights of the losses, scales, epochs, steps, optimiser.
    """

    def __init__(self, model, content, style, start, settings):
        keras.utils.set_random_seed(settings.seed)
        tf.config.experimental.enable_op_determinism()
        self.content = content
        self.style = style
        self.start = start
        self.settings = settings
        self.shape = content.shape[1:3]
        self.device = describe_device()
        self.precision = choose_precision(settings)
        smallest = min(*self.shape, *style.shape[1:3])
        self.scales = schedule.plan_scales(max(self.shape), smallest, settings)
        self.training = Training(model, settings)
        self.position = Position()
        self.enter(self.scales[0], start)

    def enter(self, scale, image):
        """Begin to train at one size, from an image of any."""
        factor = scale.side / max(self.shape)
        photo, painting = resize(self.content, factor), resize(self.style, factor)
        self.training.begin(photo, painting, resize_to(image, photo.shape[1:3]))
        self.position.totals = (self.training.total,)

    def measure(self):
        """Return the seconds that a step takes at the first scale; it is not done for good."""
        return self.training.measure()

    def run(self, *, deadline=math.inf):
        """Run: a generator of `Iterate`, about one a second and one an epoch.

        The first is the start image.

        Args:
            deadline: by `time.monotonic()`; the epoch that runs then is the last one.

        Raises:
            DivergedError: the loss became infinite or not a number.
        """
        losses = self.training.losses[np.newaxis]
        check_finite(losses, 0, self.settings)
        yield Iterate(0, 0, losses, np.asarray(self.start))
        while True:
            while not self.is_over(self.scales[self.position.scale]):
                yield from self.run_epoch(deadline)
                if time.monotonic() >= deadline:
                    return
            if self.position.scale == len(self.scales) - 1:
                return
            self.position.scale += 1
            self.position.taken_back += self.training.taken_back
            self.enter(self.scales[self.position.scale], self.training.picture)

    def is_over(self, scale):
        """Tell whether a scale had all its epochs, or its loss has settled."""
        return len(self.position.totals) > scale.epochs or self.has_settled(self.position.totals)

    def has_settled(self, totals):
        """Tell whether the loss has not fallen by 0.1 % over the last `patience` epochs."""
        patience = self.settings.patience
        if not patience or len(totals) <= patience:
            return False
        return totals[-1] >= (1 - SETTLED) * totals[-1 - patience]

    def run_epoch(self, deadline):
        """Run an epoch, or what is left of it: a generator of `Iterate`; the last has the image."""
        position, steps = self.position, self.settings.steps
        before = position.epoch * steps
        while position.step < steps:
            losses, seconds = self.training.advance(steps - position.step)
            check_finite(losses, before + position.step + 1, self.settings)
            position.step += len(losses)
            step = before + position.step
            ended = position.step == steps or time.monotonic() >= deadline
            left = self.seconds_left(seconds)
            image = None
            if ended:
                image = resize_to(self.training.picture, self.shape).numpy()
                position.epoch += 1
                position.step = 0
                position.totals += (self.training.total,)
            taken_back = position.taken_back + self.training.taken_back
            yield Iterate(
                position.epoch + (not ended), step, losses, image, seconds, left, taken_back
            )
            if ended:
                return

    def seconds_left(self, seconds):
        """Estimate the time to the end from the seconds of a step."""
        position, steps = self.position, self.settings.steps
        scale = self.scales[position.scale]
        here = steps * (scale.epochs + 1 - len(position.totals)) - position.step
        return schedule.seconds_left(self.scales, scale, here, seconds, steps)


class Training:
    """The training of an image; built once, for pictures of all sizes.

    Args:
        model: from `build_network`.
        settings: layers, losses and their weights, optimiser.
    """

    def __init__(self, model, settings):
        self.model = model
        self.settings = settings
        self.optimizer = build_optimizer(settings)
        self.evaluate = functions.build_evaluation(model, settings)
        self.train = None
        self.targets = None
        self.state = None
        self.chunk = 1

    def begin(self, content, style, start):
        """Compute the targets from pictures of one scale, and evaluate the image to start from."""
        self.targets = functions.compute_targets(self.model, content, style, self.settings)
        self.state = self.optimizer.start(start)
        if self.train is None:
            arguments = (self.evaluate, self.optimizer, self.state, self.targets)
            self.train = functions.build_training(*arguments)
        self.chunk = 1
        self.run(1)

    @property
    def picture(self):
        """The image (1, height, width, 3) to show."""
        return self.optimizer.picture(self.state)

    @property
    def losses(self):
        """The losses (4,) of the image."""
        return self.state["losses"].numpy()

    @property
    def total(self):
        """The weighted loss of the image."""
        return float(self.losses[-1])

    @property
    def taken_back(self):
        """Number of steps that the optimiser has taken back."""
        return int(self.state.get("taken_back", 0))

    def run(self, count):
        """Run so many steps; return (losses, seconds): (count, 4), and the time for each."""
        begin = time.perf_counter()
        self.state, losses = self.train(self.state, self.targets, tf.constant(count))
        return losses.numpy(), (time.perf_counter() - begin) / count

    def advance(self, most):
        """Run as many steps as fit into about a second, at most `most`; return as `run` does."""
        losses, seconds = self.run(min(self.chunk, most))
        self.chunk = max(1, int(SECONDS_BETWEEN_REPORTS / seconds))
        return losses, seconds

    def measure(self):
        """Time two steps, and undo them."""
        state = self.state
        _, seconds = self.run(2)
        self.state = state
        return seconds


def build_optimizer(settings):
    """Choose what moves the image."""
    if settings.optimizer == "adam":
        return optimizers.Adam(learning_rate=settings.learning_rate, average=settings.average)
    return optimizers.LBFGS()


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
