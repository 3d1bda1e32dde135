"""The networks that paint in one pass, by the names of their architectures."""

import functools
import math

import keras
import numpy as np

from style_transfer.feedforward import autoencoder, google, models, prediction, trunk
from style_transfer.pictures import large
from style_transfer.runs import checkpoint

#: What builds each of `style_file.FOR_ANY`.
BUILDERS = {
    "google": prediction.build_network,
    "adain": functools.partial(autoencoder.build_network, skips=False),
    "autoencoder": functools.partial(autoencoder.build_network, skips=True),
}
MULTIPLE = 4  # of the sides that the networks can take


def build(arch, count, policy="float32"):
    """Build a network of an architecture; one that is for some styles, for so many.

    Args:
        policy: what it computes in, see `trunk.build_trunk`.
    """
    if arch == models.MULTISTYLE:
        return google.build_transfer_network(google.MULTISTYLE)
    return BUILDERS[arch](policy) if arch in BUILDERS else trunk.build_trunk(count, policy)


def paint(model, photos, mixture, block=math.inf):
    """Paint photos of any size: they go on beyond their edges, mirrored, to multiples of 4.

    Args:
        model: from `build`, or `compiled`.
        photos: (batch, height, width, 3) in [0, 1]; or a `large.Large`, as is then returned.
        mixture: what says how: shares (batch, styles), moments (batch, 2, N), or what else the
            model takes a style as.
        block: side of the largest block that a `trained.Compiled` takes, in pixels.

    Returns:
        An array of the photos' shape.
    """
    height, width = photos.shape[1:3]
    missing = [(0, -side % MULTIPLE) for side in (height, width)]
    mixture = np.asarray(mixture, np.float32)
    if large.is_large(photos):
        image = model([large.Framed(photos, missing), mixture], block)
        return large.Framed(image, [(0, -more) for _, more in missing])
    padded = np.pad(photos, ((0, 0), *missing, (0, 0)), mode="reflect")
    inputs = [padded, mixture]
    image = model(inputs) if block == math.inf else model(inputs, block)
    image = keras.ops.clip(image, 0.0, 1.0)
    return keras.ops.convert_to_numpy(image)[:, :height, :width]


def list_weights(model):
    """Return copies of the weights of a Keras model by name, without those of the encoder."""
    return {name: np.array(each) for name, each in list_variables(model).items()}


def list_variables(model):
    """Return what a training can change, by name; the encoder comes with the program."""
    return {each.path: each for each in model.weights if not each.path.startswith("block")}


def assign(model, arrays):
    """Give a Keras model its weights; raise ValueError unless they are its own."""
    checkpoint.check_arrays(arrays, list_weights(model))
    for name, variable in list_variables(model).items():
        variable.assign(arrays[name])
