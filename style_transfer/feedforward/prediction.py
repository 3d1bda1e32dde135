"""A network that tells from a painting how the trunk is to paint like it.

Ghiasi, Lee, Kudlur, Dumoulin and Shlens (arXiv:1705.06830) predict the scales and shifts of
conditional instance normalization from what Inception sees in a painting. With tens of paintings,
and not their 80,000, there is too little to train such an eye; here it is the compact VGG19, of
which the means and deviations of five layers' channels describe the painting (the style of Huang &
Belongie, arXiv:1703.06868). What is predicted, too, differs: shares of so many archetypes, styles
of the trunk's own, which sum to 1 and may be negative. So the trunk is the same as with a row of
scales and shifts for each painting, and a style that was predicted becomes such a row.
"""

import functools
import math

import keras
import numpy as np
from keras import ops

import functions
from style_transfer.feedforward import trunk
from style_transfer.method import statistics
from style_transfer.networks import weights
from style_transfer.settings import Settings

ARCHETYPES = 64
HIDDEN = 128
SMALL = 0.004
LAYERS = tuple(f"block{block}_conv1" for block in range(1, 6))
FLOOR = 1e-4  # of a channel's variance
BORDER = Settings().border
PREFIXES = ("style_code/", "predictor_")  # of the names of its weights


@functools.lru_cache(maxsize=1)
def build_eye():
    """Build what looks at paintings: the compact network up to the last of `LAYERS`."""
    network = weights.load("compact")
    model = functions.build_model(LAYERS, network.architecture)
    network.assign(model)
    return model


def describe(image, block=math.inf):
    """Describe a painting, (1, height, width, 3), by moments of what the compact network sees.

    Args:
        block: side of the largest block that is looked at, in pixels.

    Returns:
        (2, N), NumPy: the mean of each channel of all `LAYERS`, and that of its square. They can be
        mixed, see `gallery`.
    """
    if block < math.inf:
        return describe_in_blocks(image, block)
    found = functions.extract_features(build_eye(), ops.convert_to_tensor(image), border=BORDER)
    features = [found[name][0] for name in LAYERS]
    means = [ops.mean(each, axis=(0, 1)) for each in features]
    squares = [ops.mean(ops.square(each), axis=(0, 1)) for each in features]
    return np.stack([ops.concatenate(means), ops.concatenate(squares)])


def describe_in_blocks(image, block):
    """Return what `describe` does, block by block."""
    from style_transfer.feedforward import universal  # which wants TensorFlow; trainings may not

    architecture = weights.load("compact").architecture
    eye = universal.compile_model(build_eye(), reduce_retracing=True)
    look = universal.Look(eye, architecture, LAYERS, image, block, border=BORDER)
    found = look.add_up(lambda _, own, __: [statistics.sum_positions(own, diagonal=True)])
    sums = [found[name][0] for name in LAYERS]
    means = [each.first[0] / each.count for each in sums]
    squares = [each.second[0] / each.count for each in sums]
    return np.stack([ops.concatenate(means), ops.concatenate(squares)])


def count_channels():
    """Return N: how many channels all `LAYERS` have."""
    return sum(map(weights.load("compact").architecture.width, LAYERS))


def find_channels(layer):
    """Return which of these channels are those of a layer, as a slice."""
    width = weights.load("compact").architecture.width
    first = sum(map(width, LAYERS[: LAYERS.index(layer)]))
    return slice(first, first + width(layer))


class StyleCode(keras.layers.Layer):
    """Turn moments, (batch, 2, N), into means and logarithms of deviations, (batch, 2 N).

    They are standardized by their mean and deviation over the paintings that were learned from.
    """

    def build(self, shape):
        """Make room for what standardizes them."""
        code = 2 * shape[-1]
        self.center = self.add_weight((code,), "zeros", trainable=False, name="center")
        self.spread = self.add_weight((code,), "ones", trainable=False, name="spread")

    def adapt(self, moments):
        """Learn what standardizes the code from many paintings: (count, 2, N)."""
        code = ops.convert_to_numpy(self.encode(ops.convert_to_tensor(moments)))
        self.center.assign(code.mean(axis=0))
        self.spread.assign(code.std(axis=0) + 0.01)  # a channel may be the same in all

    def encode(self, moments):
        """Return the code, not yet standardized."""
        mean, square = moments[:, 0], moments[:, 1]
        variance = ops.maximum(square - ops.square(mean), 0.0)
        return ops.concatenate([mean, 0.5 * ops.log(variance + FLOOR)], axis=1)

    def call(self, moments):
        """Return the standardized code."""
        return (self.encode(moments) - self.center) / self.spread


def build_predictor():
    """Build the Keras model from moments (batch, 2, N) to shares (batch, 64) that sum to 1."""
    moments = keras.Input((2, count_channels()), name="moments")
    code = StyleCode(name="style_code")(moments)
    hidden = keras.layers.Dense(HIDDEN, activation="relu", name="predictor_hidden")(code)
    # Small ones: a step of the optimizer moves all archetypes, and with them a style by as much as
    # the sizes of its shares add up to.
    small = keras.initializers.RandomNormal(stddev=SMALL)
    shares = keras.layers.Dense(ARCHETYPES, kernel_initializer=small, name="predictor_shares")
    shares = shares(hidden)
    shares = shares + (1.0 - ops.sum(shares, axis=1, keepdims=True)) / ARCHETYPES
    return keras.Model(moments, shares, name="predictor")


def build_network(policy="float32"):
    """Build both: a model from [images, moments of paintings] to images, see `trunk`."""
    image = keras.Input((None, None, 3), name="image")
    predictor = build_predictor()
    moments = keras.Input(predictor.input_shape[1:], name="moments")
    result = trunk.build_trunk(ARCHETYPES, policy)([image, predictor(moments)])
    return keras.Model([image, moments], result, name="google")


def find_code(network):
    """Return the `StyleCode` of what `build_network` built."""
    return network.get_layer("predictor").get_layer("style_code")
