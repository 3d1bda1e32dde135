"""Train a network that paints in one pass, by the loss that painting minimizes.

Johnson, Alahi and Fei-Fei (arXiv:1603.08155): instead of one image, the weights of a network are
optimized, so that what it makes of any photo has a small loss. What differs from painting: far
from its minimum the error of a style counts by its logarithm alone. It begins a hundred times
larger than it ends; in proportion it would drown the content, which the network then never learns
to keep, and of several styles the one that it can do least about would get all the attention.
"""

import math
import time
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

import functions
from style_transfer.feedforward import gallery, trained
from style_transfer.method.statistics import square_root
from style_transfer.optimization import targets
from style_transfer.optimization.engine import build_network, choose_lifts
from style_transfer.optimization.events import Iterate
from style_transfer.optimization.targets import Style
from style_transfer.optimization.transfer import check_finite
from style_transfer.runs import checkpoint

KNEE = 0.06  # the error of a style above which its logarithm begins to count
WARM = 50  # steps in which the learning rate grows
CLIP = 10.0  # the longest a gradient may be
SECONDS = 1.0  # between two iterates
SHOWN = 4  # styles in the preview, at most
UNTIMED_STEPS, TIMED_STEPS = 3, 5  # when the time of a step is measured
TERMS = (*functions.TERMS, "validation")


@dataclass(frozen=True)
class Schedule:
    """How many steps there are, and what changes on the way.

    Attributes:
        steps: in all.
        learning_rate: the highest; it falls to 0 along a cosine.
    """

    steps: int
    learning_rate: float

    def rate(self, step):
        """Return the learning rate of a step, from 0."""
        cosine = 0.5 * (1.0 + math.cos(math.pi * step / self.steps))
        return self.learning_rate * min(1.0, (step + 1) / WARM) * cosine


@dataclass(frozen=True)
class Lesson:
    """What a network learns from, besides the styles.

    Attributes:
        photos: `dataset.Batches`.
        held_back: (n, height, width, 3), photos that are not among them.
        preview: (1, height, width, 3), one that is shown.
        styles: (count, …), what tells the network how to paint like each picture of the `Loss`.
        paintings: how many of these, the first ones, are no variations.
    """

    photos: Any
    held_back: Any
    preview: Any
    styles: Any
    paintings: int


class Loss:
    """The losses of images, each of which is to resemble one of several pictures, or two.

    Args:
        network: `networks.weights.Weights` of the network that sees.
        settings: a `Settings`.
        styles: the pictures, each (1, height, width, 3); one is looked at after the other.
    """

    def __init__(self, network, settings, styles):
        self.settings = settings
        self.model = build_network(network, settings, "float32")
        self.lifts = choose_lifts(network, settings)
        self.weights = np.float32(settings.loss_weights)
        self.styles = self.describe(styles)

    def describe(self, styles):
        """Return the statistics of all styles, stacked: from layer name to a region."""
        found = [
            targets.describe_picture(self.model, Style(each), self.settings, self.lifts)
            for each in styles
        ]
        stacked = {}
        for name, weight in targets.layer_weights(self.settings, self.model).items():
            own = [each[name][0] for each in found]
            statistics = {key: ops.stack([each[key][0] for each in own]) for key in own[0]}
            stacked[name] = {"weight": weight, "statistics": statistics}
            stacked[name] |= {"lift": self.lifts[name]} if name in self.lifts else {}
        return stacked

    def __call__(self, photos, images, choice):
        """Return the unweighted losses of each image, (batch, 3) in the order of `functions.TERMS`.

        Args:
            photos, images: (batch, height, width, 3) in [0, 1].
            choice: `gallery.Choice` of what they are to resemble.
        """
        settings = self.settings
        content = functions.extract_features(self.model, photos, border=settings.border)
        content = {name: content[name] for name in settings.content_layers}
        features = functions.extract_features(self.model, images, border=settings.border)
        return ops.stack(
            [
                functions.content_loss(features, content, form=settings.loss),
                functions.style_loss(
                    features, self.choose(choice), kind=settings.style_loss, form=settings.loss
                ),
                functions.total_variation(images, form=settings.tv_form),
            ],
            axis=1,
        )

    def choose(self, choice):
        """Return what the images are to resemble, see `functions.style_loss`."""

        def mix(statistics):
            mixed = {key: gallery.mix(each, choice) for key, each in statistics.items()}
            if "covariance" in mixed:
                mixed["root"] = square_root(mixed["covariance"])
            return mixed

        return {
            name: [region | {"statistics": mix(region["statistics"])}]
            for name, region in self.styles.items()
        }

    def objective(self, losses):
        """Return what is minimized: the weighted losses, of the styles' errors the logarithm."""
        content, style, variation = ops.unstack(losses, axis=1)
        tempered = KNEE * ops.log(1.0 + style / KNEE)
        return ops.mean(ops.matmul(ops.stack([content, tempered, variation], axis=1), self.column))

    @property
    def column(self):
        """The weights of the losses, (3, 1)."""
        return ops.convert_to_tensor(self.weights[:, None])


class Trainer:
    """Trains a network. Every one with the same arguments yields the same weights.

    To whoever saves what it yields, it looks like a `transfer.Transfer`.

    Args:
        network: from `trunk.build_trunk`.
        loss: a `Loss`.
        lesson: what to learn from, a `Lesson`.
        settings: epochs, steps, learning rate, seed.
        saved: from `save`, to continue where another one was.

    Raises:
        checkpoint.CheckpointError: what was saved is not of such a training.
    """

    def __init__(self, network, loss, lesson, settings, *, saved=None):
        self.network, self.loss, self.lesson = network, loss, lesson
        self.reschedule(settings)
        self.styles = tf.constant(lesson.styles)
        self.optimizer = keras.optimizers.Adam(global_clipnorm=CLIP)
        self.optimizer.build(network.trainable_variables)
        self.compiled = tf.function(self.take_step, autograph=False)
        self.step, self.validation, self.is_new = 0, math.inf, saved is None
        self.best, self.best_validation = trained.list_weights(network), math.inf
        if saved:
            self.restore(*saved)

    def reschedule(self, settings):
        """Plan as many steps as the settings say."""
        self.settings = settings
        self.schedule = Schedule(settings.epochs * settings.steps, settings.learning_rate)

    def take_step(self, photos, choice, rate):
        """Do one step; return the losses before it."""
        variables = self.network.trainable_variables
        with tf.GradientTape() as tape:
            images = self.network([photos, gallery.mix(self.styles, choice)], training=True)
            losses = self.loss(photos, images, choice)
            objective = self.loss.objective(losses)
        self.optimizer.learning_rate.assign(rate)
        self.optimizer.apply(tape.gradient(objective, variables), variables)
        return ops.mean(losses, axis=0)

    def next_step(self, photos):
        """Do the next step with a batch of photos; return its losses."""
        generator = np.random.default_rng((self.settings.seed, self.step, 2))
        choice = gallery.draw(generator, len(photos), len(self.styles))
        rate = tf.constant(self.schedule.rate(self.step), tf.float32)
        losses = self.compiled(tf.constant(photos), choice, rate)
        self.step += 1
        return losses.numpy()

    def time_step(self):
        """Return the seconds that a step takes; nothing is done for good."""
        arrays, header = self.save()
        batches = self.lesson.photos.from_batch(0)
        for _ in range(UNTIMED_STEPS):
            self.next_step(next(batches))
        began = time.perf_counter()
        for _ in range(TIMED_STEPS):
            self.next_step(next(batches))
        seconds = (time.perf_counter() - began) / TIMED_STEPS
        batches.close()
        self.restore(arrays, header)
        return seconds

    def run(self, *, should_stop=lambda: False):
        """Train: a generator of `Iterate`, about one a second and one an epoch.

        The first is what the network makes before it has learned anything, unless the training
        continues another.

        Args:
            should_stop: asked after every iterate.

        Raises:
            DivergedError: the loss became infinite or not a number.
        """
        if self.is_new:
            losses = self.validate()
            yield self.iterate(losses[None], None, self.validation)
        batches = self.lesson.photos.from_batch(self.step)
        stopped = False
        while not (stopped or self.is_finished):
            rows, began = [], time.monotonic()
            while not rows or (time.monotonic() - began < SECONDS and not self.ends_epoch):
                rows.append(self.next_step(next(batches)))
            seconds = (time.monotonic() - began) / len(rows)
            stopped, before = should_stop(), self.validation
            if self.ends_epoch or stopped:
                self.validate()
            yield self.iterate(np.stack(rows), seconds, before, stopped=stopped)
        batches.close()

    @property
    def ends_epoch(self):
        """Whether the last step was the last one of an epoch."""
        return self.step % self.settings.steps == 0

    @property
    def is_finished(self):
        """Whether nothing is left to do."""
        return self.step >= self.schedule.steps

    def iterate(self, rows, seconds, before, *, stopped=False):
        """Return the `Iterate` after some steps with such losses.

        Args:
            before: the validation until the last of these steps.
        """
        totals = rows @ self.loss.weights
        first = self.step - len(rows) + 1
        check_finite(totals, first, self.settings)
        validation = np.full((len(rows), 1), before, np.float32)
        validation[-1] = self.validation
        ended = self.ends_epoch or stopped
        return Iterate(
            epoch=math.ceil(self.step / self.settings.steps),
            step=self.step,
            losses=np.hstack([rows, validation]),
            totals=totals,
            image=self.image if ended else None,
            seconds_per_step=seconds,
            seconds_left=seconds and seconds * (self.schedule.steps - self.step),
            stopped=stopped,
        )

    def validate(self):
        """Judge the network by photos it is not trained on; return the losses, keep the best."""
        photos = self.lesson.held_back
        choice = gallery.pure(np.arange(len(photos)) % self.lesson.paintings)
        images = trained.paint(self.network, photos, gallery.mix(self.styles, choice))
        losses = self.loss(tf.constant(photos), tf.constant(images), choice).numpy().mean(axis=0)
        self.validation = float(losses @ self.loss.weights)
        if self.validation <= self.best_validation:
            self.best, self.best_validation = trained.list_weights(self.network), self.validation
        return losses

    @property
    def image(self):
        """The preview: what becomes of one photo, in the first styles side by side."""
        preview, shown = self.lesson.preview, self.styles[: min(SHOWN, self.lesson.paintings)]
        return np.concatenate(
            [trained.paint(self.network, preview, each[None]) for each in shown], axis=2
        )

    def save(self):
        """Return all there is to know in order to continue: (arrays, header)."""
        arrays = {
            f"network {key}": each for key, each in trained.list_weights(self.network).items()
        }
        arrays |= {f"best {key}": each for key, each in self.best.items()}
        optimizer = enumerate(self.optimizer.variables)
        arrays |= {f"optimizer {number}": np.array(each) for number, each in optimizer}
        names = ("step", "validation", "best_validation")
        return arrays, {name: getattr(self, name) for name in names}

    def restore(self, arrays, header):
        """Continue from what `save` returned."""
        checkpoint.check_arrays(arrays, self.save()[0])
        trained.assign(self.network, select(arrays, "network "))
        self.best = select(arrays, "best ")
        for number, variable in enumerate(self.optimizer.variables):
            variable.assign(arrays[f"optimizer {number}"])
        for name, value in header.items():
            setattr(self, name, value)


def select(arrays, prefix):
    """Return the arrays whose names begin with a prefix, without it."""
    return {
        key.removeprefix(prefix): each for key, each in arrays.items() if key.startswith(prefix)
    }
