"""The training of one image: targets, state of the optimizer, and the compiled steps."""

import dataclasses
import hashlib
import time
from collections import OrderedDict

import numpy as np
import tensorflow as tf

import functions
from style_transfer.optimization import optimizers
from style_transfer.settings import FIELDS

SECONDS_BETWEEN_REPORTS = 1.0
DESCRIPTIONS = 32  # of style pictures that a training keeps
#: Settings that the compiled steps do not depend on, so that runs may share them.
FREE = (
    *("size", "content_weight", "style_weight", "tv_weight", "epochs", "steps", "weights"),
    *("style_scale", "init", "enlarge", "seed", "scales", "patience", "layer_weights"),
    *("preserve_color", "blend", "keep_alpha", "warmup"),
)


class Training:
    """The training of an image; built once, for pictures of all sizes.

    Args:
        model: from `build_network`.
        settings: layers, losses and their weights, optimizer.
    """

    def __init__(self, model, settings):
        self.model = model
        self.settings = settings
        self.optimizer = build_optimizer(settings)
        self.evaluate = functions.build_evaluation(model, settings)
        self.train = None
        self.descriptions = OrderedDict()
        self.targets = None
        self.style_share = 1.0
        self.state = None
        self.chunk = 1

    def begin(self, start, targets, style_share=1.0):
        """Evaluate the image to start from; from now on train it towards the targets.

        Args:
            style_share: see `warm_up`.
        """
        self.prepare(self.optimizer.start(start), targets, style_share)
        self.run(1)

    def restore(self, arrays, image, targets, style_share=1.0):
        """Go on from the arrays that `optimizers.flatten` made of the state of such an image."""
        example = self.optimizer.start(image)
        self.prepare(optimizers.unflatten(arrays, example), targets, style_share)

    def warm_up(self, style_share):
        """Let the style count so much of its weight in the steps from now on.

        The losses are reported with the whole weight all the same.
        """
        if style_share != self.style_share:
            self.style_share = style_share
            state = self.optimizer.reconsider(self.state)
            if state is not self.state:
                self.state = state
                self.run(1)

    def prepare(self, state, targets, style_share):
        """Take over a state and targets; build the training, once."""
        self.targets = targets
        self.style_share = style_share
        self.state = state
        self.chunk = 1
        if self.train is None:
            arguments = (self.evaluate, self.optimizer, self.state, self.targets)
            self.train = functions.build_training(*arguments)

    def describe(self, style):
        """Return `functions.describe_picture` of a `functions.Style`; the last ones are kept."""
        parts = (style.picture, np.zeros(0) if style.mask is None else style.mask)
        key = hashlib.sha256(repr((style.shares, [part.shape for part in parts])).encode())
        for part in parts:
            key.update(np.ascontiguousarray(part))
        key = key.digest()
        if key not in self.descriptions:
            found = functions.describe_picture(self.model, style, self.settings)
            self.descriptions[key] = found
            if len(self.descriptions) > DESCRIPTIONS:
                self.descriptions.popitem(last=False)
        return self.descriptions[key]

    @property
    def picture(self):
        """The image (1, height, width, 3) to show."""
        return self.optimizer.picture(self.state)

    @property
    def losses(self):
        """The losses (4,) of the image."""
        return self.weigh(self.state["losses"].numpy())

    @property
    def total(self):
        """The weighted loss of the image."""
        return float(self.losses[-1])

    @property
    def taken_back(self):
        """Number of steps that the optimizer has taken back."""
        return int(self.state.get("taken_back", 0))

    def run(self, count):
        """Run so many steps; return (losses, seconds): (count, 4), and the time for each."""
        begin = time.perf_counter()
        shares = tf.constant([1.0, self.style_share, 1.0])
        targets = self.targets._replace(weights=self.targets.weights * shares)
        self.state, losses = self.train(self.state, targets, tf.constant(count))
        return self.weigh(losses.numpy()), (time.perf_counter() - begin) / count

    def weigh(self, losses):
        """Return losses (..., 4) with the total that the whole weights give."""
        if self.style_share == 1.0:
            return losses
        content, style, variation = np.moveaxis(losses[..., :3], -1, 0)
        alpha, beta, gamma = self.targets.weights.numpy()
        total = alpha * content + beta * style + gamma * variation
        return np.stack([content, style, variation, total], axis=-1)

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


def compiled_for(settings):
    """Return the settings with all that the compiled steps do not depend on at its default."""
    defaults = {name: FIELDS[name].default for name in FREE}
    return dataclasses.replace(settings, **defaults)


def build_optimizer(settings):
    """Choose what moves the image."""
    if settings.optimizer == "adam":
        return optimizers.Adam(
            learning_rate=settings.learning_rate,
            decay=settings.decay,
            decay_steps=settings.decay_steps,
            average=settings.average,
            beta_1=settings.adam_beta1,
            epsilon=settings.adam_epsilon,
        )
    return optimizers.LBFGS()
