"""Deep Dream (Mordvintsev, Olah & Tyka 2015): a picture that excites what the network sees in it.

In octaves, from small to large: the gradient is smoothed by Gaussians, given the colors of
photographs, and followed; the picture is shifted before every step.
"""

import numpy as np
import tensorflow as tf

import functions
from style_transfer.exploration.answers import build_answers
from style_transfer.exploration.fourier import COLOR_ROOT
from style_transfer.method.architecture import MIN_SIDE
from style_transfer.optimization.network import build_network

SMOOTHINGS = (0.5, 1.0, 2.0)  # Gaussians that are added, by what multiplies their deviation
NATURAL = 0.9  # of a step, with the colors of photographs; the rest has its own
GUIDE_POSITIONS = 2048  # at most, that are compared with each of the picture


class Dreamer:
    """Dreams of one layer, or of some channels of it.

    Args:
        network: `networks.weights.Weights`.
        settings: of a network that ends at the layer.
        layer: its name.
        channels: numbers of channels; (): all of the layer.
        head: see `answers.build_answers`.
        guide: image (1, height, width, 3) whose features the dream is to have, or None.
    """

    def __init__(self, network, settings, layer, channels, *, head=None, guide=None):
        if channels:
            self.model = build_answers(network, settings, layer, channels, head)
            self.measure = tf.reduce_mean
        else:
            model = build_network(network, settings, "float32")
            self.model = lambda image: model(image)[layer]
            self.measure = energy
            if guide is not None:
                features = functions.extract_features(model, guide, border=settings.border)[layer]
                self.measure = guided_by(features)
        self.climb = tf.function(self.climb, autograph=False, reduce_retracing=True)

    def climb(self, image, deviation, colors):
        """Return a step up, of deviation 1, for an image.

        Args:
            image: (1, height, width, 3).
            deviation: of the smoothing, in pixels; 0 does not smooth.
            colors: (3, 3), what the step's colors are multiplied by.
        """
        with tf.GradientTape() as tape:
            tape.watch(image)
            excitement = self.measure(self.model(image))
        gradient = tf.ensure_shape(tape.gradient(excitement, image), (1, None, None, 3))
        smoothed = sum(smooth(gradient, deviation * each) for each in SMOOTHINGS)
        step = tf.linalg.matmul(smoothed, colors)
        return step / (tf.math.reduce_std(step) + 1e-12)

    def dream(self, image, choices, *, seed=0, octaves=None, steps=None):
        """Dream on from an image: a generator of images, one for each octave.

        Args:
            image: (1, height, width, 3).
            choices: `choices.DreamChoices`.
            seed: of the shifts.
            octaves, steps: where they are not those of the choices.
        """
        generator = np.random.default_rng(seed)
        colors, detail = choose_colors(choices.colors), 0.0
        for shape in plan_octaves(image.shape[1:3], octaves or choices.octaves, choices):
            base = resize(image, shape)
            current = base + resize(detail, shape) if np.ndim(detail) else base
            count = steps or choices.steps
            for number in range(1, count + 1):
                shift = generator.integers(-choices.jitter, choices.jitter + 1, 2)
                deviation = choices.smoothing * (0.5 + 2.0 * number / count)
                current = tf.roll(current, shift, (1, 2))
                step = self.climb(current, tf.constant(deviation, tf.float32), colors)
                current = tf.roll(current + choices.rate * step, -shift, (1, 2))
                current = tf.clip_by_value(current, 0.0, 1.0)
            detail = current - base
            yield current.numpy()


def energy(features):
    """Return the mean square of features: what the first Deep Dream climbed."""
    return tf.reduce_mean(tf.square(features))


def guided_by(features):
    """Return the function that tells how much features are like those of a guide.

    As in the first Deep Dream: each position is compared with the guide's that fits it best.

    Args:
        features: of the guide, (1, height, width, N).
    """
    guide = tf.reshape(features, (-1, features.shape[-1]))
    guide = guide[:: -(-guide.shape[0] // GUIDE_POSITIONS)]

    def likeness(features):
        flat = tf.reshape(features, (-1, features.shape[-1]))
        best = tf.argmax(tf.matmul(flat, guide, transpose_b=True), axis=1)
        return tf.reduce_mean(tf.reduce_sum(flat * tf.gather(guide, best), axis=1))

    return likeness


def choose_colors(kind):
    """Return what the colors of a step are multiplied by, (3, 3).

    `natural`: mostly the covariance of photographs' colors, by which differences of brightness
    are large and those of color small; `free`: nothing.
    """
    if kind == "free":
        return tf.eye(3)
    covariance = COLOR_ROOT @ COLOR_ROOT.T
    own = np.eye(3, dtype=np.float32) * np.trace(covariance) / 3
    return tf.constant(NATURAL * covariance + (1 - NATURAL) * own)


def plan_octaves(shape, octaves, choices):
    """Return the (height, width) of each octave, the last one being `shape`."""
    scales = [choices.octave_scale**-power for power in range(octaves)]
    shapes = [tuple(round(side * scale) for side in shape) for scale in scales]
    return [each for each in shapes if min(each) >= MIN_SIDE or each == tuple(shape)][::-1]


def resize(image, shape):
    """Resize an image, or a difference of two, to (height, width) = `shape`, bicubic."""
    if tuple(image.shape[1:3]) == tuple(shape):
        return tf.convert_to_tensor(image)
    return tf.image.resize(image, shape, "bicubic", antialias=True)


def smooth(image, deviation):
    """Blur (1, height, width, 3) by a Gaussian, mirrored at the edges.

    Args:
        deviation: in pixels, a tensor; up to 10.
    """
    reach = tf.cast(tf.math.ceil(3.0 * deviation), tf.int32)
    places = tf.cast(tf.range(-reach, reach + 1), tf.float32)
    weights = tf.exp(-0.5 * tf.square(places / tf.maximum(deviation, 1e-6)))
    weights = tf.reshape(weights / tf.reduce_sum(weights), (-1, 1, 1, 1))
    for axis in (1, 2):
        around = tf.scatter_nd([[axis]], [[reach, reach]], (4, 2))
        image = tf.pad(image, around, "SYMMETRIC")
        kernel = tf.tile(weights, (1, 1, 3, 1))
        kernel = kernel if axis == 1 else tf.transpose(kernel, (1, 0, 2, 3))
        image = tf.nn.depthwise_conv2d(image, kernel, (1, 1, 1, 1), "VALID")
    return image
