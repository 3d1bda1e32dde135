"""From features back to a picture: a decoder of universal style transfer (arXiv:1705.08086).

It mirrors the network up to one layer: its convolutions in reverse, nearest neighbors in place of
pooling. It learned to give back the picture whose features it sees, and nothing else: of styles
it knows nothing, and so it paints any.
"""

import keras
from keras import ops

from style_transfer.method.architecture import VGG19


def build_decoder(level, architecture=VGG19, *, policy="float32"):
    """Build the decoder of a layer's features, with Keras' initial weights.

    Args:
        level: name of the layer, the first of a block.
        architecture: an `Architecture`, with the widths of the features.
        policy: see `decode`.

    Returns:
        A Keras model from features (batch, height, width, N) to an image (batch, height · stride,
        width · stride, 3), sRGB, not yet clipped to [0, 1]. Both sides of the features are 2 or
        more.
    """
    features = keras.Input((None, None, architecture.width(level)), name="features")
    image = decode(features, level, architecture, policy=policy)
    return keras.Model(features, image, name=f"decoder_of_{level}")


def decode(
    hidden, level, architecture, *, join=lambda hidden, layer: hidden, prefix="", policy="float32"
):
    """Turn features into an image, see `build_decoder`.

    Args:
        prefix: of the names of the layers.
        join: function from features and the name of a layer, whose features they are to become
            like, to the features to go on with.
        policy: what all convolutions but the last compute in, see `trunk.build_trunk`.
    """
    names = architecture.layers
    for name, channels in architecture.mirrored(level):
        hidden = ops.pad(hidden, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect")
        own = {"activation": "relu", "dtype": policy} if name != names[0] else {}
        hidden = keras.layers.Conv2D(channels, 3, name=f"{prefix}{name}", **own)(hidden)
        if architecture.begins_block(name):
            enlarge = keras.layers.UpSampling2D(2, name=f"{prefix}{name}_upsampling", dtype=policy)
            hidden = enlarge(hidden)
        elif name != names[0]:
            hidden = join(hidden, names[names.index(name) - 1])
    return hidden


def assign(model, layers):
    """Give a decoder its weights, from layer name to (kernel, bias), and return it, frozen."""
    for name, pair in layers.items():
        model.get_layer(name).set_weights(pair)
    model.trainable = False
    return model
