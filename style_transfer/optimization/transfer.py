"""The loop: train the image epoch by epoch, and yield what is worth showing or saving."""

import dataclasses
import math
import os
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

import functions
from style_transfer.optimization import optimizers, schedule

SETTLED = 0.001  # a loss that falls by less than this share has settled


class DivergedError(ArithmeticError):
    """The loss is no longer a finite number."""


@dataclass(frozen=True)
class Iterate:
    """Where the optimization stands.

    Attributes:
        epoch: from 1; 0 for the start image.
        step: steps done, over all epochs.
        losses: (n, 4), a row for each step since the last iterate (for the start image, its
            own): content, style, total variation (unweighted) and total after that step.
        image: (1, height, width, 3) in [0, 1], of the final size, at the end of an epoch and
            of the run, else None.
        seconds_per_step: of the steps since the last iterate; None where there were none.
        seconds_left: estimated, for all steps to come.
        taken_back: steps that the optimizer has taken back so far.
        stopped: whether the run ends here because it was asked to.
    """

    epoch: int
    step: int
    losses: np.ndarray
    image: np.ndarray | None
    seconds_per_step: float | None = None
    seconds_left: float | None = None
    taken_back: int = 0
    stopped: bool = False


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
        preprocessing=settings.preprocessing,
        precision=choose_precision(settings),
    )
    weights.assign(model)
    return model


def start_image(content, style, settings):
    """Return the image that the optimization starts from, in the size of the content.

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


def resize_mask(mask, shape):
    """Resize memberships (1, any height, any width, R) to (height, width) = `shape`."""
    if mask is None or tuple(mask.shape[1:3]) == tuple(shape):
        return mask
    return tf.image.resize(mask, shape, "area").numpy()


@dataclass
class Position:
    """How far a run has come.

    Attributes:
        scale: index into the scales.
        epochs: ended at that scale.
        epoch: epochs ended, over all scales.
        step: steps done in the epoch that runs.
        totals: the weighted loss after each epoch of the scale; without a warm-up, before the
            first, too.
        taken_back: steps that the optimizer took back at earlier scales.
        style_share: see `schedule.warm_up`; that of the last step.
    """

    scale: int = 0
    epochs: int = 0
    epoch: int = 0
    step: int = 0
    totals: tuple = ()
    taken_back: int = 0
    style_share: float = 1.0


class Transfer:
    """A style transfer, ready to run. Every one with the same arguments yields the same images.

    Args:
        training: a `training.Training` of like settings; it may have served another transfer.
        content: image (1, height, width, 3).
        styles: a list of `functions.Style`; their sizes may differ.
        start: image of the content's size.
        settings: weights of the losses, scales, epochs, steps, optimizer.
        mask: regions of the content, see `functions.compute_targets`.
        show: function from an image that was trained to the one to show.
        saved: from `save`, to continue where another one was; it needs no `start`.

    Raises:
        ValueError: what was saved is not of such a run.
    """

    def __init__(
        self, training, content, styles, start, settings, *, mask=None, show=np.asarray, saved=None
    ):
        keras.utils.set_random_seed(settings.seed)
        tf.config.experimental.enable_op_determinism()
        self.training = training
        self.content = content
        self.styles = styles
        self.mask = mask
        self.start = start
        self.show = show
        self.settings = settings
        self.shape = content.shape[1:3]
        self.device = describe_device()
        self.precision = choose_precision(settings)
        sides = [self.shape, *(style.picture.shape[1:3] for style in styles)]
        smallest = min(side for pair in sides for side in pair)
        self.scales = schedule.plan_scales(max(self.shape), smallest, settings)
        self.position = Position()
        self.is_new = saved is None
        if saved:
            self.restore(*saved)
        else:
            self.enter(start)

    def enter(self, image):
        """Begin to train at the scale of the position, from an image of any size."""
        photo = resize(self.content, self.factor)
        image = resize_to(image, photo.shape[1:3])
        self.position.epochs = 0
        share, _ = self.warm_up()
        self.training.begin(image, self.compute_targets(photo), share)
        self.position.style_share = share
        # The loss may rise while the weight of the style grows.
        self.position.totals = (self.training.total,) if share == 1.0 else ()

    def warm_up(self):
        """Return `schedule.warm_up` at the position."""
        position, steps = self.position, self.settings.steps
        done = position.epochs * steps + position.step
        planned = self.scales[position.scale].epochs * steps
        return schedule.warm_up(done, planned, self.settings)

    @property
    def factor(self):
        """The scale of the position, relative to the final size."""
        return self.scales[self.position.scale].side / max(self.shape)

    def compute_targets(self, photo):
        """Compute the targets at the scale of the position, the photo being of that size."""
        mask = resize_mask(self.mask, photo.shape[1:3])
        styles = []
        for style in self.styles:
            picture = resize(style.picture, self.factor)
            their_mask = resize_mask(style.mask, picture.shape[1:3])
            styles.append(functions.Style(picture, style.shares, their_mask))
        return functions.compute_targets(
            self.training.model,
            photo,
            styles,
            self.settings,
            mask=mask,
            descriptions=[self.training.describe(style) for style in styles],
        )

    def save(self):
        """Return all there is to know in order to continue: (arrays, header).

        The arrays are tensors by name: a step makes new ones and changes none.
        """
        header = {"scales": [dataclasses.astuple(scale) for scale in self.scales]}
        header["position"] = dataclasses.asdict(self.position)
        return optimizers.flatten(self.training.state), header

    def restore(self, arrays, header):
        """Continue from what `save` returned; epochs beyond its plan go to the last scale."""
        self.scales = [schedule.Scale(*values) for values in header["scales"]]
        self.position = Position(**header["position"])
        self.position.totals = tuple(self.position.totals)
        planned = sum(scale.epochs for scale in self.scales)
        if self.settings.epochs > planned:
            last = self.scales[-1]
            epochs = last.epochs + self.settings.epochs - planned
            self.scales[-1] = schedule.Scale(last.side, epochs)
            if self.position.scale == len(self.scales) - 1:
                self.position.totals = self.position.totals[-1:]  # else it may count as settled
        photo = resize(self.content, self.factor)
        share = self.position.style_share
        self.training.restore(arrays, photo, self.compute_targets(photo), share)

    def measure(self):
        """Return the seconds that a step takes at this scale; it is not done for good."""
        return self.training.measure()

    @property
    def picture(self):
        """The image to show, (1, height, width, 3), in the final size."""
        return self.show(resize_to(self.training.picture, self.shape).numpy())

    def run(self, *, should_stop=lambda: False):
        """Run: a generator of `Iterate`, about one a second and one an epoch.

        The first is the start image, unless the run continues another.

        Args:
            should_stop: asked after every iterate; if it says so, the run ends with an image
                there and then, and another one can continue from what `save` returns.

        Raises:
            DivergedError: the loss became infinite or not a number.
        """
        if self.is_new:
            losses = self.training.losses[np.newaxis]
            check_finite(losses, 0, self.settings)
            yield Iterate(0, 0, losses, self.show(np.asarray(self.start)))
        while True:
            while not self.is_over(self.scales[self.position.scale]):
                iterate = self.advance(should_stop)
                yield iterate
                if iterate.stopped:
                    return
            if self.is_finished:
                return
            self.position.scale += 1
            self.position.taken_back += self.training.taken_back
            self.enter(self.training.picture)

    @property
    def is_finished(self):
        """Whether nothing is left to do."""
        return self.position.scale == len(self.scales) - 1 and self.is_over(self.scales[-1])

    def is_over(self, scale):
        """Tell whether a scale had all its epochs, or its loss has settled."""
        between_epochs = self.position.step == 0
        settled = between_epochs and self.has_settled(self.position.totals)
        return self.position.epochs >= scale.epochs or settled

    def has_settled(self, totals):
        """Tell whether the loss has not fallen by 0.1 % over the last `patience` epochs."""
        patience = self.settings.patience
        if not patience or len(totals) <= patience:
            return False
        return totals[-1] >= (1 - SETTLED) * totals[-1 - patience]

    def advance(self, should_stop):
        """Run about a second, at most to the end of the epoch; return the `Iterate`."""
        position, steps = self.position, self.settings.steps
        epoch, before = position.epoch + 1, position.epoch * steps + position.step
        position.style_share, most = self.warm_up()
        self.training.warm_up(position.style_share)
        losses, seconds = self.training.advance(min(most, steps - position.step))
        check_finite(losses, before + 1, self.settings)
        position.step += len(losses)
        left = self.seconds_left(seconds)
        if ended := position.step == steps:
            position.epochs, position.epoch, position.step = position.epochs + 1, epoch, 0
            position.totals += (self.training.total,)
        stopped = should_stop()
        return Iterate(
            epoch=epoch,
            step=before + len(losses),
            losses=losses,
            image=self.picture if ended or stopped else None,
            seconds_per_step=seconds,
            seconds_left=left,
            taken_back=position.taken_back + self.training.taken_back,
            stopped=stopped,
        )

    def seconds_left(self, seconds):
        """Estimate the time to the end from the seconds of a step."""
        position, steps = self.position, self.settings.steps
        scale = self.scales[position.scale]
        here = steps * (scale.epochs - position.epochs) - position.step
        return schedule.seconds_left(self.scales, scale, here, seconds, steps)


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
