"""Any painting by an auto-encoder: the features of the photo take on the painting's statistics.

Adaptive instance normalization (Huang & Belongie, arXiv:1703.06868): a frozen VGG19 encodes the
photo, each channel gets the painting's mean and deviation, and a decoder, which alone is trained,
turns the features into a picture. With skip connections (as U-Net, arXiv:1505.04597) the lower
layers' features, normalized likewise, reach the decoder, too: edges that pooling lost come back.
The skips are narrow; through wide ones the photo would pass as it is.

Departures: the encoder is the compact network; the decoder begins with the weights by which it
gives back pictures, see `universal`, and the skips with none at all.
"""

import keras
from keras import ops

import functions
from style_transfer.feedforward import prediction
from style_transfer.feedforward.decoder import decode
from style_transfer.networks import decoders, weights

LEVEL = "block4_conv1"
SKIPS = ("block3_conv1", "block2_conv1", "block1_conv1")
NARROW = 4  # times fewer channels a skip has than the features that it joins
EDGE = 16  # mirrored pixels around a picture, as when the decoder learned to give back pictures
MULTIPLE = 8  # of the sides that the encoder's poolings take
EPSILON = 1e-5
PREFIX = "decoder_"  # the encoder's layers have the same names


class AdaptiveInstanceNormalization(keras.layers.Layer):
    """Give each channel of each picture the mean and deviation that the moments of it say.

    Its input: features (batch, height, width, N) and moments (batch, 2, N), see
    `prediction.describe`.
    """

    def call(self, inputs):
        """Return features of the same shape."""
        features, moments = inputs
        mean, variance = ops.moments(features, axes=(1, 2), keepdims=True)
        wanted, square = (moments[:, None, None, index] for index in range(2))
        deviation = ops.sqrt(ops.maximum(square - ops.square(wanted), 0.0) + EPSILON)
        return (features - mean) * ops.rsqrt(variance + EPSILON) * deviation + wanted


class MirrorEdges(keras.layers.Layer):
    """Let a picture go on beyond its edges, mirrored, to sides that can be halved three times."""

    def compute_output_shape(self, shape):
        """Return the shape of the result; JAX cannot tell it by itself."""
        return (shape[0], None, None, shape[-1])

    def call(self, picture):
        """Return a picture that is larger by 16 pixels or more on every side."""
        missing = [-side % MULTIPLE for side in ops.shape(picture)[1:3]]
        edges = [(EDGE, EDGE + each) for each in missing]
        return ops.pad(picture, ((0, 0), *edges, (0, 0)), mode="reflect")


class CropEdges(keras.layers.Layer):
    """Cut the mirrored edges off an image; its other input is the picture as it was."""

    def compute_output_shape(self, shapes):
        """Return the shape of the result, that of the picture."""
        return shapes[1]

    def call(self, inputs):
        """Return an image of the picture's size."""
        image, picture = inputs
        height, width = ops.shape(picture)[1:3]
        return image[:, EDGE : EDGE + height, EDGE : EDGE + width]


def build_network(policy="float32", *, skips):
    """Build the network; its decoder gives back pictures already.

    Args:
        policy: what encoder and decoder compute in, see `trunk.build_trunk`.
        skips: whether it has skip connections.

    Returns:
        A Keras model from [images (batch, height, width, 3), sRGB in [0, 1]; moments of paintings
        (batch, 2, N), see `prediction.describe`] to images of the same shape, not yet clipped.
    """
    network = weights.load("compact")
    architecture = network.architecture
    image = keras.Input((None, None, 3), name="image")
    moments = keras.Input((2, prediction.count_channels()), name="moments")
    encoder = functions.build_model(
        (*SKIPS, LEVEL), architecture, precision=policy.removeprefix("mixed_")
    )
    network.assign(encoder)
    features = encoder(MirrorEdges(name="mirror")(image))

    def transform(layer):
        own = moments[:, :, prediction.find_channels(layer)]
        name = f"{layer}_adain"
        return AdaptiveInstanceNormalization(name=name)([features[layer], own])

    def join(hidden, layer):
        if not (skips and layer in SKIPS):
            return hidden
        channels = architecture.width(layer)
        skip = convolve(transform(layer), channels // NARROW, f"narrow_{layer}", "he_normal")
        return hidden + convolve(skip, channels, f"skip_{layer}", "zeros")

    result = decode(transform(LEVEL), LEVEL, architecture, join=join, prefix=PREFIX, policy=policy)
    result = CropEdges(name="crop")([result, image])
    model = keras.Model([image, moments], result, name="autoencoder" if skips else "adain")
    for name, pair in decoders.load().levels[LEVEL].items():
        model.get_layer(f"{PREFIX}{name}").set_weights(pair)
    return model


def convolve(hidden, channels, name, initializer):
    """Convolve each position for itself."""
    layer = keras.layers.Conv2D(channels, 1, kernel_initializer=initializer, name=name)
    return layer(hidden)
