"""The training of one image: targets, state of the optimiser, and the compiled steps."""

import time

import tensorflow as tf

import functions
import optimizers

SECONDS_BETWEEN_REPORTS = 1.0


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

    def begin(self, start, targets):
        """Evaluate the image to start from; from now on train it towards the targets."""
        self.prepare(self.optimizer.start(start), targets)
        self.run(1)

    def restore(self, arrays, image, targets):
        """Go on from the arrays that `optimizers.flatten` made of the state of such an image."""
        example = self.optimizer.start(image)
        self.prepare(optimizers.unflatten(arrays, example), targets)

    def prepare(self, state, targets):
        """Take over a state and targets; build the training, once."""
        self.targets = targets
        self.state = state
        self.chunk = 1
        if self.train is None:
            arguments = (self.evaluate, self.optimizer, self.state, self.targets)
            self.train = functions.build_training(*arguments)

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
        return optimizers.Adam(
            learning_rate=settings.learning_rate,
            decay=settings.decay,
            decay_steps=settings.decay_steps,
            average=settings.average,
            beta_1=settings.adam_beta1,
            epsilon=settings.adam_epsilon,
        )
    return optimizers.LBFGS()
