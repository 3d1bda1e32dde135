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
        self.model = model
        self.content = content
        self.style = style
        self.start = start
        self.settings = settings
        self.shape = content.shape[1:3]
        self.device = describe_device()
        self.precision = choose_precision(settings)
        smallest = min(*self.shape, *style.shape[1:3])
        self.scales = schedule.plan_scales(max(self.shape), smallest, settings)
        self.training = self.train_at(self.scales[0], start)

    def train_at(self, scale, image):
        """Prepare the training at one size, from an image of any."""
        factor = scale.side / max(self.shape)
        photo, painting = resize(self.content, factor), resize(self.style, factor)
        image = resize_to(image, photo.shape[1:3])
        return Training(self.model, photo, painting, image, self.settings)

    def measure(self):
        """Time the first steps, and undo them; return the seconds that a step takes there."""
        return self.training.measure()

    def run(self, *, deadline=math.inf):
        """Run: a generator of `Iterate`, about one a second and one an epoch.

        The first is the start image.

        Args:
            deadline: by `time.monotonic()`; the epoch that runs then is the last one.

        Raises:
            DivergedError: the loss became infinite or not a number.
        """
        losses = self.training.optimizer.losses.numpy()[np.newaxis]
        check_finite(losses, 0, self.settings)
        yield Iterate(0, 0, losses, np.asarray(self.start))
        epoch = 0
        for scale in self.scales:
            if scale is not self.scales[0]:
                self.training = self.train_at(scale, self.training.image.value())
            totals = [self.training.total]
            while len(totals) <= scale.epochs and not self.has_settled(totals):
                epoch += 1
                later = self.settings.steps * (scale.epochs - len(totals))
                yield from self.run_epoch(scale, epoch, later, deadline)
                totals.append(self.training.total)
                if time.monotonic() >= deadline:
                    return

    def has_settled(self, totals):
        """Tell whether the loss has not fallen by 0.1 % over the last `patience` epochs."""
        patience = self.settings.patience
        if not patience or len(totals) <= patience:
            return False
        return totals[-1] >= (1 - SETTLED) * totals[-1 - patience]

    def run_epoch(self, scale, epoch, later, deadline):
        """Run an epoch at a scale: a generator of `Iterate`; the last one has the image.

        Args:
            later: steps to come at this scale, after this epoch.
        """
        steps = self.settings.steps
        done = 0
        while done < steps:
            losses, seconds = self.training.advance(steps - done)
            check_finite(losses, (epoch - 1) * steps + done + 1, self.settings)
            done += len(losses)
            left = schedule.seconds_left(self.scales, scale, steps - done + later, seconds, steps)
            ended = done == steps or time.monotonic() >= deadline
            image = resize_to(self.training.image.value(), self.shape).numpy() if ended else None
            step = (epoch - 1) * steps + done
            yield Iterate(epoch, step, losses, image, seconds, left, self.training.taken_back)
            if ended:
                return


class Training:
    """The training of an image at one size; arguments as for `Transfer`, but of that size."""

    def __init__(self, model, content, style, start, settings):
        self.image = tf.Variable(start)
        targets = functions.compute_targets(model, content, style, settings)
        evaluate = tf.function(functions.build_evaluation(model, targets, settings))
        self.optimizer = build_optimizer(self.image, evaluate, settings)
        self.train = functions.build_training(self.optimizer)
        self.chunk = 1

    @property
    def total(self):
        """The weighted loss that the image has."""
        return float(self.optimizer.losses[-1])

    @property
    def taken_back(self):
        """Number of steps that the optimiser has taken back."""
        return int(getattr(self.optimizer, "taken_back", 0))

    def advance(self, most):
        """Run as many steps as fit into about a second, at most `most`.

        Returns:
            (losses, seconds): (n, 4) after each step, and the time for each.
        """
        count = min(self.chunk, most)
        begin = time.perf_counter()
        losses = self.train(tf.constant(count)).numpy()
        seconds = (time.perf_counter() - begin) / count
        self.chunk = max(1, int(SECONDS_BETWEEN_REPORTS / seconds))
        return losses, seconds

    def measure(self):
        """Time two steps after a first one, which builds the graph; undo all three."""
        variables = [self.image, *self.optimizer.variables]
        before = [variable.numpy() for variable in variables]
        self.advance(1)
        self.chunk = 2
        _, seconds = self.advance(2)
        for variable, value in zip(variables, before):
            variable.assign(value)
        return seconds


def build_optimizer(image, evaluate, settings):
    """Choose what moves the image."""
    if settings.optimizer == "adam":
        return optimizers.Adam(image, evaluate, learning_rate=settings.learning_rate)
    return optimizers.LBFGS(image, evaluate)


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
