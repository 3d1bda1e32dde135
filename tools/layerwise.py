"""First half of the training of the compact VGG19: one layer after the other, from the image up.

A layer learns to compute the teacher's features from those that the student's layers below it
already compute. By itself each layer is a problem with one minimum, so that it needs minutes
where the whole network, trained at once, needs hours.
"""

import keras
import numpy as np
from keras import ops

DAMPING = 1e-5  # of the mean variance: directions with less are not amplified further
POSITIONS = 24_000  # that the statistics of a layer's input are taken from
BATCH_POSITIONS = 3_000  # output positions in a step, about
COMPILE = keras.backend.backend() == "jax"  # XLA's convolutions are slow on processors


class WhitenedConvolution(keras.layers.Layer):
    """A 3×3 convolution before its ReLU, trained in coordinates where its input is white.

    The features of neighboring pixels and channels are so correlated that gradient descent
    on a kernel itself hardly moves in most directions. Written as `kernel = whitener ·
    direction`, with the whitener from the input's statistics, all directions learn equally
    fast: the idea of natural neural networks (Desjardins et al., arXiv:1507.00210).

    Args:
        features: (batch, height, width, channels), NumPy, to take the statistics from.
        kernel, bias: the weights to start from, or None for random ones.
        spread: scales the random ones.
        filters: the number of output channels.
    """

    def __init__(self, features, *, filters, kernel=None, bias=None, spread=1.0):
        super().__init__()
        self.kernel_shape = (3, 3, features.shape[-1], filters)
        center, whitener, colorer = whitening(features)
        if kernel is None:
            # White input: outputs of variance 2, which ReLU makes a mean square of 1.
            draw = keras.random.normal((len(center), filters), stddev=(2 / len(center)) ** 0.5)
            direction, offset = spread * draw, np.zeros(filters)
        else:
            flat = kernel.reshape(len(center), filters).astype(np.float64)
            direction, offset = colorer @ flat, bias + center @ flat
        for name, value in [("whitener", whitener), ("center", center)]:
            setattr(self, name, self.constant(value, trainable=False))
        for name, value in [("direction", direction), ("offset", offset)]:
            setattr(self, name, self.constant(value, trainable=True))
        self.built = True

    def constant(self, value, *, trainable):
        """Add a weight that starts as `value`."""
        weight = self.add_weight(shape=value.shape, initializer="zeros", trainable=trainable)
        weight.assign(value)
        return weight

    def call(self, features):
        kernel, bias = self.fold()
        return ops.conv(features, kernel, padding="valid") + bias

    def compute_output_shape(self, shape):
        batch, height, width, _ = shape
        return batch, height and height - 2, width and width - 2, self.kernel_shape[-1]

    def fold(self):
        """Return the ordinary kernel (3, 3, channels, filters) and bias (filters,)."""
        kernel = ops.matmul(self.whitener, self.direction)  # (9 · channels, filters)
        bias = self.offset - ops.matmul(self.center, kernel)
        return ops.reshape(kernel, self.kernel_shape), bias


def whitening(features):
    """Compute the statistics of the 3×3 patches of (batch, height, width, channels).

    Returns:
        (center, whitener, colorer): the mean patch (9 · channels,), the inverse square root
        of the damped covariance, and its square root, both (9 · channels, 9 · channels).
    """
    windows = np.lib.stride_tricks.sliding_window_view(features, (3, 3), axis=(1, 2))
    places = windows.shape[:3]
    total = int(np.prod(places))
    chosen = np.random.default_rng(0).choice(total, min(total, POSITIONS), replace=False)
    patches = windows[np.unravel_index(chosen, places)]  # (n, channels, 3, 3)
    patches = patches.transpose(0, 2, 3, 1).reshape(len(chosen), -1)
    center = patches.mean(axis=0, dtype=np.float64)
    patches = patches - center.astype(np.float32)
    covariance = (patches.T @ patches / len(patches)).astype(np.float64)
    values, vectors = np.linalg.eigh(covariance)
    roots = np.sqrt(np.maximum(values, 0) + DAMPING * max(values.mean(), 1e-12))
    return center, (vectors / roots) @ vectors.T, (vectors * roots) @ vectors.T


def matching_loss(target, output):
    """Compare an output before its ReLU with a target after it.

    Where the target is positive the output must equal it; where it is 0 any negative output
    will do. In the output this is convex, unlike the squared error after the ReLU, which has
    no gradient where the unit is off; both are 0 for the same outputs.
    """
    error = ops.where(target > 0, output - target, ops.relu(output))
    return 0.5 * ops.mean(ops.square(error))


def train_layer(features, targets, *, filters, start=None, rate, steps):
    """Train one layer on a set of features.

    Args:
        features: (batch, height + 2, width + 2, channels), what the layer sees.
        targets: (batch, height, width, taught), the teacher's scaled features there.
        filters: the number of the layer's channels. If it is not `taught`, the layer is trained
            through a head: a 1×1 convolution from its channels to the teacher's.
        start: arrays from an earlier call to go on from, or None.
        rate: how far Adam moves at the start, relative to the weights; it falls to 0 along a
            cosine.
        steps: the number of Adam's steps.

    Returns:
        [kernel, bias] and, where there is a head, [..., its kernel, its bias], NumPy.
    """
    layer, head = build_layer(features, targets.shape[-1], filters, start)
    image = keras.Input(features.shape[1:])
    output = layer(image)
    model = keras.Model(image, head(ops.relu(output)) if head else output)
    # In white coordinates a weight is of the order of 1 / √(number of inputs).
    rate = rate / (9 * features.shape[-1]) ** 0.5
    schedule = keras.optimizers.schedules.CosineDecay(rate, steps)
    optimizer = keras.optimizers.Adam(schedule, beta_2=0.99)
    model.compile(optimizer, loss=matching_loss, jit_compile=COMPILE)
    batch = max(1, BATCH_POSITIONS // (targets.shape[1] * targets.shape[2]))
    epochs = -(-steps * batch // len(features))
    model.fit(features, targets, batch_size=batch, epochs=epochs, verbose=0)
    arrays = [ops.convert_to_numpy(each) for each in layer.fold()]
    return normalize(arrays, head.get_weights(), features) if head else arrays


def build_layer(features, taught, filters, start):
    """Build the layer that `train_layer` trains.

    Returns:
        (layer, head): a `WhitenedConvolution`, and a dense layer, or None if the layer has as
        many channels as the teacher's.
    """
    kernel, bias = start[:2] if start else (None, None)
    if taught == filters:
        # There is one minimum, and 0 is nearer to it than a random start.
        spread, head = 0.0, None
    else:
        # From 0 neither the layer nor its head could learn from the other.
        spread, head = 1.0, keras.layers.Dense(taught)
        head.build((None, None, None, filters))
        if start:
            head.set_weights(start[2:])
    layer = WhitenedConvolution(features, filters=filters, kernel=kernel, bias=bias, spread=spread)
    return layer, head


def normalize(arrays, head, features):
    """Scale a layer that learned through a head so that its own features have mean square 1."""
    output = keras.Sequential([keras.layers.Conv2D(len(arrays[1]), 3, activation="relu")])
    output.build(features.shape)
    output.set_weights(arrays)
    scale = np.sqrt(np.mean(np.square(output.predict(features, verbose=0)))) + 1e-12
    return [arrays[0] / scale, arrays[1] / scale, head[0] * scale, head[1]]
