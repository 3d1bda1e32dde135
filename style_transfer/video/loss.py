"""The temporal loss (Ruder, Dosovitskiy & Brox, arXiv:1604.08610, equation 7), and what takes it.

A fourth term beside content, style and total variation: a frame is to look like the one before,
moved as the film moves, wherever that motion is trusted.
"""

from typing import NamedTuple

import numpy as np
import tensorflow as tf
from keras import ops

import functions
from style_transfer.optimization.engine import Engine
from style_transfer.optimization.resizing import resize_to
from style_transfer.optimization.transfer import Transfer


class FrameTargets(NamedTuple):
    """What a frame is to resemble.

    Attributes:
        content, style: as of `optimization.targets.Targets`.
        references: of each, the image (1, height, width, 3) of another frame, moved to where
            things are in this one, and its trust (1, height, width, 1) in [0, 1].
        free: (1, height, width, 1), 1 where the image may change, 0 where it is held.
    """

    content: dict
    style: dict
    references: tuple
    free: object


def temporal_loss(image, references, *, form="relative"):
    """Compare a frame with others that were moved to where things are in it.

    Args:
        image: (1, height, width, 3).
        references: pairs (w, c) of images and their trust, see `FrameTargets`.
        form: `gatys` and `mean`: the paper's 1/D Σ c (x − w)², with D = height × width × 3;
            `relative`: divided by the variance of w, so that its weight is a pure number, too.
            With several, the sum.

    Returns:
        (1,).
    """
    total = ops.zeros(1)
    for moved, trust in references:
        error = ops.mean(trust * (image - moved) ** 2, axis=(1, 2, 3))
        if form == "relative":
            error = error / ops.maximum(variance(moved), functions.FLOOR)
        total = total + error
    return total


def variance(image):
    """Return the variance of the pixels of (1, height, width, 3), the mean over the channels."""
    return ops.mean(ops.var(image, axis=(1, 2)), axis=-1)


class FrameEngine(Engine):
    """An `Engine` for the frames of a film.

    Args:
        weights, settings: as of `Engine`.
        temporal_weight: γ.
    """

    terms = (*functions.TERMS, "temporal")

    def __init__(self, weights, settings, temporal_weight):
        super().__init__(weights, settings)
        self.temporal_weight = temporal_weight

    def list_weights(self, settings):
        """List the weights of the losses, in the order of `terms`."""
        return *super().list_weights(settings), self.temporal_weight

    def build_evaluation(self):
        """Build what evaluates a frame: a picture's losses, and the temporal one."""
        evaluate_picture = super().build_evaluation()
        form = self.settings.loss

        def evaluate(image, goal, weights):
            found = evaluate_picture(image, goal, weights[:-1])
            with tf.GradientTape() as tape:
                tape.watch(image)
                loss = tf.reduce_mean(temporal_loss(image, goal.references, form=form))
                weighted = weights[-1] * loss
            return {
                "losses": tf.concat([found["losses"], [loss]], axis=0),
                "total": found["total"] + weighted,
                "gradient": goal.free * (found["gradient"] + tape.gradient(weighted, image)),
            }

        return evaluate


class FrameTransfer(Transfer):
    """A `Transfer` that paints one frame of a film.

    Args:
        engine: a `FrameEngine`.
        material, settings: as of `Transfer`.
        references: see `FrameTargets`, NumPy, of the final size; () for the first of a shot.
        count: how many references the frames of the film have, at most.
        free: see `FrameTargets`; None: everywhere.
    """

    def __init__(self, engine, material, settings, references, count, free=None):
        flat = (*material.content.shape[:3], 1)
        nothing = material.content, np.zeros(flat, np.float32)
        self.free = np.ones(flat, np.float32) if free is None else free
        # As many for every frame: all are painted by the same compiled steps.
        self.references = (*references, *[nothing] * (count - len(references)))
        super().__init__(engine, material, settings)

    def compute_targets(self, content):
        """Compute the targets at the scale of the position, the content being of that size."""
        goal = super().compute_targets(content)
        shape = content.shape[1:3]
        references = tuple(
            (tf.convert_to_tensor(resize_to(moved, shape)), tf.image.resize(trust, shape, "area"))
            for moved, trust in self.references
        )
        return FrameTargets(*goal, references, tf.image.resize(self.free, shape, "area"))
