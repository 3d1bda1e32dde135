"""The loss of one network, in float32, for one pair of pictures: what pictures are judged by."""

import numpy as np
import tensorflow as tf

import functions
from style_transfer.optimization import optimizers, targets


class Judge:
    """The loss that one network has for one pair of pictures.

    Args:
        model: from images to a dictionary of features.
        content, style: (1, height, width, 3) in [0, 1].
        settings: a `settings.Settings` with the layers and the weights of the losses.
        lifts: see `targets.compute_targets`.
    """

    def __init__(self, model, content, style, settings, lifts=None):
        self.model, self.settings = model, settings
        styles = [targets.Style(style)]
        self.goal = targets.compute_targets(model, content, styles, settings, lifts=lifts)
        weights = settings.loss_weights
        self.weights = tf.constant(weights, tf.float32)  # in the order of `functions.TERMS`
        self.compiled = tf.function(self.loss)

    def loss(self, image):
        """Return the total loss of an image, a tensor."""
        image = tf.convert_to_tensor(image)  # which may be a variable
        features = functions.extract_features(self.model, image, border=self.settings.border)
        losses = functions.compute_losses(features, image, self.goal, self.settings)
        return tf.reduce_sum(self.weights * losses)

    def total(self, picture):
        """Return the total loss of a picture, a number."""
        return float(self.compiled(tf.constant(picture)))

    def minimize(self, start, steps):
        """Make a picture, from `start`, in so many steps of L-BFGS; 8 bits a channel."""
        optimizer = optimizers.LBFGS()
        evaluate = functions.build_evaluation(self.model, self.settings)

        def step(state):
            return functions.training_step(
                state, optimizer, lambda image: evaluate(image, self.goal, self.weights)
            )

        step, state = tf.function(step, autograph=False), optimizer.start(start)
        for _ in range(steps + 1):  # the first one evaluates the start
            state = step(state)
        return np.rint(state["image"].numpy() * 255) / np.float32(255)
