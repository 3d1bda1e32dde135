"""Train a network that paints in one pass, by the loss that painting minimizes.

Johnson, Alahi and Fei-Fei (arXiv:1603.08155): instead of one image, the weights of a network are
optimized, so that what it makes of any photo has a small loss.
"""

import math
import time
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from style_transfer.feedforward import architectures, backends, gallery, replicas
from style_transfer.optimization.divergence import check_finite, weigh
from style_transfer.optimization.events import Iterate
from style_transfer.runs import checkpoint

WARM = 50  # steps in which the learning rate grows
CLIP = 10.0  # the longest a gradient may be
SECONDS = 1.0  # between two iterates
SHOWN = 4  # styles in the preview, at most
UNTIMED_STEPS, TIMED_STEPS = 3, 5  # when the time of a step is measured


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


class Trainer:
    """Trains a network. Every one with the same arguments yields the same weights.

    To whoever saves what it yields, it looks like a `transfer.Transfer`.

    Args:
        network: from `architectures.build`.
        loss: a `loss.Loss`.
        lesson: what to learn from, a `Lesson`.
        settings: epochs, steps, learning rate, seed.
        critic: a `critic.Critic`, or None.
        devices: what it computes on, see `replicas`; the network, the loss and the critic were
            built in its scope.
        saved: from `save`, to continue where another one was.

    Raises:
        checkpoint.CheckpointError: what was saved is not of such a training.
    """

    def __init__(
        self, network, loss, lesson, settings, *, critic=None, devices=replicas.ALONE, saved=None
    ):
        self.network, self.loss, self.lesson, self.critic = network, loss, lesson, critic
        self.devices = devices
        self.reschedule(settings)
        self.styles = ops.convert_to_tensor(lesson.styles, "float32")
        with devices.scope():
            self.optimizer = keras.optimizers.Adam(global_clipnorm=devices.limit(CLIP))
            self.optimizer.build(network.trainable_variables)
        self.weights = np.append(loss.weights, critic.weight if critic else []).astype(np.float32)
        self.compiled = backends.compiled(self.take_step, self.variables)
        self.step, self.validation, self.is_new = 0, math.inf, saved is None
        self.best, self.best_validation = architectures.list_weights(network), math.inf
        if saved:
            self.restore(*saved)

    def reschedule(self, settings):
        """Plan as many steps as the settings say."""
        self.settings = settings
        self.schedule = Schedule(settings.epochs * settings.steps, settings.learning_rate)

    def take_step(self, photos, choice, rate, crops):
        """Do one step; return the losses before it."""
        # Mixed where they are, before the batch is split: those of all styles may be a gigabyte.
        wanted = gallery.mix(self.styles, choice), self.loss.mix(choice)
        parts = self.devices.split((photos, *wanted, crops))
        gradients, losses, seen = self.devices.run(self.differentiate, *parts)
        self.optimizer.learning_rate.assign(rate)
        own = self.network.trainable_variables
        self.devices.apply(self.optimizer, self.devices.mean(gradients), own)
        if self.critic:
            self.critic.learn(*seen, rate)
        return self.devices.mean(losses)

    def differentiate(self, photos, mixture, statistics, crops):
        """Return the gradients of a batch, its losses, and the features the critic learns from."""

        def objective():
            images = self.network([photos, mixture], training=True)
            losses, features = self.judge(photos, images, statistics)
            return self.loss.objective(images, losses, self.weights), (losses, features)

        own = self.network.trainable_variables
        gradients, (losses, features) = backends.differentiate(objective, own, self.variables)
        seen = (self.loss.look(crops), features) if self.critic else ()
        return gradients, ops.mean(losses, axis=0), seen

    def judge(self, photos, images, statistics):
        """Return the losses of images, the critic's last, and their features, see `loss.Loss`."""
        losses, features = self.loss(photos, images, statistics)
        if self.critic:
            losses = ops.concatenate([losses, self.critic.judge(features)[:, None]], axis=1)
        return losses, features

    def next_step(self, photos):
        """Do the next step with a batch of photos; return its losses."""
        generator = np.random.default_rng((self.settings.seed, self.step, 2))
        choice = gallery.draw(generator, len(photos), len(self.styles))
        rate = ops.convert_to_tensor(self.schedule.rate(self.step), "float32")
        crops = self.critic.draw(generator, photos.shape) if self.critic else ()
        with self.devices.scope():
            losses = self.compiled(ops.convert_to_tensor(photos), choice, rate, crops)
        self.step += 1
        return ops.convert_to_numpy(losses)

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
        totals = weigh(rows, self.weights)
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
        images = architectures.paint(self.network, photos, gallery.mix(self.styles, choice))
        pair = ops.convert_to_tensor(photos), ops.convert_to_tensor(images)
        losses, _ = self.judge(*pair, self.loss.mix(choice))
        losses = ops.convert_to_numpy(losses).mean(axis=0)
        self.validation = float(weigh(losses, self.weights))
        if self.validation <= self.best_validation:
            self.best, self.best_validation = (
                architectures.list_weights(self.network),
                self.validation,
            )
        return losses

    @property
    def image(self):
        """The preview: what becomes of one photo, in the first styles side by side."""
        preview, shown = self.lesson.preview, self.styles[: min(SHOWN, self.lesson.paintings)]
        return np.concatenate(
            [architectures.paint(self.network, preview, each[None]) for each in shown], axis=2
        )

    @property
    def variables(self):
        """All that changes, or is used by what does."""
        return [*self.network.variables, *self.others]

    @property
    def others(self):
        """All variables that a training changes besides the network's."""
        return [*self.optimizer.variables, *(self.critic.variables if self.critic else ())]

    def save(self):
        """Return all there is to know in order to continue: (arrays, header)."""
        arrays = {
            f"network {key}": each for key, each in architectures.list_weights(self.network).items()
        }
        arrays |= {f"best {key}": each for key, each in self.best.items()}
        arrays |= {f"other {number}": np.array(each) for number, each in enumerate(self.others)}
        names = ("step", "validation", "best_validation")
        return arrays, {name: getattr(self, name) for name in names}

    def restore(self, arrays, header):
        """Continue from what `save` returned."""
        checkpoint.check_arrays(arrays, self.save()[0])
        architectures.assign(self.network, select(arrays, "network "))
        self.best = select(arrays, "best ")
        for number, variable in enumerate(self.others):
            variable.assign(arrays[f"other {number}"])
        for name, value in header.items():
            setattr(self, name, value)


def select(arrays, prefix):
    """Return the arrays whose names begin with a prefix, without it."""
    return {
        key.removeprefix(prefix): each for key, each in arrays.items() if key.startswith(prefix)
    }
