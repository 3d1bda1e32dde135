"""Train a network that paints in one pass, by the loss that painting minimizes.

Johnson, Alahi and Fei-Fei (arXiv:1603.08155): instead of one image, the weights of a network are
optimized, so that what it makes of any photo has a small loss. What differs from painting: the
weight of the style grows in the first part of a training. Far from its minimum the relative error
of a style is a hundred times what it ends with; at its full weight from the first step on it
would drown the content, which the network then never learns to keep.
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
from style_transfer.feedforward import trained
from style_transfer.optimization import targets
from style_transfer.optimization.engine import build_network, choose_lifts
from style_transfer.optimization.events import Iterate
from style_transfer.optimization.transfer import check_finite
from style_transfer.runs import checkpoint

GROWTH = 0.4  # the share of the steps in which β grows
FIRST = 1 / 64  # what it grows from, against β
WARM = 50  # steps in which the learning rate grows
CLIP = 10.0  # the longest a gradient may be
SECONDS = 1.0  # between two iterates
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

    def style_share(self, step):
        """Return how much of β counts at a step."""
        return FIRST ** max(0.0, 1.0 - step / (GROWTH * self.steps))


@dataclass(frozen=True)
class Lesson:
    """What a network learns from, besides the styles.

    Attributes:
        photos: `dataset.Batches`.
        held_back: (n, height, width, 3), photos that are not among them.
        preview: (1, height, width, 3), one that is shown.
        shown: in how many styles, at most.
    """

    photos: Any
    held_back: Any
    preview: Any
    shown: int = 4


class Loss:
    """The losses of images, each in one of several styles.

    Args:
        network: `networks.weights.Weights` of the network that sees.
        settings: a `Settings`.
        styles: a list of lists of `Style`: what each style is learned from.
    """

    def __init__(self, network, settings, styles):
        self.settings = settings
        self.model = build_network(network, settings, "float32")
        self.lifts = choose_lifts(network, settings)
        self.weights = np.float32(settings.loss_weights)
        self.styles = self.describe(styles)

    def describe(self, styles):
        """Return the statistics of all styles, stacked: from layer name to a region."""
        blank = np.zeros((1, 32, 32, 3), np.float32)
        found = [
            targets.compute_targets(self.model, blank, each, self.settings, lifts=self.lifts).style
            for each in styles
        ]
        stacked = {}
        for name, (region,) in found[0].items():
            own = [each[name][0]["statistics"] for each in found]
            statistics = {key: ops.concatenate([each[key] for each in own]) for key in own[0]}
            stacked[name] = region | {"statistics": statistics}
        return stacked

    def __call__(self, photos, images, labels):
        """Return the unweighted losses, in the order of `functions.TERMS`.

        Args:
            photos, images: (batch, height, width, 3) in [0, 1].
            labels: (batch,) int, the style of each image.
        """
        border = self.settings.border
        content = functions.extract_features(self.model, photos, border=border)
        content = {name: content[name] for name in self.settings.content_layers}
        style = {
            name: [region | {"statistics": take(region["statistics"], labels)}]
            for name, region in self.styles.items()
        }
        features = functions.extract_features(self.model, images, border=border)
        goal = targets.Targets(content, style)
        return functions.compute_losses(features, images, goal, self.settings)


def take(statistics, labels):
    """Choose the statistics of the style of each image."""
    return {key: ops.take(each, labels, axis=0) for key, each in statistics.items()}


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
        self.styles = network.input_shape[1][1]
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

    def take_step(self, photos, labels, weights, rate):
        """Do one step; return the losses before it."""
        variables = self.network.trainable_variables
        with tf.GradientTape() as tape:
            images = self.network([photos, ops.one_hot(labels, self.styles)], training=True)
            losses = self.loss(photos, images, labels)
            total = ops.sum(weights * losses)
        self.optimizer.learning_rate.assign(rate)
        self.optimizer.apply(tape.gradient(total, variables), variables)
        return losses

    def next_step(self, photos):
        """Do the next step with a batch of photos; return its losses."""
        draw = np.random.default_rng((self.settings.seed, self.step, 2))
        labels = draw.integers(self.styles, size=len(photos))
        weights = self.loss.weights * (1.0, self.schedule.style_share(self.step), 1.0)
        losses = self.compiled(
            tf.constant(photos),
            tf.constant(labels, tf.int32),
            tf.constant(weights, tf.float32),
            tf.constant(self.schedule.rate(self.step), tf.float32),
        )
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
        labels = np.arange(len(photos)) % self.styles
        shares = np.eye(self.styles, dtype=np.float32)[labels]
        images = tf.constant(trained.paint(self.network, photos, shares))
        losses = self.loss(tf.constant(photos), images, tf.constant(labels)).numpy()
        self.validation = float(losses @ self.loss.weights)
        if self.validation <= self.best_validation:
            self.best, self.best_validation = trained.list_weights(self.network), self.validation
        return losses

    @property
    def image(self):
        """The preview: what becomes of one photo, in the first styles side by side."""
        shares = np.eye(self.styles, dtype=np.float32)[: self.lesson.shown]
        preview = self.lesson.preview
        return np.concatenate(
            [trained.paint(self.network, preview, each[None]) for each in shares], axis=2
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
