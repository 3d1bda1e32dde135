"""A network that repaints a photo in one pass, in the styles that it was trained for.

The residual network of Johnson, Alahi and Fei-Fei (arXiv:1603.08155), with the instance
normalization of Ulyanov, Vedaldi and Lempitsky (arXiv:1607.08022), which is what makes it work,
and the scales and shifts of Dumoulin, Shlens and Kudlur (arXiv:1610.07629), which let one network
paint many styles and all that lies between them.

Departures: half the channels; a stem that halves the sides at once; bilinear enlargement and a
convolution where the paper has transposed convolutions, which leave a grid (Odena et al. 2016), as
nearest neighbors do, a finer one; mirrored edges; no normalization of the output, which would
stripe it.
"""

import keras
from keras import ops

from style_transfer.feedforward import moments

STEM, WIDTH, BLOCKS = 32, 64, 5  # channels at a half and a quarter of the size; residual blocks
EPSILON = 1e-5
SPREAD = 0.1  # of the scales and shifts at first


class ConditionalInstanceNormalization(keras.layers.Layer):
    """Normalize each channel of each picture; then scale and shift it as its style says.

    Its input: features (batch, height, width, N) and how much of each style, (batch, styles).
    Styles begin a little apart, or those that are mixed by a prediction would stay alike.
    """

    def build(self, shapes):
        """Make a scale and a shift a style and channel."""
        (*_, channels), (_, styles) = shapes
        for name, mean in (("scale", 1.0), ("shift", 0.0)):
            apart = keras.initializers.RandomNormal(mean, SPREAD)
            setattr(self, name, self.add_weight((styles, channels), apart, name=name))

    def call(self, inputs):
        """Return features of the same shape."""
        features, mixture = inputs
        mean, variance = moments.find_moments(features, self.name)
        scale, shift = (ops.matmul(mixture, each) for each in (self.scale, self.shift))
        scale = scale[:, None, None] * ops.rsqrt(variance + EPSILON)
        return features * scale + (shift[:, None, None] - mean * scale)


class BilinearUpSampling(keras.layers.Layer):
    """Double the sides, bilinearly; those of Keras must be known when a graph is built."""

    def compute_output_shape(self, shape):
        """Return the shape of the result."""
        batch, *sides, channels = shape
        return (batch, *(side and 2 * side for side in sides), channels)

    def call(self, features):
        """Return (batch, 2 height, 2 width, N)."""
        return double(double(features, axis=1), axis=2)


def double(features, axis):
    """Double one side: a quarter of each value comes from the neighbor that is nearer."""
    all_of = (slice(None),) * axis
    first, last = features[(*all_of, slice(0, 1))], features[(*all_of, slice(-1, None))]
    before = ops.concatenate([first, features[(*all_of, slice(None, -1))]], axis)
    after = ops.concatenate([features[(*all_of, slice(1, None))], last], axis)
    pair = [0.75 * features + 0.25 * each for each in (before, after)]
    shape = list(ops.shape(features))
    shape[axis] = 2 * shape[axis]
    return ops.reshape(ops.stack(pair, axis=axis + 1), shape)


def build_trunk(styles, policy="float32"):
    """Build the network, with weights drawn at random.

    Args:
        styles: how many it can paint.
        policy: Keras' name for what the convolutions compute in, as `mixed_bfloat16`; all but the
            first and the last, where a color would lose half of its 256 levels.

    Returns:
        A Keras model from [images (batch, height, width, 3), sRGB in [0, 1], sides multiples of
        4; how much of each style (batch, styles)] to images of the same shape in (0, 1).
    """
    image = keras.Input((None, None, 3), name="image")
    mixture = keras.Input((styles,), name="mixture")

    def block(hidden, channels, name, *, activate=True, **kind):
        hidden = convolve(hidden, channels, name, **{"size": 3, "dtype": policy} | kind)
        hidden = ConditionalInstanceNormalization(name=f"{name}_norm")([hidden, mixture])
        return ops.relu(hidden) if activate else hidden

    hidden = block(image - 0.5, STEM, "stem", size=5, stride=2, dtype="float32")
    hidden = block(hidden, WIDTH, "contract", stride=2)
    for number in range(1, BLOCKS + 1):
        inner = block(hidden, WIDTH, f"residual{number}_conv1")
        hidden = hidden + block(inner, WIDTH, f"residual{number}_conv2", activate=False)
    for number, channels in enumerate((STEM, STEM // 2), start=1):
        hidden = BilinearUpSampling(name=f"upsampling{number}")(hidden)
        hidden = block(hidden, channels, f"expand{number}")
    result = ops.sigmoid(convolve(hidden, 3, "output", size=5))
    return keras.Model([image, mixture], result, name="trunk")


def convolve(hidden, channels, name, *, size, stride=1, dtype="float32"):
    """Convolve features that go on beyond their edges, mirrored."""
    edge = size // 2
    hidden = ops.pad(hidden, ((0, 0), (edge, edge), (edge, edge), (0, 0)), mode="reflect")
    kind = {"strides": stride, "kernel_initializer": "he_normal", "dtype": dtype}
    return keras.layers.Conv2D(channels, size, name=name, **kind)(hidden)
